//! A manifest's text: what the test `fuzz_editor` has of generated ones must hold of all.

use std::cell::RefCell;
use std::path::PathBuf;

use super::check::Checker;

pub fn check(input: &[u8]) -> Result<(), String> {
    thread_local! {
        static CHECKER: RefCell<Checker> = RefCell::new(Checker::new(
            std::env::var_os("IRONHULL_JUDGE").filter(|path| !path.is_empty()).map(PathBuf::from),
        ));
    }
    let Ok(text) = std::str::from_utf8(input) else { return Ok(()) };
    CHECKER.with_borrow_mut(|checker| checker.check(text)).map(drop)
}
