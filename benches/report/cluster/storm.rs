//! A Deployment that is scaled up at once: every pod of it comes through ironhull.

use std::time::{Duration, Instant};

use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

use super::Api;
use super::api::pods;
use super::variants::{is_hardened, namespace, register};
use crate::Bench;
use crate::support::reviews::ordinary_pod;
use crate::support::server::{Server, serve};

const VARIANT: &str = "storm";
const PODS: usize = 500;

/// How long all pods may take to come. The controller manager makes 20 a second of its own
/// accord.
const PATIENCE: Duration = Duration::from_secs(180);

/// Lets it come.
pub async fn run(bench: &Bench) -> anyhow::Result<Value> {
    let api = Api::connect().await?;
    let server = Server::start(serve(&bench.binary, &[]))?;
    let space = namespace(VARIANT);
    api.namespace(&space, VARIANT).await?;
    register(&api, VARIANT, &server).await?;
    api.eventually("the webhook", async |api| {
        let pod = api.create(&pods(&space, true), &ordinary_pod("shop-0")).await?;
        ensure!(is_hardened(&pod), "it is not asked");
        Ok(())
    })
    .await?;
    let before = server.metrics();

    bench.say(&format!("a Deployment scaled from 0 to {PODS}"));
    let deployments = format!("/apis/apps/v1/namespaces/{space}/deployments");
    let labels = json!({"app": "shop"});
    let template = json!({"metadata": {"labels": labels}, "spec": ordinary_pod("")["spec"]});
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    });
    api.create(&deployments, &deployment).await?;
    let deployment = format!("{deployments}/shop");
    let begun = Instant::now();
    let scale = json!({"spec": {"replicas": PODS}}).to_string().into_bytes();
    api.send(Method::PATCH, &deployment, scale).await?;
    loop {
        let status = api.get(&deployment).await?;
        if status["status"]["replicas"] == PODS {
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
    let after = server.metrics();
    // What was counted meanwhile by the series that begin so and have this label.
    let counted = |begin: &str, label: &str| -> f64 {
        let sum = |metrics: &[(String, f64)]| -> f64 {
            let these = metrics.iter().filter(|(s, _)| s.starts_with(begin) && s.contains(label));
            these.map(|(_, value)| value).sum()
        };
        sum(&after) - sum(&before)
    };
    let duration = |what: &str| counted(&format!("{WAS}_{what}"), "\"enforce\"");
    let below = |bound: &str| counted(&format!("{WAS}_bucket"), &format!("le=\"{bound}\""));
    const WAS: &str = "ironhull_review_duration_seconds";
    let bounds = after.iter().filter_map(|(series, _)| {
        let bound = series.strip_prefix(WAS)?.split("le=\"").nth(1)?.split('"').next()?;
        series.contains("\"enforce\"").then_some(bound)
    });
    let reviews = duration("count").max(1.0);
    Ok(json!({
        "version": api.version().await?,
        "pods": made.len(),
        "hardened": made.iter().filter(|pod| is_hardened(pod)).count(),
        "seconds": seconds,
        // Reviews that ironhull answered with a patch, and requests that it refused.
        "patched": counted("ironhull_reviews_total", "\"patched\"") as u64,
        "refused": counted("ironhull_http_errors_total", "") as u64,
        "failed_events": failed.count(),
        "mean_us": duration("sum") * 1e6 / reviews,
        // The first bound of the server's histogram that 99 of 100 are below.
        "p99_us": bounds
            .filter_map(|bound| Some((below(bound), bound.parse::<f64>().ok()?)))
            .find(|(below, _)| *below >= reviews * 0.99)
            .map(|(_, bound)| bound * 1e6),
        "peak_bytes": server.process().memory()?.peak,
    }))
}
