//! The agent: a process of ironhull in an ephemeral container, in the process namespace of its target.
//!
//! It reads /proc and the target's root file system, and nothing else: it opens no file of the
//! target, traces no process and asks nobody. It runs as the target's user, so the kernel lets it
//! see what this user may see. Snapshots go to standard output, one line of JSON each, whenever
//! something new is seen. It ends when its time is over, when something arrives on standard input or
//! that ends, and with its target.
//!
//! What it takes is bounded: [`SHARE`] of one core, at the lowest priority, and memory that does not
//! grow with the target, except by a few bytes for each process.

mod sample;
mod target;

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::snapshot::Snapshot;
use super::walk::Limits;
use sample::Sampler;

/// The word that calls it, as the program's first argument. It is in no help: only [`super::session`]
/// uses it.
pub const COMMAND: &str = "observe-agent";
/// The word that calls a process which does nothing but be seen, for a moment.
pub const DOOR_COMMAND: &str = "observe-door";
/// The word that calls a process which only tries whether its user may look at another one.
const TRY_COMMAND: &str = "observe-try";

/// Time between two looks at the processes, at least. What lives shorter may be missed.
const PROCESSES_EVERY: Duration = Duration::from_millis(250);
/// Time between two looks at descriptors and ports, at least.
const DESCRIPTORS_EVERY: Duration = Duration::from_secs(1);
/// Time between two searches of the root file system, at least.
const SEARCH_EVERY: Duration = Duration::from_secs(2);
/// Each kind of look rests this many times as long as it took: 2 % of one core for each.
const SHARE: u32 = 50;
/// Time after which a snapshot is written again that says nothing new. Whoever attaches has missed those
/// from before, and proxies close connections on which nothing happens.
const SAY_AGAIN: Duration = Duration::from_secs(10);
/// The same while the root file system cannot be seen: the reader is to open it.
const SAY_AGAIN_LOCKED: Duration = Duration::from_secs(1);
/// How much longer it goes on if it has not seen the root file system: the reader may be about to open it.
const LOCKED_LONGER: Duration = Duration::from_secs(20);
/// How long a door stays open if nobody closes it.
const DOOR_OPEN: Duration = Duration::from_secs(30);

/// What the agent is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// How long to observe.
    pub time: Duration,
    /// The target's container id, by which its processes are known where a pod shares them.
    pub container: String,
    /// When the runtime says that the target was started, in seconds since the epoch.
    pub started: i64,
    /// Whether others than the target and the agent are in the process namespace: the pod's other
    /// containers, or the node.
    pub shared: bool,
}

impl Task {
    /// The arguments that say it.
    pub fn arguments(&self) -> Vec<String> {
        let Self { time, container, started, shared } = self;
        let values = [time.as_secs().to_string(), container.clone(), started.to_string()];
        std::iter::once(COMMAND.to_owned()).chain(values).chain([shared.to_string()]).collect()
    }

    fn parse(arguments: &[String]) -> Option<Self> {
        let [time, container, started, shared] = arguments else { return None };
        Some(Self {
            time: Duration::from_secs(time.parse().ok()?),
            container: container.clone(),
            started: started.parse().ok()?,
            shared: shared.parse().ok()?,
        })
    }
}

