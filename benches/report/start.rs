//! How long a server takes from exec until it is ready.

use std::path::Path;

use crate::figures::Start;
use crate::memory::{policies, with_policies};
use crate::say;
use crate::stats::Spread;
use crate::support::server::{Server, Setup, certificate};

/// How much is measured.
pub struct Extent {
    pub starts: usize,
    pub policies: usize,
}

/// Measures all of it.
///
/// # Errors
/// When a server does not start.
pub fn run(binary: &Path, extent: &Extent) -> anyhow::Result<Start> {
    say(&format!("{} starts without policies, and as many with", extent.starts));
    let directory = policies(extent.policies)?;
    let pair = certificate()?;
    let plain = Setup { certificate: Some(pair.clone()), ..Setup::default() };
    let many = Setup { certificate: Some(pair), ..with_policies(&directory) };
    let mut seen: [Vec<f64>; 2] = [vec![], vec![]];
    for _ in 0..extent.starts {
        for (setup, seen) in [&plain, &many].into_iter().zip(&mut seen) {
            seen.push(Server::start(binary, setup)?.ready_after.as_secs_f64() * 1e3);
        }
    }
    let [plain, many] = seen;
    Ok(Start {
        starts: extent.starts,
        ready_ms: Spread::of(plain),
        policies: extent.policies,
        with_policies_ms: Spread::of(many),
    })
}
