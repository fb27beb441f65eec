//! `ironhull preview` on a cluster of many pods.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::api::{Api, pods};
use super::creations::version;
use crate::figures::Preview;
use crate::say;
use crate::stats::Spread;
use crate::support::process::Process;
use crate::support::reviews::{ordinary_pod, ordinary_spec};

const CLIENTS: usize = 8;
const NAMESPACE: &str = "bench-preview";

/// How much is measured.
pub struct Extent {
    pub rounds: usize,
    pub bare: usize,
    pub owned: usize,
    pub owners: usize,
}

/// Fills the cluster, whose controllers must be away, and measures.
///
/// # Errors
/// When the pods cannot be made, or `preview` fails.
pub async fn run(binary: &Path, extent: &Extent) -> anyhow::Result<Preview> {
    let clients = Api::several(CLIENTS).await?;
    let [api, ..] = clients.as_slice() else { anyhow::bail!("no client") };
    api.namespace(NAMESPACE, super::variants::NONE).await?;
    say(&format!("{} pods are created", extent.bare + extent.owned));
    let each = clients.iter().enumerate().map(async |(client, api)| {
        for index in (client..extent.bare).step_by(CLIENTS) {
            api.create(&pods(NAMESPACE, false), &ordinary_pod(&format!("bare-{index}"))).await?;
        }
        for owner in (client..extent.owners).step_by(CLIENTS) {
            make_owned(api, owner, extent.owned / extent.owners).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(each).await?;

    let mut seconds = Vec::new();
    let (mut peak, mut output) = (0, 0);
    for round in 0..extent.rounds {
        say(&format!("ironhull preview -A, {} of {}", round + 1, extent.rounds));
        let (took, bytes, most) = preview(binary)?;
        seconds.push(took.as_secs_f64());
        (peak, output) = (peak.max(most), bytes);
    }
    Ok(Preview {
        version: version(api).await?,
        bare_pods: extent.bare,
        owned_pods: extent.owned,
        owners: extent.owners,
        seconds: Spread::of(seconds),
        peak_bytes: peak,
        output_bytes: output,
    })
}

/// A Deployment, its ReplicaSet, and their pods, as the controllers would make them.
async fn make_owned(api: &Api, owner: usize, count: usize) -> anyhow::Result<()> {
    let name = format!("shop-{owner}");
    let labels = json!({"app": name});
    let template = json!({"metadata": {"labels": labels}, "spec": ordinary_spec()});
    let spec = json!({
        "replicas": count, "selector": {"matchLabels": labels}, "template": template,
    });
    let object = |kind: &str, owner: Option<Value>| {
        json!({
            "apiVersion": "apps/v1",
            "kind": kind,
            "metadata": {"name": name, "labels": labels, "ownerReferences": owner.into_iter().collect::<Vec<_>>()},
            "spec": spec,
        })
    };
    let apps = format!("/apis/apps/v1/namespaces/{NAMESPACE}");
    let deployment =
        api.create(&format!("{apps}/deployments"), &object("Deployment", None)).await?;
    let owner = owner_of("Deployment", &deployment);
    let set =
        api.create(&format!("{apps}/replicasets"), &object("ReplicaSet", Some(owner))).await?;
    for index in 0..count {
        let mut pod = ordinary_pod(&format!("{name}-{index}"));
        pod["metadata"]["labels"] = labels.clone();
        pod["metadata"]["ownerReferences"] = json!([owner_of("ReplicaSet", &set)]);
        api.create(&pods(NAMESPACE, false), &pod).await?;
    }
    Ok(())
}

fn owner_of(kind: &str, owner: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": true,
    })
}

/// Time, bytes said, and the most that was resident.
fn preview(binary: &Path) -> anyhow::Result<(Duration, usize, u64)> {
    let said = tempfile::NamedTempFile::new()?;
    let begun = Instant::now();
    let mut child = Command::new(binary)
        .args(["preview", "--all-namespaces"])
        .stdin(Stdio::null())
        .stdout(said.reopen()?)
        .stderr(Stdio::null())
        .spawn()?;
    let process = Process { id: child.id() };
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // It may end just now.
        if let Ok(memory) = process.memory() {
            peak = peak.max(memory.peak);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let took = begun.elapsed();
    let bytes = std::fs::metadata(said.path())?.len() as usize;
    // 1 says that something is likely to break, which is an answer.
    ensure!(matches!(status.code(), Some(0 | 1)), "preview failed: {status}");
    ensure!(bytes > 0, "preview said nothing");
    Ok((took, bytes, peak))
}
