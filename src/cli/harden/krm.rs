//! `ironhull krm`: `harden` as kustomize and kpt call functions.
//!
//! Source: the KRM Functions Specification, version 1 (kustomize,
//! `cmd/config/docs/api-conventions/functions-spec.md`).

use std::io::{self, Read as _, Write};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::engine::{Change, Hardened, harden_file};
use crate::cli::input::STDIN;
use crate::cli::pass::{Asked, Assignment, Pass, not_judged};
use crate::cli::policy_files;
use crate::harden::SeedImage;
use crate::manifest::{Document, Encoding, ManifestError, ManifestFile, to_yaml};
use crate::policy::PolicyFile;
use crate::terminal::{diagnostics, say};
use crate::text::{listed, nearest, printable};
use crate::workload::{Kinds, dotted};

/// Group of a ResourceList, in any of its versions.
const GROUP: &str = "config.kubernetes.io/";
/// Group of ironhull's own policies.
const OWN_GROUP: &str = "ironhull.dev/";
/// Name of the function's configuration in messages.
const CONFIG: &str = "functionConfig";
/// Keys of a ConfigMap that configures the function.
const KEYS: [&str; 6] = ["check", "facts", "namespace", "policy", "policyName", "seedImage"];
/// Annotations that say which file an object is of; the second is what old orchestrators write.
const PATHS: [&str; 2] = ["internal.config.kubernetes.io/path", "config.kubernetes.io/path"];
/// The same for its index in that file.
const INDICES: [&str; 2] = ["internal.config.kubernetes.io/index", "config.kubernetes.io/index"];
/// Maximum length of a word of the configuration in a message.
const MAX_WORD: usize = 60;

/// Harden a ResourceList, as a KRM function of kustomize or kpt
///
/// Reads standard input and writes standard output. `functionConfig` is a HardeningPolicy, which
/// is then every namespace's, or a ConfigMap with any of these keys: `policy` and `facts` (texts),
/// `policyName`, `namespace`, `seedImage` (as the options of `harden`), and `check: "true"`, which
/// changes nothing and fails where something would change. Without it: the built-in `restricted`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Judge exemptions as of this date (default: today)
    #[arg(long, value_parser = crate::date::parse, value_name = "YYYY-MM-DD", value_hint = clap::ValueHint::Other)]
    date: Option<Date>,
}

/// Runs the function. Its answer goes to `out`, errors go to `err`. Returns the exit code.
///
/// # Errors
/// When the input is no ResourceList, or its configuration is wrong.
pub fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    let source = match read(&bytes, &Kinds::default()) {
        Ok(source) => source,
        Err(errors) => return Ok(diagnostics::errors(err, &errors)?),
    };
    let config = config(resource_list(&source)?)?;
    let date = args.date.unwrap_or_else(crate::date::today);
    let Some(set) = policy_files::load(&config.files, date, err)? else {
        return Ok(say::EXIT_ERROR);
    };
    let asked = Asked {
        policy: config.has_policies.then_some(Path::new(CONFIG)),
        policy_name: config.policy_name.as_deref(),
        namespace: config.namespace.as_deref().unwrap_or("default"),
    };
    let source = match *set.kinds() == Kinds::default() {
        true => Ok(source),
        // The policies know more kinds than are built in.
        false => read(&bytes, set.kinds()),
    };
    let sources = match source {
        Ok(source) => [source],
        Err(errors) => return Ok(diagnostics::errors(err, &errors)?),
    };
    let policies = Assignment::chosen(asked, &set, &sources, err)?;
    let pass = Pass {
        policies: &policies,
        namespace: asked.namespace,
        date,
        seed_image: config.seed_image.as_deref().map(|name| SeedImage { name, pull_policy: "" }),
    };
    let [source] = sources;
    let hardened = match harden_file(&pass, source, err)? {
        Ok(hardened) => hardened,
        Err(errors) => return Ok(diagnostics::errors(err, &errors)?),
    };
    let changes = !hardened.changes.is_empty();
    out.write_all(answer(hardened, config.check)?.as_bytes())?;
    out.flush()?;
    Ok(if config.check && changes { say::EXIT_CHANGES } else { 0 })
}

