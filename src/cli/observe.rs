//! `ironhull observe`: what running containers do, and what they need to run hardened.

pub mod report;
mod table;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::ValueHint;
use futures_util::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use tokio::sync::watch;

use crate::cluster::{self, Cluster, Connection, policies};
use crate::observe::session::{Seen, observe};
use crate::observe::targets::{AgentImage, NotObserved, Target, Workload, find, targets};
use crate::terminal::progress::Progress;
use crate::terminal::say;
use report::Report;

/// Observe running containers, and say what they need
///
/// Adds an ephemeral container of ironhull's image to each pod, with what its target has and no
/// more. It reads /proc until the time is over or Ctrl-C: files written outside of mounts,
/// processes and their users, low ports. Ends in what to paste into the workload or a policy.
///
/// Needs the rights to get pods, to patch pods/ephemeralcontainers, and to get and create
/// pods/attach and pods/exec. The ephemeral container ends, and stays in the pod's record.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A pod, or a workload such as deployment/web, all of whose pods are observed
    #[arg(value_name = "POD|KIND/NAME", value_hint = ValueHint::Other)]
    what: String,

    /// Its namespace; by default the context's
    #[arg(short, long, value_name = "NAME", value_hint = ValueHint::Other)]
    namespace: Option<String>,

    /// Only this container; may be given several times
    #[arg(short, long = "container", value_name = "NAME", value_hint = ValueHint::Other)]
    containers: Vec<String>,

    /// How long to observe
    #[arg(long = "for", value_name = "DURATION", value_parser = super::serve::duration, default_value = "2m")]
    time: Duration,

    /// ironhull's image; by default that of the installation in the cluster
    #[arg(long, value_name = "IMAGE", value_hint = ValueHint::Other)]
    image: Option<String>,

    /// Output format: table, json or yaml
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t = Format::Table, hide_possible_values = true)]
    output: Format,

    #[command(flatten)]
    connection: Connection,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people, with what to paste
    Table,
    /// For programs: see docs/json.md
    Json,
    /// The same as YAML
    Yaml,
}

/// What became of each container.
pub(super) struct Outcome {
    pub(super) workload: Workload,
    pub(super) seen: Vec<(Target, Seen)>,
    pub(super) not_observed: Vec<NotObserved>,
}

/// Runs the command. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When the cluster or the workload cannot be read, or nothing can be written.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    if args.time < Duration::from_secs(1) {
        say::error(err, "`--for` needs a second at least")?;
        return Ok(say::EXIT_ERROR);
    }
    let (namespace, outcome) = cluster::block_on(observed(args, err))?;
    for not in &outcome.not_observed {
        say::warning(err, text_of(not))?;
    }
    if outcome.seen.is_empty() {
        say::error(err, "no container could be observed")?;
        return Ok(say::EXIT_ERROR);
    }
    let report = Report::new(&namespace, &outcome);
    match args.output {
        Format::Table => out.write_all(table::table(&report, super::width()).as_bytes())?,
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?,
        Format::Yaml => out.write_all(serde_yaml::to_string(&report)?.as_bytes())?,
    }
    Ok(if outcome.not_observed.is_empty() { 0 } else { say::EXIT_CHANGES })
}

/// One line about a container that could not be observed.
fn text_of(not: &NotObserved) -> String {
    let NotObserved { pod, container, why } = not;
    format!("{pod}, container {container}: {}", crate::text::clean(why))
}

