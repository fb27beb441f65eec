//! A workload's place in a roll-out, as data.

use schemars::JsonSchema;
use serde::Serialize;

/// A workload's place in a roll-out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Step {
    /// The workload, as `KIND/NAME`.
    pub workload: String,
    /// How far it is.
    pub state: State,
    /// What opts it in, to be run in a shell, in order. Empty if nothing is left to do, or if no
    /// command does it.
    pub commands: Vec<String>,
    /// What else there is to know or to do, in words.
    pub notes: Vec<String>,
}

/// How far a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It has opted in, and a hardened pod of it does not run.
    Fails,
    /// It has opted in, and not all of its pods are hardened yet.
    Waits,
    /// It has yet to opt in.
    Open,
    /// All of its pods run hardened, or will once there are any; or there is nothing to change.
    Done,
}