fn read(bytes: &[u8], kinds: &Kinds) -> Result<ManifestFile, Vec<ManifestError>> {
    let (text, _) =
        Encoding::decode(bytes).map_err(|message| vec![ManifestError::about(STDIN, message)])?;
    ManifestFile::read_knowing(kinds, STDIN, text)
}

/// The one document that the input has to be.
fn resource_list(source: &ManifestFile) -> anyhow::Result<&Document> {
    let written = || source.documents.iter().filter(|document| document.number.is_some());
    let is_list = |document: &&Document| {
        let text = |key| document.value.get(key).and_then(Value::as_str).unwrap_or_default();
        text("kind") == "ResourceList" && text("apiVersion").starts_with(GROUP)
    };
    match (written().find(is_list), written().count()) {
        (Some(list), 1) => Ok(list),
        _ => bail!(
            "standard input is not a ResourceList of {GROUP}v1, which kustomize and kpt give to a function; for manifests, use `ironhull harden`"
        ),
    }
}

/// What the function is told.
#[derive(Default)]
struct Config {
    files: Vec<PolicyFile>,
    /// Whether there are policies among them.
    has_policies: bool,
    policy_name: Option<String>,
    namespace: Option<String>,
    seed_image: Option<String>,
    check: bool,
}

fn config(list: &Document) -> anyhow::Result<Config> {
    let config = match list.value.get(CONFIG) {
        None | Some(Value::Null) => return Ok(Config::default()),
        Some(Value::Object(config)) if config.is_empty() => return Ok(Config::default()),
        Some(config) => config,
    };
    let text = |key| config.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        (version, "HardeningPolicy") if version.starts_with(OWN_GROUP) => Ok(of_policy(config)),
        ("v1", "ConfigMap") => of_config_map(config.get("data")),
        (version, kind) => bail!(
            "{CONFIG} is {} of {}; it has to be a HardeningPolicy of {OWN_GROUP}v1alpha1 or a ConfigMap of v1",
            printable(kind, MAX_WORD),
            printable(version, MAX_WORD)
        ),
    }
}

/// One policy for every namespace. What the orchestrator wrote into its metadata is not a policy's.
fn of_policy(policy: &Value) -> Config {
    let name = policy.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let mut policy = policy.clone();
    if let (Some(name), Some(policy)) = (&name, policy.as_object_mut()) {
        policy.insert("metadata".to_owned(), json!({"name": name}));
    }
    // It is used, though no namespace chooses it.
    let spec = policy.get_mut("spec").and_then(Value::as_object_mut);
    if let Some(spec) = spec.filter(|spec| !spec.contains_key("namespaces")) {
        spec.entry("byLabel").or_insert(Value::Bool(true));
    }
    let files = vec![PolicyFile { name: CONFIG.to_owned(), text: to_yaml(&policy) }];
    Config { files, has_policies: true, policy_name: name, ..Config::default() }
}

