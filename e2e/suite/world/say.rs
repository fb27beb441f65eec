//! Evidence: what scenarios print while they run side by side.

use std::cell::Cell;
use std::fmt::Display;

/// What the suite itself says.
const SUITE: &str = "e2e";

thread_local! {
    static SCENARIO: Cell<&'static str> = const { Cell::new(SUITE) };
}

/// Runs a scenario, whose name will be before all that it says; on a new line, where one is
/// begun.
pub fn in_scenario(name: &'static str, line_begun: bool, run: impl FnOnce()) {
    SCENARIO.set(name);
    if line_begun {
        println!();
    }
    run();
    SCENARIO.set(SUITE);
}

/// Prints, each line with the scenario's name before it.
pub fn say(text: impl Display) {
    let name = SCENARIO.get();
    let lines: String =
        text.to_string().trim_end().lines().map(|line| format!("[{name}] {line}\n")).collect();
    print!("{lines}");
}
