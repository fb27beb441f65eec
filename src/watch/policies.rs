//! The policy files that pods are judged by.

use std::sync::Arc;

use super::state::ClusterState;
use crate::serve::metrics::Reloads;
use crate::serve::policy_files::{PolicyFiles, PolicyTexts};
use crate::serve::poll::{Digest, Polled};

/// The policy files as a source to be polled.
#[derive(Debug)]
pub struct WatchedPolicies {
    /// The files.
    pub files: PolicyFiles,
    /// State that is judged by them.
    pub state: Arc<ClusterState>,
}

impl Polled for WatchedPolicies {
    type Content = PolicyTexts;

    const WHAT: &'static str = "policies";

    fn read(&self) -> Result<PolicyTexts, String> {
        (self.files.read)()
    }

    fn digest(content: &PolicyTexts) -> Digest {
        PolicyFiles::digest(content)
    }

    fn put_in_force(&self, content: PolicyTexts) -> Result<(), String> {
        let before = self.state.policies.load();
        self.state.put_in_force(self.files.parse_again(&content, &before)?.policies);
        Ok(())
    }

    fn reloads(&self) -> &Reloads {
        &self.state.reloads
    }

    fn note(&self, refused: Option<&str>) {
        self.state.state().refused = refused.map(str::to_owned);
    }
}
