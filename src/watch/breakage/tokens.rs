//! How much may be asked of the API server at present.

use jiff::Timestamp;

/// Pods that are read in a minute, each with its log and an owner, and with up to two Events.
pub(super) const A_MINUTE: u32 = 60;
/// Pods that are read at once after a quiet while: a rollout breaks many workloads together.
pub(super) const BURST: u32 = 120;

/// What may still be done at present: so many at once, and so many more in each minute.
#[derive(Debug)]
pub(super) struct Tokens {
    left: f64,
    at: Option<Timestamp>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { left: f64::from(BURST), at: None }
    }
}

impl Tokens {
    /// Takes one, if any is left.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<()> {
        let since = self.at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
        self.at = Some(now);
        self.left = (self.left + since * f64::from(A_MINUTE) / 60.0).min(f64::from(BURST));
        (self.left >= 1.0).then(|| self.left -= 1.0)
    }
}
