//! Reads a source periodically, and puts changed content in force if it is good.
//!
//! Contents are compared, not dates, and no file is watched. The kubelet updates a mounted
//! ConfigMap or Secret by swapping a symbolic link, after which a watch on the file is dead for
//! ever. Bad content is refused as a whole, and the last good content stays in force.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{error, info};

use super::metrics::Reloads;

/// SHA-256 of a content. Keeping the digest instead of the content keeps no key in memory.
pub type Digest = [u8; 32];

/// The digest of `parts`, each delimited by its length.
pub fn digest<'p>(parts: impl Iterator<Item = &'p [u8]>) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A source that is read from files and can be put in force.
pub trait Polled {
    /// Content of the source.
    type Content;

    /// Name of the source in the log.
    const WHAT: &'static str;

    /// Reads the content.
    ///
    /// # Errors
    /// Why it could not be read.
    fn read(&self) -> Result<Self::Content, String>;

    /// Digest that tells one content from another.
    fn digest(content: &Self::Content) -> Digest;

    /// Puts the content in force, or leaves everything as it is.
    ///
    /// # Errors
    /// Why it is refused.
    fn put_in_force(&self, content: Self::Content) -> Result<(), String>;

    /// Counters of reloads.
    fn reloads(&self) -> &Reloads;

    /// Reports why the newest content is refused, or with `None` that it no longer is.
    fn note(&self, refused: Option<&str>);
}

/// A source, and what is known of its content.
#[derive(Debug)]
pub struct Poller<S> {
    source: S,
    in_force: Digest,
    refused: Option<Refused>,
}

#[derive(Debug, PartialEq, Eq)]
struct Refused {
    /// `None` if the source could not be read.
    content: Option<Digest>,
    why: String,
}

impl<S: Polled> Poller<S> {
    /// A source whose content with the digest `in_force` is in force.
    pub fn new(source: S, in_force: Digest) -> Self {
        Self { source, in_force, refused: None }
    }

    /// Checks the source once.
    pub fn look(&mut self) {
        let content = match self.source.read() {
            Ok(content) => content,
            Err(why) => return self.refuse(None, why),
        };
        let digest = S::digest(&content);
        if digest == self.in_force {
            if self.refused.take().is_some() {
                self.source.reloads().failing.set(0);
                self.source.note(None);
                info!("the {} match those in force again", S::WHAT);
            }
            return;
        }
        if self.refused.as_ref().is_some_and(|refused| refused.content == Some(digest)) {
            return;
        }
        match catch_unwind(AssertUnwindSafe(|| self.source.put_in_force(content))) {
            Ok(Ok(())) => {
                self.in_force = digest;
                self.refused = None;
                self.source.reloads().loaded.inc();
                self.source.reloads().failing.set(0);
                self.source.note(None);
                info!("new {} are in force", S::WHAT);
            }
            Ok(Err(why)) => self.refuse(Some(digest), why),
            Err(_panic) => self.refuse(Some(digest), "internal error while reading it".to_owned()),
        }
    }

    fn refuse(&mut self, content: Option<Digest>, why: String) {
        let refused = Refused { content, why };
        if self.refused.as_ref() == Some(&refused) {
            return;
        }
        self.source.reloads().refused.inc();
        self.source.reloads().failing.set(1);
        self.source.note(Some(&refused.why));
        error!(
            error = refused.why,
            "new {} are refused; the last good ones stay in force",
            S::WHAT
        );
        self.refused = Some(refused);
    }

    /// Checks the source every `period`, for ever.
    pub async fn run(mut self, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;
    use crate::serve::metrics::Metrics;

    struct Text {
        now: RefCell<Result<&'static str, &'static str>>,
        in_force: Cell<&'static str>,
        refused: RefCell<Option<String>>,
        reloads: Reloads,
    }

    impl Polled for &Text {
        type Content = &'static str;
        const WHAT: &'static str = "texts";

        fn read(&self) -> Result<&'static str, String> {
            self.now.borrow().map_err(str::to_owned)
        }

        fn digest(content: &&'static str) -> Digest {
            digest([content.as_bytes()].into_iter())
        }

        fn put_in_force(&self, content: &'static str) -> Result<(), String> {
            if content.contains("bad") {
                return Err(format!("`{content}` is bad"));
            }
            self.in_force.set(content);
            Ok(())
        }

        fn reloads(&self) -> &Reloads {
            &self.reloads
        }

        fn note(&self, refused: Option<&str>) {
            *self.refused.borrow_mut() = refused.map(str::to_owned);
        }
    }

    #[test]
    fn the_last_good_content_stays_in_force() {
        let text = Text {
            now: RefCell::new(Ok("one")),
            in_force: Cell::new("one"),
            refused: RefCell::new(None),
            reloads: Metrics::new().policy_reloads,
        };
        let mut poller = Poller::new(&text, <&Text as Polled>::digest(&"one"));
        let mut look = |now, in_force, refused: Option<&str>, counts: (u64, u64)| {
            *text.now.borrow_mut() = now;
            poller.look();
            poller.look();
            assert_eq!(text.in_force.get(), in_force, "{now:?}");
            assert_eq!(text.refused.borrow().as_deref(), refused, "{now:?}");
            assert_eq!((text.reloads.loaded.get(), text.reloads.refused.get()), counts, "{now:?}");
            assert_eq!(text.reloads.failing.get(), i64::from(refused.is_some()), "{now:?}");
        };
        look(Ok("one"), "one", None, (0, 0));
        look(Ok("bad"), "one", Some("`bad` is bad"), (0, 1));
        look(Ok("one"), "one", None, (0, 1));
        look(Ok("two"), "two", None, (1, 1));
        look(Err("gone"), "two", Some("gone"), (1, 2));
        look(Ok("bad two"), "two", Some("`bad two` is bad"), (1, 3));
        look(Ok("three"), "three", None, (2, 3));
    }
}
