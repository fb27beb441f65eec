//! What bounds the server's memory: the body bytes in flight and the connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A body above this size counts as large. An ordinary review has 3 to 50 KiB; only
/// pods with very many containers, and pods of workflow engines, come above this.
pub const LARGE_BODY: usize = 256 * 1024;

/// Share of the budget for all large bodies together (numerator, denominator), so that a few slow
/// senders of large bodies cannot keep ordinary ones out.
const LARGE_SHARE: (usize, usize) = (3, 4);

/// A body up to this size counts as small. Most bodies are.
const SMALL_BODY: usize = 8 * 1024;

/// Share of the budget for all bodies that are not small, for the same reason.
const NOT_SMALL_SHARE: (usize, usize) = (9, 10);

/// Limit on the bytes of request bodies in memory at once.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    /// Number of bytes reserved.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Reserves `bytes` for one body. `None` when the budget does not have them.
    pub fn reserve(self: &Arc<Self>, bytes: usize) -> Option<Reservation> {
        let mut reservation = Reservation { budget: Arc::clone(self), bytes: 0 };
        reservation.cover(bytes).then_some(reservation)
    }

    fn limit_for(&self, bytes: usize) -> usize {
        let (part, whole) = if bytes > LARGE_BODY {
            LARGE_SHARE
        } else if bytes > SMALL_BODY {
            NOT_SMALL_SHARE
        } else {
            (1, 1)
        };
        self.limit / whole * part
    }
}

/// The part of a [`Budget`] that one body holds until it is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Reservation {
    /// Extends the reservation to `bytes` in all. False when the budget does not have them.
    pub fn cover(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes).filter(|more| *more > 0) else {
            return true;
        };
        let limit = self.budget.limit_for(bytes);
        let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(more).filter(|sum| *sum <= limit)
        });
        if taken.is_ok() {
            self.bytes = bytes;
        }
        taken.is_ok()
    }

    /// Changes the reservation to `bytes` in all, which may be fewer than before. When the budget
    /// does not have them, returns false and leaves the reservation unchanged.
    pub fn resize(&mut self, bytes: usize) -> bool {
        let spare = self.bytes.saturating_sub(bytes);
        self.budget.used.fetch_sub(spare, Ordering::Relaxed);
        self.bytes -= spare;
        self.cover(bytes)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Limit on the connections of a listener.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    overflow: usize,
    open: AtomicUsize,
}

impl Slots {
    /// Room for `limit` connections that are served, and `overflow` more that are answered with
    /// 503.
    pub fn new(limit: usize, overflow: usize) -> Arc<Self> {
        Arc::new(Self { limit, overflow, open: AtomicUsize::new(0) })
    }

    /// Number of open connections.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Place for one more connection. `None` when even the overflow is full.
    pub fn take(self: &Arc<Self>) -> Option<Slot> {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let slot = Slot { slots: Arc::clone(self), overflow: before >= self.limit };
        (before < self.limit + self.overflow).then_some(slot)
    }
}

/// The place of one open connection; dropping it frees the place.
#[derive(Debug)]
pub struct Slot {
    slots: Arc<Slots>,
    overflow: bool,
}

impl Slot {
    /// Whether the connection is beyond the limit and only open to be answered with 503.
    pub fn is_overflow(&self) -> bool {
        self.overflow
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Raises the process's soft limit on open files to what `connections` need, as far as the hard
/// limit allows. Returns the number of connections there is room for.
pub fn room_for_connections(connections: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let wanted = (connections + FILES_BESIDES_CONNECTIONS) as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(soft) = current.filter(|soft| *soft < wanted) else {
        return connections;
    };
    let raised = maximum.map_or(wanted, |hard| hard.min(wanted));
    let room = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
        Ok(()) => raised,
        Err(_) => soft,
    };
    usize::try_from(room).unwrap_or(connections).saturating_sub(FILES_BESIDES_CONNECTIONS)
}

/// Open files that are not connections of the webhook: listeners, the workers' event
/// queues, the ops listener's connections, a policy directory being read, the log.
const FILES_BESIDES_CONNECTIONS: usize = 256;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_reservation_is_given_back_when_dropped() {
        let budget = Budget::new(1000);
        let first = budget.reserve(600).unwrap();
        assert!(budget.reserve(600).is_none());
        assert_eq!(budget.used(), 600);
        drop(first);
        assert!(budget.reserve(1000).is_some());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_reservation_grows_until_the_budget_is_spent() {
        let budget = Budget::new(1000);
        let mut reservation = budget.reserve(0).unwrap();
        assert!(reservation.cover(400));
        assert!(reservation.cover(300), "never shrinks");
        assert_eq!(budget.used(), 400);
        assert!(!reservation.cover(1001));
        assert_eq!(budget.used(), 400, "a refused growth takes nothing");
        assert!(reservation.resize(100));
        assert_eq!(budget.used(), 100);
        assert!(reservation.resize(1000) && !reservation.resize(1001));
        assert_eq!(budget.used(), 1000);
    }

    #[test]
    fn large_bodies_leave_room_for_ordinary_ones() {
        let budget = Budget::new(8 << 20);
        let large = budget.reserve(6 << 20).unwrap();
        assert!(budget.reserve(1 << 20).is_none());
        assert!(budget.reserve(4096).is_some());
        let _others: Vec<_> = std::iter::from_fn(|| budget.reserve(9000)).collect();
        assert!(budget.reserve(9000).is_none());
        assert!(budget.reserve(4096).is_some(), "small ones still fit");
        drop(large);
    }

    #[test]
    fn slots_are_served_then_told_then_refused() {
        let slots = Slots::new(1, 1);
        let served = slots.take().unwrap();
        let told = slots.take().unwrap();
        assert!(!served.is_overflow());
        assert!(told.is_overflow());
        assert!(slots.take().is_none());
        assert_eq!(slots.open(), 2, "a refused connection leaves no trace");
        drop(told);
        drop(served);
        assert!(!slots.take().unwrap().is_overflow());
    }
}
