//! A connection as the HTTP dispatcher sees it, with the deadlines, the limits and the
//! way to drain that the dispatcher does not have.
//!
//! actix-http times the first request's head and the keep-alive pause; it does not time
//! the head of a later request nor a client that does not read, buffers heads of up to
//! 128 KiB, and knows no orderly end of an idle connection. All of that is decided here, below
//! it: a [`Connection`] is the byte stream it reads from and writes to.

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

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// The TLS handshake.
    pub handshake: Duration,
    /// A request's head, from its first byte; for the first request, from the connection's start.
    pub head: Duration,
    /// A request's whole body.
    pub body: Duration,
    /// The pause between two requests.
    pub keep_alive: Duration,
    /// Until the client has taken an answer.
    pub write: Duration,
}

/// The largest head of a request. The API server sends less than 1 KiB.
const MAX_HEAD: usize = 16 * 1024;

/// How much the dispatcher is given to read before it must look at it, so that its buffer
/// stays as small as it is at first.
const MAX_TURN: usize = 8 * 1024;

/// A head up to this size, and an answer that the client takes, need no more than the buffers
/// that every connection has.
const SMALL_HEAD: usize = 4 * 1024;

/// So many bytes of requests in a row, without a pause, do not need more either: ordinary
/// requests come whole in them.
const SMALL_BURST: usize = 16 * 1024;

/// What the buffers of other connections grow by, as measured, those of TLS among them.
const ROOM: usize = 80 * 1024;

/// How long a new connection may take for its first request when the server closes.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How long a connection beyond the limit may take to ask what it will be refused.
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

/// What befell a connection that its handler cannot see, by the HTTP status it was answered with.
pub type OnRefusal = Rc<dyn Fn(u16)>;

/// A byte stream with deadlines; see the module.
pub struct Connection<S> {
    stream: S,
    talk: Rc<Talk>,
    timeouts: Timeouts,
    timer: Pin<Box<Sleep>>,
    write_deadline: Option<Instant>,
    closing: CancellationToken,
    /// Set once the task is sure to be woken when `closing` is cancelled.
    wake_on_closing: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    on_refusal: OnRefusal,
    /// What all connections' buffers together may grow by.
    buffers: Arc<Budget>,
    room: Option<Reservation>,
    /// Bytes read since the dispatcher last looked.
    turn: usize,
    /// Bytes of the head that is coming in.
    head: usize,
    /// Bytes since the connection was last idle.
    burst: usize,
    /// Whether a request has begun on it.
    used: bool,
    ended: bool,
    _slot: Slot,
}

impl<S> Connection<S> {
    /// A connection that has just been accepted. Once `closing` is cancelled it ends
    /// as soon as no request is being read or answered.
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

    /// What the handler needs of it.
    pub fn talk(&self) -> Rc<Talk> {
        Rc::clone(&self.talk)
    }

    /// Whether the nearest deadline has passed; if not, the task is woken when it does.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = [self.talk.deadline.get(), self.write_deadline].into_iter().flatten().min();
        let Some(deadline) = deadline else {
            return false;
        };
        // The timer is set anew only when it would fire too late: most deadlines are
        // lifted long before, and setting it costs more than looking at it.
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

    /// Has the task woken when the server closes. Once is enough; the token itself is
    /// asked only where nothing else is going on, since all connections share its lock.
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

    /// Whether the buffers may grow beyond what every connection has.
    fn may_grow(&mut self) -> bool {
        if self.room.is_none() {
            self.room = self.buffers.reserve(ROOM);
        }
        self.room.is_some()
    }

    /// Notes that `count` bytes came in.
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
    /// Nothing can be read now: is it time to end?
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.turn = 0;
        let phase = self.talk.phase.get();
        self.listen_for_closing(cx);
        if self.has_long_head() && self.room.is_none() {
            // It may be a whole request. Whether it is, shows when the dispatcher has looked.
            cx.waker().wake_by_ref();
        }
        if phase == Phase::Idle && self.closing.is_cancelled() {
            // A client sends a request again when a connection that was used before is closed
            // under it, and not when it is a new one: its first may be on its way.
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

    /// The dispatcher sees the end of the stream, and closes it in good order.
    fn end(&mut self) -> Poll<io::Result<()>> {
        self.ended = true;
        self.talk.handled(true);
        Poll::Ready(Ok(()))
    }

    /// Answers in the dispatcher's place, and ends. What does not fit into the socket's
    /// buffer at once is not waited for.
    fn refuse(&mut self, cx: &mut Context<'_>, status: u16, answer: &[u8]) -> Poll<io::Result<()>> {
        (self.on_refusal)(status);
        if Pin::new(&mut self.stream).poll_write(cx, answer).is_ready() {
            let _best_effort = Pin::new(&mut self.stream).poll_flush(cx);
        }
        self.end()
    }

    /// A write made no progress: the client has until the deadline.
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
        // At the first turn the dispatcher has looked at what came before: it is all of a head.
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
            // The dispatcher answers by itself only what is not HTTP, or not to its taste.
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
                    // The dispatcher may wait for the next request without reading once
                    // more: something must wake it when its time is up.
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
