//! The same work on many items, on all cores.

use std::sync::{Mutex, PoisonError};

use rayon::ThreadPoolBuilder;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use crate::terminal::progress::Progress;

/// Stack of each thread, in bytes: as large as Linux gives the main thread. Manifests nest as
/// deeply as Kubernetes allows.
const STACK: usize = 8 << 20;

/// Applies `work` to each item. Returns the results in the items' order. `what` names the work for
/// a person who waits.
///
/// # Errors
/// When no thread can be started.
pub(super) fn in_order<T: Send, R: Send>(
    what: &str,
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
) -> anyhow::Result<Vec<R>> {
    // As many threads as there are cores.
    in_order_by(0, what, items, work)
}

/// [`in_order`] by so many threads, for work that mostly waits.
///
/// # Errors
/// When no thread can be started.
pub(super) fn in_order_by<T: Send, R: Send>(
    threads: usize,
    what: &str,
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
) -> anyhow::Result<Vec<R>> {
    if items.len() < 2 {
        return Ok(items.into_iter().map(work).collect());
    }
    let progress = Mutex::new(Progress::new(what, u64::try_from(items.len()).ok()));
    let one = |item| {
        let result = work(item);
        progress.lock().unwrap_or_else(PoisonError::into_inner).advance(1);
        result
    };
    let pool = ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build()?;
    Ok(pool.install(|| items.into_par_iter().map(one).collect()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn results_keep_the_items_order() {
        // The first takes the longest.
        let work = |item: u64| {
            sleep(Duration::from_millis(40 - item));
            item * 2
        };
        let results = in_order("testing", (0..40).collect(), work).unwrap();
        assert_eq!(results, (0..40).map(|item| item * 2).collect::<Vec<_>>());
        assert!(in_order("testing", Vec::new(), work).unwrap().is_empty());
    }
}
