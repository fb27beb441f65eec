//! The log: one line per event on standard output, JSON or text.
//!
//! A separate thread writes the lines. When nobody takes them (a full disk, a stuck pipe), they are
//! dropped and counted. The webhook never waits for its log, and goes on when standard output is
//! closed.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

/// Maximum number of lines that wait to be written: at about 400 bytes each, 2 MiB at most.
const WAITING_LINES: usize = 4096;

/// Count of lines dropped because too many were waiting.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Number of lines that standard output did not take.
static LOST: AtomicUsize = AtomicUsize::new(0);

/// Writes the waiting lines when it is dropped.
#[derive(Debug)]
pub struct Flush(#[expect(dead_code, reason = "dropping it is its use")] WorkerGuard);

/// Sets up the log of the process; a second call changes nothing.
pub fn init(format: LogFormat, level: LevelFilter) -> Flush {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(Lines(BufWriter::new(io::stdout())));
    let _first_only = DROPPED.set(writer.error_counter());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    // ironhull reports what matters of other crates' lines in its own words. actix-http logs an
    // error when a client misbehaves, kube_client when the API server is away for a moment.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("actix_http", LevelFilter::OFF)
        .with_target("kube_client", LevelFilter::OFF)
        .with_target("ironhull", level);
    let registry = tracing_subscriber::registry();
    let _first_only = match format {
        LogFormat::Json => registry
            .with(lines.json().flatten_event(true).with_current_span(false).with_filter(targets))
            .try_init(),
        LogFormat::Text => registry.with(lines.with_filter(targets)).try_init(),
    };
    panic::set_hook(Box::new(|panic| {
        // Log the place, not the message, which can hold a part of a request.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
    Flush(guard)
}

/// Number of lines dropped or lost since the start.
pub fn dropped_lines() -> usize {
    DROPPED.get().map_or(0, ErrorCounter::dropped_lines) + LOST.load(Ordering::Relaxed)
}

/// Standard output, with a count of what it does not take: the writing thread reports no failures.
struct Lines(BufWriter<Stdout>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.0.write_all(line).inspect_err(|_| {
            LOST.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