/// Runs the agent, if these arguments of the process call it.
pub fn called(arguments: &[String]) -> Option<ExitCode> {
    match arguments.split_first() {
        Some((word, rest)) if word == COMMAND => Some(match Task::parse(rest) {
            Some(task) => run(&task),
            None => ExitCode::from(crate::terminal::say::EXIT_ERROR),
        }),
        Some((word, _)) if word == DOOR_COMMAND => {
            let (stop, stopped) = mpsc::channel();
            watch_input(stop);
            let _closed = stopped.recv_timeout(DOOR_OPEN);
            Some(ExitCode::SUCCESS)
        }
        Some((word, [pid])) if word == TRY_COMMAND => {
            let opens = pid.parse().is_ok_and(target::opens);
            Some(if opens { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        _ => None,
    }
}

/// Observes until the time is over or somebody stops it.
fn run(task: &Task) -> ExitCode {
    // The pod's own work comes first. Where that cannot be had, the shares still hold.
    let _denied = rustix::process::nice(19);
    target::become_user_of_target(task);
    let (stop, stopped) = mpsc::channel();
    watch_input(stop);
    let deadline = Instant::now() + task.time;
    let mut sampler = Sampler::new(task, Limits::default());
    let (mut said, mut spoke) = (Snapshot::default(), Instant::now());
    let mut due = Due::new();
    loop {
        let now = Instant::now();
        let last = now >= deadline && (sampler.sees_files() || now >= deadline + LOCKED_LONGER);
        due.processes.when(now, PROCESSES_EVERY, || sampler.processes());
        due.descriptors.when(now, DESCRIPTORS_EVERY, || sampler.descriptors());
        due.search.when(now, SEARCH_EVERY, || sampler.search());
        if last || sampler.is_gone() {
            return finish(&mut sampler);
        }
        let snapshot = sampler.snapshot(false);
        let again = if snapshot.root.open { SAY_AGAIN } else { SAY_AGAIN_LOCKED };
        if snapshot.differs(&said) || now.duration_since(spoke) >= again {
            if say(&snapshot).is_err() {
                return ExitCode::SUCCESS;
            }
            (said, spoke) = (snapshot, now);
        }
        let rest = due.next().saturating_duration_since(Instant::now());
        match stopped.recv_timeout(rest) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return finish(&mut sampler),
        }
    }
}

/// Looks once more, and says what was seen.
fn finish(sampler: &mut Sampler<'_>) -> ExitCode {
    sampler.processes();
    sampler.descriptors();
    sampler.search();
    // Nobody may be there to read it.
    let _unread = say(&sampler.snapshot(true));
    ExitCode::SUCCESS
}

fn say(snapshot: &Snapshot) -> io::Result<()> {
    let mut line = serde_json::to_vec(snapshot)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// Tells `stop` when anything arrives on standard input, or when that ends: the caller has gone.
fn watch_input(stop: mpsc::Sender<()>) {
    std::thread::spawn(move || {
        let _ended = io::stdin().lock().read(&mut [0]);
        let _gone = stop.send(());
    });
}

/// When each kind of look comes next.
struct Due {
    processes: Next,
    descriptors: Next,
    search: Next,
}

struct Next(Instant);

impl Due {
    fn new() -> Self {
        let now = Instant::now();
        Self { processes: Next(now), descriptors: Next(now), search: Next(now) }
    }

    fn next(&self) -> Instant {
        self.processes.0.min(self.descriptors.0).min(self.search.0)
    }
}

impl Next {
    /// Does it where it is due, and lets it rest in proportion to what it took.
    fn when(&mut self, now: Instant, every: Duration, look: impl FnOnce()) {
        if now < self.0 {
            return;
        }
        let began = Instant::now();
        look();
        self.0 = Instant::now() + every.max(began.elapsed() * SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_what_its_arguments_say() {
        let task = Task {
            time: Duration::from_secs(120),
            container: "4f".repeat(32),
            started: 1_900_000_000,
            shared: true,
        };
        let arguments = task.arguments();
        assert_eq!(Task::parse(&arguments[1..]), Some(task));
        assert_eq!(Task::parse(&arguments), None);
        assert_eq!(called(&["observe".to_owned()]), None);
        assert_eq!(called(&[]), None);
    }

    #[test]
    fn a_look_rests_in_proportion_to_what_it_took() {
        let mut next = Next(Instant::now());
        next.when(Instant::now(), Duration::from_millis(1), || {
            std::thread::sleep(Duration::from_millis(5));
        });
        let rest = next.0.saturating_duration_since(Instant::now());
        assert!(rest > Duration::from_millis(5 * 45), "{rest:?}");
        next.when(Instant::now(), Duration::ZERO, || panic!("not due"));
    }
}
