//! A memory cgroup of either version, for the server.

use std::fs;
use std::path::{Path, PathBuf};

/// A cgroup that is there until this is dropped.
pub struct Cgroup {
    path: PathBuf,
    peak: &'static str,
}

impl Cgroup {
    /// One with this limit, where this process may make it.
    pub fn new(limit: u64) -> Option<Self> {
        let name = format!("ironhull-abuse-{}", std::process::id());
        let versions = [
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.peak"),
        ];
        versions.into_iter().find_map(|(root, max, peak)| {
            let path = Path::new(root).join(&name);
            fs::create_dir(&path).ok()?;
            let cgroup = Self { path, peak };
            // No controller, no file; what cannot be swapped counts in full.
            let limited = cgroup.path.join(max).exists()
                && fs::write(cgroup.path.join(max), limit.to_string()).is_ok();
            let _without_swap = fs::write(cgroup.path.join("memory.swap.max"), "0");
            limited.then_some(cgroup)
        })
    }

    /// Where a process writes its id to be in it.
    pub fn door(&self) -> PathBuf {
        self.path.join("cgroup.procs")
    }

    /// The most that it was charged with.
    pub fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.path.join(self.peak)).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ended_before = fs::remove_dir(&self.path);
    }
}
