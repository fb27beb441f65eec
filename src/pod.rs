//! view
use std::borrow::Cow;
/// x
pub fn normalise_path(path: &str) -> Cow<'_, str> {
    Cow::Borrowed(path)
}
