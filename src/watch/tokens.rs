//! How much may be asked of the API server at present.

use jiff::Timestamp;

/// What may still be done at present: `BURST` at once, and `A_MINUTE` more in each minute.
#[derive(Debug)]
pub(super) struct Tokens<const A_MINUTE: u32, const BURST: u32> {
    left: f64,
    at: Option<Timestamp>,
}

impl<const A_MINUTE: u32, const BURST: u32> Default for Tokens<A_MINUTE, BURST> {
    fn default() -> Self {
        Self { left: f64::from(BURST), at: None }
    }
}

impl<const A_MINUTE: u32, const BURST: u32> Tokens<A_MINUTE, BURST> {
    /// Takes one, if any is left.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<()> {
        let since = self.at.map_or(0.0, |at| now.duration_since(at).as_secs_f64().max(0.0));
        self.at = Some(now);
        self.left = (self.left + since * f64::from(A_MINUTE) / 60.0).min(f64::from(BURST));
        (self.left >= 1.0).then(|| self.left -= 1.0)
    }
}
