//! What the handler of requests and the connection below it tell each other.

use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// How long a connection that is being closed with part of a request unread is read on,
/// so that the client sees the answer and not a reset.
const LINGER: Duration = Duration::from_secs(2);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests, or before the first.
    Idle,
    /// A request's head is coming in.
    Head,
    /// A request is being handled; its body has a deadline of its own.
    Busy,
    /// It has been handled; the answer is being written.
    Answered,
    /// As `Answered`, and nothing follows: what still comes in is not looked at.
    Closing,
}

/// What the handler and the connection tell each other.
#[derive(Debug)]
pub struct Talk {
    pub(super) phase: Cell<Phase>,
    pub(super) deadline: Cell<Option<Instant>>,
    /// Whether what follows is left with the kernel, unread.
    pub(super) waiting: Cell<bool>,
    /// Who is to be woken when it is read on.
    pub(super) reader: RefCell<Option<Waker>>,
    overflow: bool,
}

impl Talk {
    /// Of a connection that has until `deadline` for its first request.
    pub(super) fn new(deadline: Instant, overflow: bool) -> Self {
        Self {
            phase: Cell::new(Phase::Idle),
            deadline: Cell::new(Some(deadline)),
            waiting: Cell::new(false),
            reader: RefCell::new(None),
            overflow,
        }
    }

    /// Whether the connection is beyond the limit.
    pub fn is_overflow(&self) -> bool {
        self.overflow
    }

    /// A request is being handled from now on.
    pub fn handling(&self) {
        self.phase.set(Phase::Busy);
        self.deadline.set(None);
        self.read_on();
    }

    /// Its body has been read. What follows it, be it other requests, is not read before it
    /// is answered: the dispatcher would keep up to 128 KiB of it.
    pub fn is_read(&self) {
        self.waiting.set(true);
    }

    pub(super) fn read_on(&self) {
        self.waiting.set(false);
        let reader = self.reader.borrow_mut().take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// It has been handled; with `close`, it was the connection's last.
    pub fn handled(&self, close: bool) {
        if close {
            self.read_on();
        }
        self.phase.set(if close { Phase::Closing } else { Phase::Answered });
        self.deadline.set(close.then(|| Instant::now() + LINGER));
    }
}
