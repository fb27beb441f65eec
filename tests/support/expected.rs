//! What a program prints against a file of what is expected.

mod update;

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

/// Compares what was printed with a file, byte for byte; where nothing is printed, there is
/// none.
pub fn compare(path: &Path, printed: &[u8]) -> Result<(), Failed> {
    let expected = fs::read(path).unwrap_or_default();
    if expected == printed && path.exists() != printed.is_empty() {
        return Ok(());
    }
    if update::is_wanted() {
        if printed.is_empty() {
            fs::remove_file(path)?;
        } else {
            fs::write(path, printed)?;
        }
        return Ok(());
    }
    let (expected, printed) =
        (String::from_utf8_lossy(&expected), String::from_utf8_lossy(printed));
    let diff = similar::TextDiff::from_lines(&*expected, &*printed);
    Err(format!("{}\n{}", path.display(), diff.unified_diff().header("expected", "printed")).into())
}
