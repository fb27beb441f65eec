//! State shared by the request handler and the connection below it.

use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// Time for which a closing connection with part of a request unread is still read, so that the
/// client sees the answer and not a reset.
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
    /// The request has been handled; the answer is being written.
    Answered,
    /// As `Answered`, but the connection's last: further input is not looked at.
    Closing,
}

/// State shared by the request handler and the connection.
#[derive(Debug)]
pub struct Talk {
    pub(super) phase: Cell<Phase>,
    pub(super) deadline: Cell<Option<Instant>>,
    /// Whether further input is left unread in the kernel.
    pub(super) waiting: Cell<bool>,
    /// Task to wake when reading goes on.
    pub(super) reader: RefCell<Option<Waker>>,
    overflow: bool,
}

impl Talk {
    /// State of a connection that has until `deadline` for its first request.
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

    /// The request's body has been read. Nothing that follows it, such as further requests, is read
    /// before it is answered, because the dispatcher would keep up to 128 KiB of it.
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

    /// The request has been handled; with `close`, it was the connection's last.
    pub fn handled(&self, close: bool) {
        if close {
            self.read_on();
        }
        self.phase.set(if close { Phase::Closing } else { Phase::Answered });
        self.deadline.set(close.then(|| Instant::now() + LINGER));
    }
}
