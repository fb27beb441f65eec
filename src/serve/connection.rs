//! A connection as the HTTP dispatcher sees it, with the deadlines, limits and draining that the
//! dispatcher lacks.
//!
//! actix-http times the head of the first request and the keep-alive pause. It does not time the
//! head of a later request, or a client that does not read. It buffers heads of up to 128 KiB, and
//! it cannot end an idle connection in good order. A [`Connection`] handles all of that one layer
//! below: it is the byte stream that the dispatcher reads from and writes to.

mod talk;

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::limits::{Budget, Reservation, Slot};
use talk::Phase;
pub use talk::Talk;

/// Timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The TLS handshake.
    pub handshake: Duration,
    /// A request's head, from its first byte. For the first request, from the connection's start.
    pub head: Duration,
    /// A request's whole body.
    pub body: Duration,
    /// The pause between two requests.
    pub keep_alive: Duration,
    /// Sending an answer, until the client has taken it.
    pub write: Duration,
}

/// Maximum size of a request's head. The API server sends less than 1 KiB.
const MAX_HEAD: usize = 16 * 1024;

/// Maximum number of bytes handed to the dispatcher before it must parse them. This keeps its
/// buffer at its initial size.
const MAX_TURN: usize = 8 * 1024;

/// A head up to this size, like an answer that the client takes, needs no more than the buffers
/// that every connection has.
const SMALL_HEAD: usize = 4 * 1024;

/// A run of requests of up to this many bytes, without a pause, needs no more than those buffers
/// either: ordinary requests fit into it whole.
const SMALL_BURST: usize = 16 * 1024;

/// Measured growth of the buffers of a connection that needs more, TLS buffers included.
const ROOM: usize = 80 * 1024;

/// Time a new connection has for its first request when the server closes.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Time a connection beyond the limit has to send the request that will be refused.
const OVERFLOW_HEAD: Duration = Duration::from_secs(1);

const SLOW_HEAD: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 35\r\nconnection: close\r\n\r\nthe request's head came too slowly\n";
const LARGE_HEAD: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n\
    content-type: text/plain; charset=utf-8\r\ncontent-length: 32\r\nconnection: close\r\n\r\n\
    the request's head is too large\n";

const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: text/plain; charset=utf-8\r\nretry-after: 1\r\ncontent-length: 39\r\n\
    connection: close\r\n\r\ntoo many long heads at once, try again\n";

/// Called with the HTTP status of every refusal that the handler cannot see.
pub type OnRefusal = Rc<dyn Fn(u16)>;

/// A byte stream with deadlines; see the module's documentation.
pub struct Connection<S> {
    stream: S,
    talk: Rc<Talk>,
    timeouts: Timeouts,
    timer: Pin<Box<Sleep>>,
    write_deadline: Option<Instant>,
    closing: CancellationToken,
    /// Waits for `closing`. Set once the task is sure to be woken when it is cancelled.
    wake_on_closing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    on_refusal: OnRefusal,
    /// Budget for the growth of all connections' buffers together.
    buffers: Arc<Budget>,
    room: Option<Reservation>,
    /// Bytes read since the dispatcher last looked.
    turn: usize,
    /// Bytes read so far of the head that is coming in.
    head: usize,
    /// Bytes read since the connection was last idle.
    burst: usize,
    /// Whether a request has begun on this connection.
    used: bool,
    ended: bool,
    _slot: Slot,
}

impl<S> Connection<S> {
    /// A connection that has just been accepted. Once `closing` is cancelled, it ends as soon as no
    /// request is being read or answered.
    pub fn new(
        stream: S,
        slot: Slot,
        timeouts: Timeouts,
        closing: &CancellationToken,
        buffers: &Arc<Budget>,
        on_refusal: OnRefusal,
    ) -> Self {
        let first = if slot.is_overflow() { OVERFLOW_HEAD } else { timeouts.head };
        let deadline = Instant::now() + first;
        let talk = Talk::new(deadline, slot.is_overflow());
        Self {
            stream,
            talk: Rc::new(talk),
            timeouts,
            timer: Box::pin(sleep_until(deadline)),
            write_deadline: None,
            closing: closing.clone(),
            wake_on_closing: None,
            on_refusal,
            buffers: Arc::clone(buffers),
            room: None,
            turn: 0,
            head: 0,
            burst: 0,
            used: false,
            ended: false,
            _slot: slot,
        }
    }

    /// State shared with the request handler.
    pub fn talk(&self) -> Rc<Talk> {
        Rc::clone(&self.talk)
    }

