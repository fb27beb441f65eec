//! The report: what was measured, when, and of what. `docs/performance.json` is this.
//!
//! Times are in the units that the names say. Every [`Spread`] is over rounds of one run.

use serde::{Deserialize, Serialize};

use crate::stats::{Line, Spread};

/// All sections; one that was not measured is not there.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub engine: Option<Section<Engine>>,
    pub https: Option<Section<Https>>,
    pub apiserver: Option<Section<ApiServer>>,
    pub storm: Option<Section<Storm>>,
    pub memory: Option<Section<Memory>>,
    pub start: Option<Section<Start>>,
    pub preview: Option<Section<Preview>>,
}

/// Figures, and the run that they are of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Section<T> {
    pub run: Run,
    pub figures: T,
}

/// When and where something was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// RFC 3339, UTC.
    pub date: String,
    /// With `+` where files differed from it.
    pub commit: String,
    pub processor: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub rustc: String,
    /// The load average of one minute before it began: others at work disturb.
    pub load_before: String,
    pub rounds: usize,
    pub seconds: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Engine {
    pub sizes: Vec<Size>,
    pub documents: Vec<Document>,
    /// With all rules off: what is not any rule's.
    pub no_rule_ns: Spread,
    pub rules: Vec<OneRule>,
    pub exemptions: Vec<Exemptions>,
    pub growth: Vec<Growth>,
    /// Nanoseconds by containers in one pod that needs everything, in the round of which as many
    /// rounds were nearer to a line as farther from it.
    pub line: Line,
    /// What the review of the HTTPS part is made of.
    pub steps: Vec<Step>,
}

/// A step of a review: in a loop, and after something else.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `skim` for the uid as the constant hook does, `read` of the pod, `harden`, and `review`, the whole.
    pub step: String,
    pub warm_ns: Spread,
    pub cold_ns: Spread,
}

/// A pod of so many containers.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    pub containers: usize,
    pub bytes: usize,
    pub read_ns: Spread,
    /// Every container needs everything.
    pub all_ns: Spread,
    /// The pod that comes of it: nothing to do.
    pub none_ns: Spread,
    /// From the review's bytes to the answer's.
    pub review_ns: Spread,
    pub read_allocations: Allocations,
    pub all_allocations: Allocations,
    pub none_allocations: Allocations,
    pub review_allocations: Allocations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocations {
    pub count: u64,
    pub bytes: u64,
}

/// A pod of three containers that is so large for what no rule looks at.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub bytes: usize,
    pub read_ns: Spread,
    pub all_ns: Spread,
    pub review_ns: Spread,
}

/// Three containers that need everything, and a policy with this rule alone.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct OneRule {
    pub rule: String,
    pub ns: Spread,
    pub allocations: Allocations,
}

/// Ten containers, and so many exemptions.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Exemptions {
    pub exemptions: usize,
    pub ns: Spread,
}

/// Ten thousand containers, so many to a pod.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    pub containers: usize,
    pub pods: usize,
    pub read_ns_per_container: Spread,
    pub all_ns_per_container: Spread,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Https {
    pub request_bytes: usize,
    pub answer_bytes: usize,
    pub operations: usize,
    pub naive_operations: usize,
    /// By connections, then by hook.
    pub loads: Vec<Load>,
    pub handshakes: Vec<Handshakes>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    pub connections: usize,
    pub hook: String,
    /// Requests a second.
    pub rate: Spread,
    pub p50_us: Spread,
    pub p99_us: Spread,
    pub p999_us: Spread,
    /// Of the server, in user space and in the kernel.
    pub cpu_us: Spread,
    /// From the request's head to its answer, by the server's own clock, on average.
    pub handled_us: Spread,
    /// To the constant hook's of the same round.
    pub rate_ratio: Spread,
    pub cpu_ratio: Spread,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Handshakes {
    pub clients: usize,
    pub resumed: bool,
    /// Connections a second, each with one review.
    pub rate: Spread,
    pub p50_us: Spread,
    pub p99_us: Spread,
    pub cpu_us: Spread,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiServer {
    pub version: String,
    /// Operations in ironhull's patch, and in the naive hook's.
    pub operations: usize,
    pub naive_operations: usize,
    /// By kind of creation, then by clients, then by variant.
    pub creations: Vec<Creations>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Creations {
    pub dry_run: bool,
    pub clients: usize,
    pub variant: String,
    /// The median of each round.
    pub latency_ms: Spread,
    /// Over no admission in the same round.
    pub added_ms: Spread,
    /// What is added, to what the constant hook adds in the same round.
    pub ratio: Spread,
    /// Creations a second.
    pub rate: Spread,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Storm {
    pub version: String,
    pub pods: usize,
    pub hardened: usize,
    pub seconds: f64,
    /// Reviews that ironhull answered with a patch.
    pub patched: u64,
    /// Requests that ironhull refused, by its metrics.
    pub refused: u64,
    /// Events that tell of a creation that failed.
    pub failed_events: usize,
    pub mean_us: f64,
    /// Reviews by the upper bounds of the server's own histogram, in microseconds.
    pub below_us: Vec<(f64, u64)>,
    pub peak_bytes: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub idle: Bytes,
    pub reviews: u64,
    pub after: Bytes,
    pub open_connections: usize,
    pub connected: Bytes,
    pub policies: usize,
    /// Idle, with so many policies.
    pub with_policies: Bytes,
    /// Latency at eight connections, to a server's with one policy that does the same.
    pub policies_p50_ratio: Spread,
    pub policies_cpu_ratio: Spread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytes {
    pub resident: u64,
    pub proportional: u64,
    pub peak: u64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    pub starts: usize,
    pub ready_ms: Spread,
    pub policies: usize,
    pub with_policies_ms: Spread,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    pub version: String,
    pub bare_pods: usize,
    pub owned_pods: usize,
    pub owners: usize,
    pub seconds: Spread,
    pub peak_bytes: u64,
    pub output_bytes: usize,
}
