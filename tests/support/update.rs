//! Whether expected outputs are to be rewritten instead of compared.

/// `UPDATE_EXPECT=1` asks for it; empty, or with another value, the variable asks for nothing.
pub(crate) fn is_wanted() -> bool {
    std::env::var("UPDATE_EXPECT").is_ok_and(|value| value == "1")
}
