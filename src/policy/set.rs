//! x
/// x
pub struct PolicySet;