    /// Whether the nearest deadline has passed; if not, the task is woken when it does.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = [self.talk.deadline.get(), self.write_deadline].into_iter().flatten().min();
        let Some(deadline) = deadline else {
            return false;
        };
        // Reset the timer only when it would fire too late: most deadlines are lifted long before,
        // and resetting costs more than comparing.
        if self.timer.deadline() > deadline {
            self.timer.as_mut().reset(deadline);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            self.timer.as_mut().reset(deadline);
        }
        false
    }

    /// Arranges for the task to be woken when the server closes. Once is enough. The token is
    /// checked only where nothing else is going on, since all connections share its lock.
    fn listen_for_closing(&mut self, cx: &mut Context<'_>) {
        if self.wake_on_closing.is_none() {
            let mut wait = Box::pin(self.closing.clone().cancelled_owned());
            if wait.as_mut().poll(cx).is_ready() {
                cx.waker().wake_by_ref();
            }
            self.wake_on_closing = Some(wait);
        }
    }

    fn has_long_head(&self) -> bool {
        self.talk.phase.get() == Phase::Head && self.head > SMALL_HEAD
    }

    /// Reserves room for the buffers to grow beyond what every connection has. False if there is
    /// none.
    fn may_grow(&mut self) -> bool {
        if self.room.is_none() {
            self.room = self.buffers.reserve(ROOM);
        }
        self.room.is_some()
    }

    /// Records that `count` bytes were read.
    fn received(&mut self, count: usize) {
        self.turn += count;
        self.burst += count;
        match self.talk.phase.get() {
            Phase::Idle => {
                self.talk.phase.set(Phase::Head);
                self.used = true;
                self.head = count;
                let patience =
                    if self.talk.is_overflow() { OVERFLOW_HEAD } else { self.timeouts.head };
                self.talk.deadline.set(Some(Instant::now() + patience));
            }
            Phase::Head => self.head += count,
            Phase::Busy | Phase::Answered | Phase::Closing => {}
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Nothing can be read now: decides whether to wait or to end the connection.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.turn = 0;
        let phase = self.talk.phase.get();
        self.listen_for_closing(cx);
        if self.has_long_head() && self.room.is_none() {
            // This may be a whole request. The dispatcher has to look at it to find out.
            cx.waker().wake_by_ref();
        }
        if phase == Phase::Idle && self.closing.is_cancelled() {
            // A client retries a request when a connection that it has used before is closed under
            // it, but not when the connection is new. The first request of a new one may be on its
            // way.
            let patience = Instant::now() + LAST_CALL;
            match self.talk.deadline.get() {
                Some(deadline) if !self.used => {
                    self.talk.deadline.set(Some(deadline.min(patience)));
                }
                _ => return self.end(),
            }
        }
        if !self.is_late(cx) {
            return Poll::Pending;
        }
        match phase {
            Phase::Idle => self.end(),
            Phase::Head => self.refuse(cx, 408, SLOW_HEAD),
            Phase::Busy | Phase::Answered | Phase::Closing => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Shows the dispatcher the end of the stream, so that it closes it in good order.
    fn end(&mut self) -> Poll<io::Result<()>> {
        self.ended = true;
        self.talk.handled(true);
        Poll::Ready(Ok(()))
    }

    /// Answers in the dispatcher's place, and ends the connection. Does not wait for what the
    /// socket's buffer cannot take at once.
    fn refuse(&mut self, cx: &mut Context<'_>, status: u16, answer: &[u8]) -> Poll<io::Result<()>> {
        (self.on_refusal)(status);
        if Pin::new(&mut self.stream).poll_write(cx, answer).is_ready() {
            let _best_effort = Pin::new(&mut self.stream).poll_flush(cx);
        }
        self.end()
    }

    /// A write made no progress. The client has until the deadline to take the answer.
    fn poll_blocked<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if !self.may_grow() {
            (self.on_refusal)(503);
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.write_deadline.is_none() {
            self.write_deadline = Some(Instant::now() + self.timeouts.write);
        }
        if self.is_late(cx) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

/// The status of an answer, from its first line: `HTTP/1.1 431 …`.
fn status_of(answer: &[u8]) -> Option<u16> {
    std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(Ok(()));
        }
        if this.talk.waiting.get() {
            this.turn = 0;
            *this.talk.reader.borrow_mut() = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if this.turn >= MAX_TURN {
            this.turn = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if this.talk.phase.get() == Phase::Head && this.head >= MAX_HEAD {
            return this.refuse(cx, 431, LARGE_HEAD);
        }
        // When a turn begins, the dispatcher has parsed everything before it: all of that is head.
        if this.turn == 0 && this.has_long_head() && !this.may_grow() {
            return this.refuse(cx, 503, NO_ROOM);
        }
        if this.turn == 0 && this.burst > SMALL_BURST && !this.may_grow() {
            (this.on_refusal)(503);
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buffer) {
            Poll::Pending => this.poll_waiting(cx),
            Poll::Ready(Ok(())) => {
                let count = buffer.filled().len() - before;
                if count == 0 {
                    this.ended = true;
                } else {
                    this.received(count);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.talk.phase.get() == Phase::Head {
            // In this phase the dispatcher answers by itself only what is not HTTP or what it
            // rejects.
            (this.on_refusal)(status_of(bytes).unwrap_or(400));
            this.talk.handled(true);
        }
        match Pin::new(&mut this.stream).poll_write(cx, bytes) {
            Poll::Pending => this.poll_blocked(cx),
            ready => ready,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_flush(cx) {
            Poll::Pending => this.poll_blocked(cx),
            Poll::Ready(flushed) => {
                this.write_deadline = None;
                if this.talk.phase.get() == Phase::Answered {
                    this.talk.phase.set(Phase::Idle);
                    this.talk.deadline.set(Some(Instant::now() + this.timeouts.keep_alive));
                    this.burst = 0;
                    this.room = None;
                    this.talk.read_on();
                    // The dispatcher may wait for the next request without reading once more, so
                    // something must wake it at the deadline.
                    this.listen_for_closing(cx);
                    if this.is_late(cx) {
                        cx.waker().wake_by_ref();
                    }
                }
                Poll::Ready(flushed)
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.stream).poll_shutdown(cx) {
            Poll::Pending => this.poll_blocked(cx),
            ready => Poll::Ready(ready!(ready)),
        }
    }
}
