//! A Deployment that is scaled up at once: every pod of it comes through ironhull.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

use super::api::{Api, pods};
use super::creations::version;
use super::variants::{is_hardened, namespace, register};
use crate::figures::Storm;
use crate::say;
use crate::support::reviews::{ordinary_pod, ordinary_spec};
use crate::support::server::{Server, Setup, get};

const VARIANT: &str = "storm";

/// How long all pods may take to come. The controller manager makes 20 a second of its own
/// accord.
const PATIENCE: Duration = Duration::from_secs(180);

/// Lets it come.
///
/// # Errors
/// When the pods do not come.
pub async fn run(binary: &Path, count: usize) -> anyhow::Result<Storm> {
    let api = Api::connect().await?;
    let server = Server::start(binary, &Setup::default())?;
    let space = namespace(VARIANT);
    api.namespace(&space, VARIANT).await?;
    register(&api, VARIANT, &server).await?;
    api.eventually("the webhook", async |api| {
        let pod = api.create(&pods(&space, true), &ordinary_pod("shop-0")).await?;
        ensure!(is_hardened(&pod), "it is not asked");
        Ok(())
    })
    .await?;
    let before = Reviews::of(&server)?;

    say(&format!("a Deployment scaled from 0 to {count}"));
    let deployments = format!("/apis/apps/v1/namespaces/{space}/deployments");
    api.create(&deployments, &deployment()).await?;
    let deployment = format!("{deployments}/shop");
    let begun = Instant::now();
    let scale = json!({"spec": {"replicas": count}}).to_string().into_bytes();
    api.send(Method::PATCH, &deployment, scale).await?;
    loop {
        let status = api.get(&deployment).await?;
        if status["status"]["replicas"] == count {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "not all pods came: {}", status["status"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();

    let list = api.get(&pods(&space, false)).await?;
    let made: Vec<&Value> = list["items"].as_array().into_iter().flatten().collect();
    let events = api.get(&format!("/api/v1/namespaces/{space}/events")).await?;
    let failed = events["items"].as_array().into_iter().flatten();
    let failed = failed.filter(|event| event["reason"] == "FailedCreate");
    let after = Reviews::of(&server)?;
    let reviews = (after.count - before.count).max(1) as f64;
    Ok(Storm {
        version: version(&api).await?,
        pods: made.len(),
        hardened: made.iter().filter(|pod| is_hardened(pod)).count(),
        seconds,
        patched: after.patched - before.patched,
        refused: after.refused - before.refused,
        failed_events: failed.count(),
        mean_us: (after.seconds - before.seconds) * 1e6 / reviews,
        below_us: after
            .below
            .iter()
            .zip(&before.below)
            .map(|((bound, after), (_, before))| (bound * 1e6, after - before))
            .collect(),
        peak_bytes: server.process().memory()?.peak,
    })
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "shop"}},
            "template": {"metadata": {"labels": {"app": "shop"}}, "spec": ordinary_spec()},
        },
    })
}

/// What a server has counted.
struct Reviews {
    patched: u64,
    refused: u64,
    count: u64,
    seconds: f64,
    /// The histogram: seconds, and reviews that took no longer.
    below: Vec<(f64, u64)>,
}

impl Reviews {
    fn of(server: &Server) -> anyhow::Result<Self> {
        let (_, text) = get(server.ops, "/metrics")?;
        let lines = || {
            text.lines().filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                Some((series, value.parse::<f64>().ok()?))
            })
        };
        let sum = |name: &str, label: &str| -> f64 {
            let matching =
                lines().filter(|(series, _)| series.starts_with(name) && series.contains(label));
            matching.map(|(_, value)| value).sum()
        };
        let bound = |series: &str| -> Option<f64> {
            series.split("le=\"").nth(1)?.split('"').next()?.parse().ok()
        };
        let duration = "ironhull_review_duration_seconds";
        let below = lines()
            .filter(|(series, _)| {
                series.starts_with(&format!("{duration}_bucket")) && series.contains("\"enforce\"")
            })
            .filter_map(|(series, value)| Some((bound(series)?, value as u64)))
            .filter(|(bound, _)| bound.is_finite())
            .collect();
        Ok(Self {
            patched: sum("ironhull_reviews_total", "\"patched\"") as u64,
            refused: sum("ironhull_http_errors_total", "") as u64,
            count: sum(&format!("{duration}_count"), "\"enforce\"") as u64,
            seconds: sum(&format!("{duration}_sum"), "\"enforce\""),
            below,
        })
    }
}
