//! What is judged, for predictions.

use super::{Judged, Pass};
use crate::foresight::outlook::Template;
use crate::foresight::risk::Seen;

impl Judged<'_> {
    /// The pod as predictions take it.
    pub fn template<'t>(&'t self, pass: &Pass<'t>) -> Template<'t> {
        Template {
            json: self.json,
            policy: self.policy,
            environment: pass.environment(),
            reserved_volumes: &self.workload.reserved_volumes,
            scope: self.workload.scope(),
            seen: Seen::NOTHING,
        }
    }
}
