//! What the kernel counts of a process.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;

/// A process that runs.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Its id.
    pub id: u32,
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// What is in memory, shared pages included.
    pub resident: u64,
    /// The same, with each page that is shared divided by those who share it.
    pub proportional: u64,
    /// The most that was ever resident, or since [`Process::reset_peak`].
    pub peak: u64,
}

impl Process {
    /// The time that its threads have spent on a processor, in user space and in the kernel.
    /// In nanoseconds from `schedstat`: `utime` and `stime` count ticks of 10 ms. Threads
    /// that have ended are not in it; the server's live as long as itself.
    pub fn cpu(self) -> anyhow::Result<Duration> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id))? {
            let path = task?.path().join("schedstat");
            match fs::read_to_string(&path) {
                Ok(text) => total += text.split(' ').next().unwrap_or_default().parse::<u64>()?,
                // The thread has ended in between.
                Err(_) if !path.parent().is_some_and(std::path::Path::exists) => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
        Ok(Duration::from_nanos(total))
    }

    /// Its memory now, and the most of it.
    pub fn memory(self) -> anyhow::Result<Memory> {
        Ok(Memory {
            resident: self.kibibytes("status", "VmRSS:")?,
            proportional: self.kibibytes("smaps_rollup", "Pss:")?,
            peak: self.kibibytes("status", "VmHWM:")?,
        })
    }

    /// Has the kernel look for the most of its resident memory anew.
    pub fn reset_peak(self) -> anyhow::Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.id), "5")?)
    }

    /// How many files, sockets among them, it has open.
    pub fn open_files(self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id))?.count())
    }

    fn kibibytes(self, file: &str, key: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/{file}", self.id);
        let text = fs::read_to_string(&path).context(path.clone())?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next());
        Ok(value.with_context(|| format!("{path} has no {key}"))?.parse::<u64>()? * 1024)
    }
}

/// What the processors of this machine are.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or("unknown", |(_, model)| model).to_owned()
}