fn of_config_map(data: Option<&Value>) -> anyhow::Result<Config> {
    let mut config = Config::default();
    for (key, value) in data.and_then(Value::as_object).into_iter().flatten() {
        let value = value.as_str().ok_or_else(|| {
            anyhow!("{CONFIG}, data.{}: has to be a string: quote it", printable(key, MAX_WORD))
        })?;
        let file = || PolicyFile { name: format!("{CONFIG}, data.{key}"), text: value.to_owned() };
        match key.as_str() {
            "policy" => {
                config.has_policies = true;
                config.files.push(file());
            }
            "facts" => config.files.push(file()),
            "policyName" => config.policy_name = Some(value.to_owned()),
            "namespace" => config.namespace = Some(value.to_owned()),
            "seedImage" => {
                let image = crate::cli::serve::image_name(value);
                config.seed_image =
                    Some(image.map_err(|why| anyhow!("{CONFIG}, data.seedImage: {why}"))?);
            }
            "check" => {
                config.check = value.parse().map_err(|_| {
                    anyhow!("{CONFIG}, data.check: has to be \"true\" or \"false\"")
                })?;
            }
            other => {
                let hint = match nearest(other, &KEYS) {
                    Some(key) => format!("did you mean `{key}`?"),
                    None => format!("known are {}", listed(KEYS)),
                };
                bail!(
                    "{CONFIG}, data: the key `{}` is not known; {hint}",
                    printable(other, MAX_WORD)
                );
            }
        }
    }
    Ok(config)
}

/// The ResourceList with what changes in it, unless it is only checked, and with a result for each
/// field that changes or would.
fn answer(hardened: Hardened, check: bool) -> anyhow::Result<String> {
    let Hardened { source, changes, .. } = hardened;
    let list = resource_list(&source)?;
    let mut patch = Vec::new();
    let mut results = Vec::new();
    for Change { patch: of_change, found, .. } in &changes {
        if !check {
            patch.extend(of_change.iter().cloned());
        }
        let severity = if check { "error" } else { "info" };
        results.extend(found.iter().map(|it| result(list, severity, &it.message, &it.pointer)));
    }
    let pods = not_judged(&list.contents);
    results.extend(pods.iter().map(|(pointer, why)| result(list, "warning", why, pointer)));
    match list.value.get("results") {
        _ if results.is_empty() => {}
        Some(Value::Array(_)) => {
            let each = |value| json!({"op": "add", "path": "/results/-", "value": value});
            patch.extend(results.into_iter().map(each));
        }
        _ => patch.push(json!({"op": "add", "path": "/results", "value": results})),
    }
    if patch.is_empty() {
        return Ok(source.text);
    }
    let edited = source.apply(list, &patch).map_err(|why| anyhow!("{STDIN}: {why}"))?;
    // Whatever stands around the document, comments say.
    let whole = source.documents.iter().map(|document| match document.number {
        Some(_) => edited.text.as_str(),
        None => source.text_of(document),
    });
    Ok(whole.collect())
}

/// One result. `pointer` leads to the field, from the list on.
fn result(list: &Document, severity: &str, message: &str, pointer: &str) -> Value {
    let mut result = Map::new();
    result.insert("message".to_owned(), message.into());
    result.insert("severity".to_owned(), severity.into());
    let index = pointer.strip_prefix("/items/").and_then(|rest| rest.split('/').next());
    let at = format!("/items/{}", index.unwrap_or_default());
    let (Some(item), Some(field)) = (list.value.pointer(&at), pointer.strip_prefix(&at)) else {
        return result.into();
    };
    let mut reference = Map::new();
    for (key, pointer) in [
        ("apiVersion", "/apiVersion"),
        ("kind", "/kind"),
        ("name", "/metadata/name"),
        ("namespace", "/metadata/namespace"),
    ] {
        if let Some(Value::String(value)) = item.pointer(pointer) {
            reference.insert(key.to_owned(), value.as_str().into());
        }
    }
    result.insert("resourceRef".to_owned(), reference.into());
    result.insert("field".to_owned(), json!({"path": dotted(field)}));
    let annotation = |keys: &[&str]| {
        let annotations = item.pointer("/metadata/annotations")?;
        keys.iter().find_map(|key| annotations.get(key)?.as_str())
    };
    if let Some(path) = annotation(&PATHS) {
        let index = annotation(&INDICES).and_then(|index| index.parse::<u64>().ok());
        let file =
            index.map_or(json!({"path": path}), |index| json!({"path": path, "index": index}));
        result.insert("file".to_owned(), file);
    }
    result.into()
}
