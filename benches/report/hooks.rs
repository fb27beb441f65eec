//! ironhull, and the two hooks that it is held against, which are told what to answer.
//!
//! | hook | what it does with a review |
//! |---|---|
//! | `ironhull` | reviews it |
//! | `constant` | reads `request.uid`, and answers the very patch that ironhull answers |
//! | `naive` | the same with a patch of one operation for each field, whose result is the same |
//!
//! Listener, limits, TLS, metrics and log of the two are ironhull's own, out of its library as
//! this program has it, which is built like the release.

use std::borrow::Cow;
use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ironhull::admission::{self, Answer, Endpoint, Environment, Facts, NotAReview};
use ironhull::policy::PolicySet;
use ironhull::serve::certs::PemPair;
use ironhull::serve::telemetry::{self, LogFormat};
use ironhull::serve::{self, Certificate, Config, tls};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

use crate::engine::{ENFORCE, patched};
use crate::support::reviews::ENVIRONMENT;
use crate::support::server::{self, Server};

/// The three, all running.
pub struct Hooks {
    /// In the order of [`Hooks::NAMES`].
    pub servers: [Server; 3],
    pub answer_bytes: usize,
    pub operations: usize,
    pub naive_operations: usize,
}

impl Hooks {
    pub const NAMES: [&'static str; 3] = ["ironhull", "constant", "naive"];

    /// Starts them for one review, and sees to it that their answers are what they should be.
    pub fn start(binary: &std::path::Path, review: &[u8]) -> anyhow::Result<Self> {
        let files = tempfile::tempdir()?;
        let told = |name: &str, operations: &[Value]| {
            let (asked, patch) = (files.path().join("review"), files.path().join(name));
            fs::write(&asked, review)?;
            fs::write(&patch, serde_json::to_vec(operations)?)?;
            let mut command = Command::new(env::current_exe()?);
            command.arg(TOLD).args([asked, patch]).stdout(Stdio::null());
            Server::start(command)
        };
        let ironhull = Server::start(server::serve(binary, &[]))?;
        let answer = ask(&ironhull, review)?;
        let operations = patch_of(&answer)?;
        let reviewed: Value = serde_json::from_slice(review)?;
        let pod = &reviewed["request"]["object"];
        let small = naive_patch(pod, &operations);
        let result = patched(pod, json!(operations))?;
        ensure!(patched(pod, json!(small))? == result, "the naive patch does not do the same");
        let (constant, naive) = (told("constant", &operations)?, told("naive", &small)?);
        ensure!(ask(&constant, review)? == answer, "the constant answer is not ironhull's");
        ensure!(patch_of(&ask(&naive, review)?)? == small, "the naive answer is not as told");
        // Nothing but a uid: ironhull would call it no review.
        let other: Value = serde_json::from_slice(&ask(&naive, br#"{"request":{"uid":"x"}}"#)?)?;
        ensure!(other["response"]["uid"] == "x", "the uid is not the request's");
        Ok(Self {
            servers: [ironhull, constant, naive],
            answer_bytes: answer.len(),
            operations: operations.len(),
            naive_operations: small.len(),
        })
    }
}

fn ask(server: &Server, review: &[u8]) -> anyhow::Result<Vec<u8>> {
    let answer = server.trust.connect(server.webhook)?.post("/enforce", review)?;
    ensure!(answer.status == 200, "a hook answers {}", answer.status);
    Ok(answer.body)
}

/// The operations of an answer's patch.
fn patch_of(answer: &[u8]) -> anyhow::Result<Vec<Value>> {
    let answer: Value = serde_json::from_slice(answer)?;
    let patch = answer["response"]["patch"].as_str().context("there is no patch")?;
    Ok(serde_json::from_slice(&STANDARD.decode(patch)?)?)
}

/// The same as `operations`, with an operation for each field of a security context and for
/// each entry of annotations and lists. `capabilities` and `seccompProfile` are one field each.
fn naive_patch(pod: &Value, operations: &[Value]) -> Vec<Value> {
    let mut small = Vec::new();
    for operation in operations {
        let path = operation["path"].as_str().unwrap_or_default();
        let (empty, entries): (Value, Vec<(String, &Value)>) = match &operation["value"] {
            Value::Object(fields)
                if path.ends_with("/securityContext") || path.ends_with("/annotations") =>
            {
                let escaped = |key: &String| key.replace('~', "~0").replace('/', "~1");
                (json!({}), fields.iter().map(|(key, value)| (escaped(key), value)).collect())
            }
            Value::Array(entries)
                if path.ends_with("/volumes") || path.ends_with("/volumeMounts") =>
            {
                (json!([]), entries.iter().map(|entry| ("-".to_owned(), entry)).collect())
            }
            _ => {
                small.push(operation.clone());
                continue;
            }
        };
        if pod.pointer(path).is_none_or(Value::is_null) {
            small.push(json!({"op": "add", "path": path, "value": empty}));
        }
        small.extend(entries.into_iter().map(
            |(key, value)| json!({"op": "add", "path": format!("{path}/{key}"), "value": value}),
        ));
    }
    small
}

/// The argument by which this program is a hook.
pub const TOLD: &str = "--told";

static ANSWER: OnceLock<Told> = OnceLock::new();

/// What is answered, around the request's uid.
#[derive(Debug)]
struct Told {
    before_uid: Vec<u8>,
    after_uid: Vec<u8>,
    facts: Facts,
}

/// Serves, and answers every review like the one in the first file, with the patch in the
/// second.
pub fn answer_as_told(review: &str, patch: &str) -> anyhow::Result<()> {
    let policies = PolicySet::new(Vec::new()).map_err(|_| anyhow!("no policies"))?;
    let Answer { body, facts } =
        admission::review(&fs::read(review)?, ENFORCE, &policies, ENVIRONMENT)?;
    let mut body: Value = serde_json::from_slice(&body)?;
    body["response"]["patch"] = STANDARD.encode(fs::read(patch)?).into();
    let text = body.to_string();
    let (before, after) = text.split_once(&facts.uid).context("the answer has no uid")?;
    let told = Told { before_uid: before.into(), after_uid: after.into(), facts };
    ANSWER.set(told).map_err(|_| anyhow!("a server is told once what to answer"))?;

    tls::install_provider();
    let _flush = telemetry::init(LogFormat::Json, LevelFilter::INFO);
    let of = |name: &str| env::var(format!("IRONHULL_{name}"));
    let pair = PemPair { certificate: fs::read(of("TLS_CERT")?)?, key: fs::read(of("TLS_KEY")?)? };
    serve::start(Config {
        listen: of("LISTEN")?.parse()?,
        ops_listen: of("OPS_LISTEN")?.parse()?,
        review: answer,
        ..Config::on_loopback(Certificate::Given(pair))
    })?
    .wait()
}

/// What is read of a request.
#[derive(Deserialize)]
pub struct Review<'r> {
    #[serde(borrow)]
    pub request: Request<'r>,
}

#[derive(Deserialize)]
pub struct Request<'r> {
    #[serde(borrow)]
    pub uid: Cow<'r, str>,
}

fn answer(
    body: &[u8],
    _: Endpoint<'_>,
    _: &PolicySet,
    _: Environment,
) -> Result<Answer, NotAReview> {
    let told = ANSWER.get().ok_or_else(|| NotAReview("nothing to answer".to_owned()))?;
    let Review { request: Request { uid } } =
        serde_json::from_slice(body).map_err(|error| NotAReview(error.to_string()))?;
    let body = [&told.before_uid, uid.as_bytes(), &told.after_uid].concat();
    Ok(Answer { body, facts: Facts { uid: uid.into_owned(), ..told.facts.clone() } })
}
