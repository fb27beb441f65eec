//! The parts of the report, how much of each is measured, and on what machine.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::cluster::{Cluster, creations, preview, storm};
use crate::figures::{Report, Run, Section};
use crate::support::load::Until;
use crate::{engine, https, memory, start};

/// A part of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Engine,
    Https,
    ApiServer,
    Storm,
    Memory,
    Start,
    Preview,
}

/// Figures of an odd number of rounds have a median that was seen. Fewer than five tell little
/// of the spread: `BENCH_ROUNDS` is for trying out.
const ROUNDS: usize = 9;
/// A round of creations takes longer.
const CLUSTER_ROUNDS: usize = 7;

fn rounds(usually: usize) -> anyhow::Result<usize> {
    number("BENCH_ROUNDS", usually)
}

/// A number above zero from the environment, for trying out.
fn number(variable: &str, usually: usize) -> anyhow::Result<usize> {
    let asked = env::var(variable).ok();
    let number = asked.map_or(Ok(usually), |asked| asked.parse());
    Ok(number.with_context(|| format!("{variable} wants a number"))?.max(1))
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Engine,
        Self::Https,
        Self::ApiServer,
        Self::Storm,
        Self::Memory,
        Self::Start,
        Self::Preview,
    ];

    /// What is measured when nothing is said.
    pub const DEFAULT: [Self; 6] =
        [Self::Engine, Self::Https, Self::ApiServer, Self::Storm, Self::Memory, Self::Start];

    pub fn name(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Https => "https",
            Self::ApiServer => "apiserver",
            Self::Storm => "storm",
            Self::Memory => "memory",
            Self::Start => "start",
            Self::Preview => "preview",
        }
    }

    /// Those that are asked for, by their names between commas.
    ///
    /// # Errors
    /// When a name is none.
    pub fn asked(names: Option<&str>) -> anyhow::Result<Vec<Self>> {
        let Some(names) = names.filter(|names| !names.trim().is_empty()) else {
            return Ok(Self::DEFAULT.to_vec());
        };
        let known = |name: &str| {
            let part = Self::ALL.into_iter().find(|part| part.name() == name);
            let all: Vec<_> = Self::ALL.iter().map(|part| part.name()).collect();
            part.with_context(|| format!("BENCH: no part `{name}`; there are {}", all.join(", ")))
        };
        names.split(',').map(str::trim).map(known).collect()
    }

    /// Measures it into the report; a smoke as little as is possible.
    ///
    /// # Errors
    /// When it cannot be measured.
    pub fn measure(self, report: &mut Report, binary: &Path, smoke: bool) -> anyhow::Result<()> {
        let rounds = if smoke { 1 } else { rounds(ROUNDS)? };
        let run = Run::now(rounds)?;
        let begun = Instant::now();
        match self {
            Self::Engine => {
                let (slice, containers) = if smoke { (0, 100) } else { (20, 10_000) };
                let slice = Duration::from_millis(slice);
                let extent = engine::Extent { rounds, slice, containers };
                report.engine = Some(run.section(begun, engine::run(&extent)?));
            }
            Self::Https => {
                let until = if smoke {
                    Until::Requests(64)
                } else {
                    Until::Elapsed(Duration::from_millis(1500))
                };
                let figures = https::run(binary, &https::Extent { rounds, until })?;
                report.https = Some(run.section(begun, figures));
            }
            Self::Memory => {
                let figures = memory::run(binary, &memory_extent(rounds, smoke))?;
                report.memory = Some(run.section(begun, figures));
            }
            Self::Start => {
                let (starts, policies) = if smoke { (1, 3) } else { (25, memory::POLICIES) };
                let figures = start::run(binary, &start::Extent { starts, policies })?;
                let run = Run { rounds: starts, ..run };
                report.start = Some(run.section(begun, figures));
            }
            Self::ApiServer => {
                let run = Run { rounds: self::rounds(CLUSTER_ROUNDS)?, ..run };
                let figures = Cluster::start()?.measure(self.name(), binary)?;
                report.apiserver = Some(run.section(begun, figures));
            }
            Self::Storm => {
                let run = Run { rounds: 1, ..run };
                let figures = Cluster::start()?.measure(self.name(), binary)?;
                report.storm = Some(run.section(begun, figures));
            }
            Self::Preview => {
                let run = Run { rounds: preview_extent()?.rounds, ..run };
                let mut cluster = Cluster::start()?;
                cluster.without_controllers()?;
                report.preview = Some(run.section(begun, cluster.measure(self.name(), binary)?));
            }
        }
        Ok(())
    }
}

/// Half of the pods bare, half below Deployments of a hundred.
fn preview_extent() -> anyhow::Result<preview::Extent> {
    let pods = number("BENCH_PODS", 20_000)?;
    let owners = (pods / 200).max(1);
    Ok(preview::Extent { rounds: rounds(3)?, bare: pods / 2, owned: pods / 2, owners })
}

/// Measures a part that needs the cluster's network, inside it, into a file.
///
/// # Errors
/// When it cannot be measured.
pub fn inside(part: &str, binary: &Path, out: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = match part {
        "apiserver" => {
            let rounds = rounds(CLUSTER_ROUNDS)?;
            let extent = creations::Extent { rounds, requests: 80, slices: 6 };
            serde_json::to_vec(&runtime.block_on(creations::run(binary, &extent))?)?
        }
        "storm" => serde_json::to_vec(&runtime.block_on(storm::run(binary, 500))?)?,
        "preview" => {
            serde_json::to_vec(&runtime.block_on(preview::run(binary, &preview_extent()?))?)?
        }
        other => bail!("nothing is measured inside for `{other}`"),
    };
    Ok(fs::write(out, figures)?)
}

fn memory_extent(rounds: usize, smoke: bool) -> memory::Extent {
    if smoke {
        return memory::Extent {
            rounds,
            reviews: 100,
            connections: 10,
            policies: 3,
            until: Until::Requests(50),
            settle: Duration::ZERO,
        };
    }
    memory::Extent {
        rounds,
        reviews: 100_000,
        connections: 1000,
        policies: memory::POLICIES,
        until: Until::Elapsed(Duration::from_secs(1)),
        settle: Duration::from_secs(1),
    }
}

impl Run {
    fn now(rounds: usize) -> anyhow::Result<Self> {
        let read = |path: &str| fs::read_to_string(path).with_context(|| path.to_owned());
        let after = |text: &str, key: &str| {
            let line =
                text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix(':'));
            line.map_or_else(|| "unknown".to_owned(), |value| value.trim().to_owned())
        };
        let memory = after(&read("/proc/meminfo")?, "MemTotal");
        let kibibytes: u64 = memory.split(' ').next().unwrap_or_default().parse()?;
        let changed = !said("git", &["status", "--porcelain", "--untracked-files=no"])?.is_empty();
        let load = read("/proc/loadavg")?;
        Ok(Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%MZ").to_string(),
            commit: said("git", &["rev-parse", "--short=12", "HEAD"])?
                + if changed { "+" } else { "" },
            processor: after(&read("/proc/cpuinfo")?, "model name"),
            cores: thread::available_parallelism()?.get(),
            memory_mib: kibibytes / 1024,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            rustc: said("rustc", &["--version"])?,
            load_before: load.split(' ').next().unwrap_or_default().to_owned(),
            rounds,
            seconds: 0,
        })
    }

    fn section<T>(self, begun: Instant, figures: T) -> Section<T> {
        Section { run: Self { seconds: begun.elapsed().as_secs(), ..self }, figures }
    }
}

fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
