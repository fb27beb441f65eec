//! Evidence: what scenarios print while they run side by side.

use std::cell::Cell;
use std::fmt::Display;

thread_local! {
    static SCENARIO: Cell<&'static str> = const { Cell::new("e2e") };
}

/// Runs a scenario, whose name will be before all that it says.
pub fn in_scenario(name: &'static str, run: impl FnOnce()) {
    SCENARIO.set(name);
    run();
}

/// Prints, each line with the scenario's name before it.
#[expect(clippy::needless_pass_by_value, reason = "what is said is mostly made to be said")]
pub fn say(text: impl Display) {
    let name = SCENARIO.get();
    let lines: String =
        text.to_string().trim_end().lines().map(|line| format!("[{name}] {line}\n")).collect();
    print!("{lines}");
}
