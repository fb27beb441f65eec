//! What changed between two reports.

use schemars::JsonSchema;
use serde::Serialize;

use crate::evidence::check::Check;

/// What changed since an earlier report, in the namespaces that both looked at. Containers are known by namespace, kind, workload and name,
/// so that a pod that was replaced is none that changed.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// When the earlier report was taken, as it says.
    pub since: String,
    /// Namespaces that only one of the reports looked at, of which nothing is said.
    pub not_compared: Vec<String>,
    /// Containers that are root and were not, or were not there.
    pub new_root: Vec<ContainerRef>,
    /// Containers that were root and are not.
    pub no_longer_root: Vec<ContainerRef>,
    /// Cells that fail and did not.
    pub worse: Vec<CellRef>,
    /// Cells that failed and pass.
    pub better: Vec<CellRef>,
    /// Workloads that are new, as `NAMESPACE/KIND/NAME`.
    pub new_workloads: Vec<String>,
    /// Workloads that are gone.
    pub gone_workloads: Vec<String>,
    /// Exemptions in force that were not: their `id`.
    pub new_exemptions: Vec<String>,
    /// Exemptions that were in force and are not: their `id`.
    pub ended_exemptions: Vec<String>,
    /// Exemptions in force that end within 30 days: their `id`.
    pub ending_exemptions: Vec<String>,
}

/// A container of a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRef {
    /// The namespace.
    pub namespace: String,
    /// The workload's kind.
    pub kind: String,
    /// The workload's name.
    pub name: String,
    /// The container.
    pub container: String,
}

/// A cell of a container of a workload.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellRef {
    /// The container.
    #[serde(flatten)]
    pub container: ContainerRef,
    /// The check.
    pub check: Check,
}