async fn observed(args: &Args, err: &mut dyn Write) -> anyhow::Result<(String, Outcome)> {
    let Args { what, namespace, containers, time, image, connection, .. } = args;
    let cluster = connection.connect().await?;
    let namespace = namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
    let workload = find(&cluster, &namespace, what).await?;
    let image = match image {
        Some(name) => AgentImage { name: name.clone(), pull_policy: None },
        None => installed(&cluster).await?,
    };
    let client = connection.long_lived().await?;
    let suffix = suffix();
    let mut outcome = Outcome { workload, seen: Vec::new(), not_observed: Vec::new() };
    let mut chosen: Vec<Target> = Vec::new();
    for pod in &outcome.workload.pods {
        for target in targets(pod, containers, &image, *time, &suffix) {
            match target {
                Ok(target) => chosen.push(target),
                Err(not) => outcome.not_observed.push(not),
            }
        }
    }
    if !chosen.is_empty() {
        may_attach(&client, &namespace).await?;
        let left_out = outcome.workload.left_out;
        if left_out > 0 {
            say::note(err, format!("{left_out} more pods run, and are not observed"))?;
        }
        all(&client, &namespace, chosen, *time, &mut outcome).await?;
    }
    Ok((namespace, outcome))
}

/// Observes all of them at once, until the time is over or somebody interrupts.
async fn all(
    client: &Client,
    namespace: &str,
    chosen: Vec<Target>,
    time: Duration,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let (stop, stopped) = watch::channel(false);
    let mut sessions = Box::pin(join_all(chosen.into_iter().map(|target| {
        let stopped = stopped.clone();
        async move {
            let ended = observe(client, namespace, &target, time, stopped).await;
            (target, ended)
        }
    })));
    let mut progress = Progress::new("observing, in seconds", Some(time.as_secs()));
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut interrupted = false;
    let ended = loop {
        tokio::select! {
            ended = &mut sessions => break ended,
            _ = second.tick() => progress.advance(1),
            () = signal() => {
                if std::mem::replace(&mut interrupted, true) {
                    bail!("interrupted twice; the agents end by themselves");
                }
                // Sessions that are over do not hear it.
                let _over = stop.send(true);
            }
        }
    };
    drop(progress);
    for (target, ended) in ended {
        match ended {
            Ok(seen) => outcome.seen.push((target, seen)),
            Err(why) => {
                let Target { pod, container, .. } = target;
                outcome.not_observed.push(NotObserved { pod, container, why });
            }
        }
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM.
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// The image of ironhull's own Deployment.
async fn installed(cluster: &Cluster) -> anyhow::Result<AgentImage> {
    let none = "--image names ironhull's image";
    let deployments: Vec<Deployment> = policies::ours(cluster, &policies::DEPLOYMENTS)
        .await
        .with_context(|| format!("the installed ironhull may not be looked for; {none}"))?;
    let containers = deployments.into_iter().filter_map(|it| it.spec.template.spec);
    let mut containers = containers.flat_map(|spec| spec.containers);
    let found = containers.find(|it| it.name == "ironhull");
    let Some((name, pull_policy)) = found.and_then(|it| Some((it.image?, it.image_pull_policy)))
    else {
        bail!("ironhull is not installed in this cluster; {none}");
    };
    Ok(AgentImage { name, pull_policy })
}

/// Whether the agent may be attached to. It could not be removed, if that came out later.
async fn may_attach(client: &Client, namespace: &str) -> anyhow::Result<()> {
    use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
    let api: kube::Api<SelfSubjectAccessReview> = kube::Api::all(client.clone());
    for verb in ["get", "create"] {
        let review = serde_json::from_value(serde_json::json!({"spec": {"resourceAttributes": {
            "namespace": namespace, "verb": verb, "resource": "pods", "subresource": "attach",
        }}}))?;
        // Where nobody may ask, what follows tells.
        let Ok(review) = api.create(&kube::api::PostParams::default(), &review).await else {
            continue;
        };
        if !review.status.is_some_and(|status| status.allowed) {
            bail!(
                "not allowed to {verb} pods/attach in namespace `{namespace}`: the agent's findings are read so"
            );
        }
    }
    Ok(())
}

/// Makes names unique: ephemeral containers of earlier observations are still there.
fn suffix() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    const LENGTH: u32 = 6;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut number = now.unwrap_or_default().as_millis();
    let mut text = String::new();
    for _ in 0..LENGTH {
        let digit = usize::try_from(number % 36).ok().and_then(|at| DIGITS.get(at));
        text.push(char::from(digit.copied().unwrap_or(b'0')));
        number /= 36;
    }
    text.push('-');
    text
}
