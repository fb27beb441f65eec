//! x
pub(super) fn embedded_restricted() -> super::Policy {
    todo!()
}
