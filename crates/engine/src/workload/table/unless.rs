//! What in an object keeps its pods from being edited, although its kind's pods can be.

use std::path::Path;

use serde_json::Value;

const SPARKS_OWN: &str =
    "its operator puts the application's own security contexts in place of the template's";
const BY_POSITION: &str = "its operator merges its templates, and lists in them by position";
const JOBS_VOLUMES: &str = "the job's own `volumes` are mounted into every container";
/// Why nothing is edited where keys of SSH are for root alone, be they used or not.
pub(super) const ROOTS_KEYS: &str = "its SSH keys are mounted where only root looks for them";

/// Whether a member is there, and is no empty list.
fn has(object: &Value, at: &str) -> bool {
    let value = object.pointer(at).unwrap_or(&Value::Null);
    !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
}

fn spark_at(object: &Value, spec: &str) -> Option<&'static str> {
    let of = |which: &str| {
        has(object, &format!("{spec}/{which}/podSecurityContext"))
            || has(object, &format!("{spec}/{which}/securityContext"))
    };
    (of("driver") || of("executor")).then_some(SPARKS_OWN)
}

/// A SparkApplication.
pub(super) fn spark(object: &Value) -> Option<&'static str> {
    spark_at(object, "/spec")
}

/// A ScheduledSparkApplication.
pub(super) fn scheduled_spark(object: &Value) -> Option<&'static str> {
    spark_at(object, "/spec/template")
}

/// A FlinkDeployment.
pub(super) fn flink(object: &Value) -> Option<&'static str> {
    let merged = ["/spec/jobManager/podTemplate", "/spec/taskManager/podTemplate"];
    merged.iter().any(|at| has(object, at)).then_some(BY_POSITION)
}

/// The spec of a Volcano Job at a place. Its plugin `ssh` mounts keys of mode 0600 at `/root/.ssh`
/// (`pkg/controllers/job/plugins/ssh`); what a plugin is given is a list, empty by default.
fn volcano_at(object: &Value, spec: &str) -> Option<&'static str> {
    if has(object, &format!("{spec}/volumes")) {
        return Some(JOBS_VOLUMES);
    }
    let plugin = |name: &str| object.pointer(&format!("{spec}/plugins/{name}")).is_some();
    (plugin("ssh") || plugin("mpi")).then_some(ROOTS_KEYS)
}

/// A Volcano Job, or a JobTemplate.
pub(super) fn volcano(object: &Value) -> Option<&'static str> {
    volcano_at(object, "/spec")
}

/// A Volcano CronJob.
pub(super) fn volcano_cron(object: &Value) -> Option<&'static str> {
    volcano_at(object, "/spec/jobTemplate/spec")
}

/// A TrainingRuntime. Its keys are where it says, at `/root/.ssh` by default (`trainingruntime_types.go`,
/// `SSHAuthMountPath`).
pub(super) fn trainer(object: &Value) -> Option<&'static str> {
    let mpi = object.pointer("/spec/mlPolicy/mpi").filter(|mpi| mpi.is_object())?;
    let path = mpi.get("sshAuthMountPath").and_then(Value::as_str).unwrap_or("/root/.ssh");
    Path::new(path).starts_with("/root").then_some(ROOTS_KEYS)
}
