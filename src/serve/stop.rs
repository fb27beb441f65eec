//! Requests to stop a server, and how it stops.

use std::future::pending;

use actix_web::dev::ServerHandle;
use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::config::Config;
use super::readiness::Readiness;

/// Source of requests to stop a server.
pub(crate) struct Stop {
    told: Option<oneshot::Receiver<()>>,
    signals: Option<[Signal; 3]>,
}

impl Stop {
    pub(crate) fn new(told: oneshot::Receiver<()>, signals: bool) -> anyhow::Result<Self> {
        let signals = if signals {
            let one = |kind| signal(kind).context("cannot listen for signals");
            // SIGHUP as well: a closed terminal must not cut off requests either.
            let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
            let [terminate, interrupt, hangup] = kinds.map(one);
            Some([terminate?, interrupt?, hangup?])
        } else {
            None
        };
        Ok(Self { told: Some(told), signals })
    }

    /// Returns once for each request to stop.
    pub(crate) async fn requested(&mut self) {
        let Self { told, signals } = self;
        let by_caller = async {
            match told {
                // A caller that has gone away wants the server stopped too.
                Some(told) => drop(told.await),
                None => pending().await,
            }
        };
        let by_signal = async {
            match signals {
                Some([terminate, interrupt, hangup]) => tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = hangup.recv() => {}
                },
                None => pending().await,
            }
        };
        tokio::select! {
            () = by_caller => *told = None,
            () = by_signal => {}
        }
    }
}

/// Stops the servers in good order. At first the server is not ready but still serves, until
/// everybody knows. Then it takes no new connection, closes idle ones and answers what is in
/// flight.
pub(super) async fn drain(
    config: &Config,
    readiness: &Readiness,
    closing: &CancellationToken,
    [webhook, ops]: [ServerHandle; 2],
) {
    readiness.drain();
    info!(delay = ?config.shutdown_delay, "stop signal received: not ready from now on");
    sleep(config.shutdown_delay).await;
    info!("finishing requests in flight");
    closing.cancel();
    // The workers give up by themselves after the shutdown timeout.
    webhook.stop(true).await;
    ops.stop(false).await;
    info!("stopped");
}
