//! Process metrics that every Prometheus client exports, under the names that dashboards know:
//! memory, processor time, file descriptors, start time.

use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::register;

/// Metrics of this process. What the operating system does not report stays at 0.
#[derive(Debug)]
pub(crate) struct Process {
    resident: Gauge,
    open_files: Gauge,
    max_files: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

impl Process {
    /// Registers all of them.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let started: Gauge =
            register(registry, "process_start_time_seconds", "Start of the process, in Unix time");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        started.set(i64::try_from(now.as_secs()).unwrap_or_default());
        Self {
            resident: register(
                registry,
                "process_resident_memory_bytes",
                "Resident memory, in bytes",
            ),
            max_files: register(
                registry,
                "process_max_fds",
                "Maximum number of open file descriptors",
            ),
            open_files: register(registry, "process_open_fds", "Open file descriptors"),
            cpu: register(registry, "process_cpu_seconds", "CPU time used"),
        }
    }

    /// Updates the metrics.
    pub(crate) fn look(&self) {
        if let Some(bytes) = resident_bytes() {
            self.resident.set(bytes);
        }
        let limit = getrlimit(Resource::Nofile).current;
        self.max_files.set(limit.and_then(|limit| i64::try_from(limit).ok()).unwrap_or(i64::MAX));
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            // One of them belongs to this directory.
            self.open_files.set(i64::try_from(open.count()).unwrap_or(i64::MAX) - 1);
        }
        let used = clock_gettime(ClockId::ProcessCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "seconds; exact for 285 million years")]
        let used = used.tv_sec as f64 + used.tv_nsec as f64 / 1e9;
        self.cpu.inner().store(used.to_bits(), std::sync::atomic::Ordering::Relaxed);
    }
}

/// Resident memory, from the line `VmRSS:     5432 kB` in proc(5)'s status file.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_itself() {
        let process = Process::new(&mut Registry::default());
        process.look();
        assert!(process.resident.get() > 1 << 20);
        assert!(process.open_files.get() >= 3);
        assert!(process.cpu.get() > 0.0);
    }
}
