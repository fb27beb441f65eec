//! The pods by which Kubernetes tests Pod Security: what each version of each level allows and refuses.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where they are: they come with the Go module that the judge is built with. A loud note where Go does
/// not find it, a failure in CI.
pub(crate) fn directory() -> Option<PathBuf> {
    let listed = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/judge"))
        .output();
    match listed {
        Ok(output) if output.status.success() => {
            let module = String::from_utf8(output.stdout).unwrap();
            Some(Path::new(module.trim()).join("test/testdata"))
        }
        other => {
            assert!(std::env::var_os("CI").is_none(), "{other:?}");
            eprintln!("NOT RUN: Go does not find its module of Pod Security: {other:?}");
            None
        }
    }
}
