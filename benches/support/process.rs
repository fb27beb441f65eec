//! What the kernel counts of a process.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

/// A process that runs.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    /// Its id.
    pub id: u32,
}

/// The memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Resident: what is in memory, shared pages included.
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
    ///
    /// # Errors
    /// When the process has ended, or the kernel keeps no such figures.
    pub fn cpu(self) -> anyhow::Result<Duration> {
        let tasks = format!("/proc/{}/task", self.id);
        let mut total = 0;
        for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
            let path = task?.path().join("schedstat");
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                // The thread has ended in between.
                Err(_) if !path.parent().is_some_and(std::path::Path::exists) => continue,
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            };
            let first = text.split(' ').next().unwrap_or_default();
            total += first.parse::<u64>().with_context(|| format!("odd schedstat: {text}"))?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Its memory now, and the most of it.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn memory(self) -> anyhow::Result<Memory> {
        Ok(Memory {
            resident: self.kibibytes("status", "VmRSS:")?,
            proportional: self.kibibytes("smaps_rollup", "Pss:")?,
            peak: self.kibibytes("status", "VmHWM:")?,
        })
    }

    /// Has the kernel look for the most of its resident memory anew.
    ///
    /// # Errors
    /// When the process is another user's.
    pub fn reset_peak(self) -> anyhow::Result<()> {
        let path = format!("/proc/{}/clear_refs", self.id);
        fs::write(&path, "5").with_context(|| format!("cannot write {path}"))
    }

    /// How many threads it has.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn threads(self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.id))?.count())
    }

    /// How many files, sockets among them, it has open.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn open_files(self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id))?.count())
    }

    fn kibibytes(self, file: &str, key: &str) -> anyhow::Result<u64> {
        let path = format!("/proc/{}/{file}", self.id);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next());
        let value = value.ok_or_else(|| anyhow!("{path} has no {key}"))?;
        Ok(value.parse::<u64>()? * 1024)
    }
}
