//! Credentials as docker and podman keep them: in their configuration, or with a helper
//! (docker/cli, `cli/config/configfile`; containers/image, `containers-auth.json(5)`).

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::auth::Credential;
use crate::images::error::{ErrorKind, ImageError};

/// Maximum size of a configuration and of a helper's answer, in bytes.
const LARGEST: u64 = 4 << 20;
/// Time for a helper. It may ask a keychain over the network.
const HELPER: Duration = Duration::from_secs(20);
/// What Docker Hub is called in docker's configuration.
const DOCKER_HUB: &str = "index.docker.io";

/// What is known of credentials. Files are read once, helpers asked once a registry.
#[derive(Default)]
pub(super) struct Credentials {
    configurations: Vec<Configuration>,
    found: Mutex<HashMap<String, Option<Credential>>>,
}

/// `config.json` or `auth.json`.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Configuration {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: String,
}

/// One registry's entry.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// A helper's answer.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Credentials of a Secret that pods name in `imagePullSecrets`. It names no helpers: those would
/// be programs of ours that a stranger starts.
#[derive(Clone)]
pub struct PullSecret(Configuration);

impl std::fmt::Debug for PullSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a pull secret")
    }
}

impl PullSecret {
    /// Reads a Secret's content: `kubernetes.io/dockerconfigjson` or the older
    /// `kubernetes.io/dockercfg`. `None` if it is neither.
    pub fn of<'s>(data: impl Fn(&str) -> Option<&'s [u8]>) -> Option<Self> {
        let auths = match (data(".dockerconfigjson"), data(".dockercfg")) {
            (Some(bytes), _) => serde_json::from_slice::<Configuration>(bytes).ok()?.auths,
            (None, Some(bytes)) => serde_json::from_slice(bytes).ok()?,
            (None, None) => return None,
        };
        Some(Self(Configuration { auths, ..Configuration::default() }))
    }

    /// Whether it has credentials for a repository of a registry.
    pub fn knows(&self, registry: &str, repository: &str) -> bool {
        self.0.find(registry, repository).is_ok_and(|found| found.is_some())
    }
}

impl Credentials {
    /// Those of a pull secret.
    pub(super) fn of(PullSecret(configuration): PullSecret) -> Self {
        Self { configurations: vec![configuration], found: Mutex::default() }
    }

    /// Those of whoever runs the program.
    pub(super) fn of_user() -> Self {
        let directory = |name| env::var_os(name).map(PathBuf::from).filter(|it| it.is_absolute());
        let home = directory("HOME");
        let docker = env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let docker = docker.or_else(|| Some(home.as_ref()?.join(".docker")));
        let runtime = directory("XDG_RUNTIME_DIR").map(|it| it.join("containers"));
        let own = home.map(|home| home.join(".config/containers"));
        let files = [
            env::var_os("REGISTRY_AUTH_FILE").map(PathBuf::from),
            docker.map(|it| it.join("config.json")),
            runtime.map(|it| it.join("auth.json")),
            own.map(|it| it.join("auth.json")),
        ];
        let configurations =
            files.into_iter().flatten().filter_map(|file| Configuration::read(&file));
        Self { configurations: configurations.collect(), found: Mutex::default() }
    }

    /// The credential for a repository of a registry, if there is one.
    ///
    /// # Errors
    /// When a helper that should know it fails.
    pub(super) fn find(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credential>, ImageError> {
        let key = format!("{registry}/{repository}");
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut found = None;
        for configuration in &self.configurations {
            found = configuration.find(registry, repository)?;
            if found.is_some() {
                break;
            }
        }
        self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(key, found.clone());
        Ok(found)
    }
}

impl Configuration {
    /// A file that is not there, or is none of these, knows nothing.
    fn read(path: &Path) -> Option<Self> {
        let mut bytes = Vec::new();
        fs::File::open(path).ok()?.take(LARGEST).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>, ImageError> {
        let host = if registry == "docker.io" { DOCKER_HUB } else { registry };
        let server = match host {
            DOCKER_HUB => "https://index.docker.io/v1/",
            host => host,
        };
        let helper = [registry, host, server].iter().find_map(|key| self.cred_helpers.get(*key));
        if let Some(helper) = helper {
            return ask(helper, server);
        }
        if let Some(credential) = self.stated(registry, host, repository) {
            return Ok(Some(credential));
        }
        match self.creds_store.as_str() {
            "" => Ok(None),
            helper => ask(helper, server),
        }
    }

    /// The entry that says most: of the repository, of what is above it, of the registry.
    fn stated(&self, registry: &str, host: &str, repository: &str) -> Option<Credential> {
        let of_key = |wanted: &str| {
            let entry = self.auths.iter().find(|(key, _)| bare(key) == wanted);
            entry.and_then(|(_, entry)| entry.credential())
        };
        let mut path = format!("{registry}/{repository}");
        loop {
            if let Some(credential) = of_key(&path) {
                return Some(credential);
            }
            match path.rfind('/') {
                Some(slash) => path.truncate(slash),
                None => return of_key(host).or_else(|| self.by_glob(registry, repository)),
            }
        }
    }

    /// The entry with `*` in its host that says most, as the kubelet reads pull secrets
    /// (`URLsMatch` in `pkg/credentialprovider/keyring.go`): `*` stands for a part of one label.
    fn by_glob(&self, registry: &str, repository: &str) -> Option<Credential> {
        let fits = |key: &str| {
            let (host, path) = key.split_once('/').unwrap_or((key, ""));
            let (labels, wanted) = (host.split('.'), registry.split('.'));
            let below = repository.strip_prefix(path);
            host.contains('*')
                && labels.clone().count() == wanted.clone().count()
                && labels.zip(wanted).all(|(pattern, label)| is_like(pattern, label))
                && below
                    .is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        let mut entries: Vec<_> =
            self.auths.iter().map(|(key, entry)| (bare(key), entry)).collect();
        entries.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        let mut entries = entries.into_iter().filter(|(key, _)| fits(key));
        entries.find_map(|(_, entry)| entry.credential())
    }
}

/// Whether a label is of this pattern, in which `*` stands for any characters.
fn is_like(pattern: &str, label: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| label.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// A key without the scheme and the version that docker wrote around some.
fn bare(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key)
}

impl Entry {
    fn credential(&self) -> Option<Credential> {
        let Self { auth, username, password, identitytoken } = self;
        if !identitytoken.is_empty() {
            return Some(Credential::Identity(identitytoken.clone()));
        }
        if !username.is_empty() {
            let (user, password) = (username.clone(), password.clone());
            return Some(Credential::Password { user, password });
        }
        let decoded = String::from_utf8(STANDARD.decode(auth).ok()?).ok()?;
        let (user, password) = decoded.split_once(':')?;
        let password = password.trim_end_matches('\0');
        Some(Credential::Password { user: user.to_owned(), password: password.to_owned() })
    }
}

/// Asks `docker-credential-HELPER` for the credential of a server.
fn ask(helper: &str, server: &str) -> Result<Option<Credential>, ImageError> {
    let failed = |why: String| {
        let message = format!("docker-credential-{helper}: {why}");
        Err(ImageError::new(ErrorKind::Unauthorized, message))
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !helper.chars().all(is_name) {
        return failed("not the name of a helper".to_owned());
    }
    let child = Command::new(format!("docker-credential-{helper}"))
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return failed(error.to_string()),
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not want to know answers all the same.
        let _ = stdin.write_all(server.as_bytes());
    }
    let deadline = Instant::now() + HELPER;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                let _ = child.kill();
                return failed(format!("no answer within {} s", HELPER.as_secs()));
            }
            Err(error) => return failed(error.to_string()),
        }
    };
    let mut answer = Vec::new();
    if let Some(stdout) = child.stdout.take()
        && let Err(error) = stdout.take(LARGEST).read_to_end(&mut answer)
    {
        return failed(error.to_string());
    }
    if !status.success() {
        // What it says may hold what nobody should see, but for this.
        let said = String::from_utf8_lossy(&answer);
        return match said.contains("credentials not found") {
            true => Ok(None),
            false => failed("it failed".to_owned()),
        };
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer { username, secret }) if username == "<token>" => {
            Ok(Some(Credential::Identity(secret)))
        }
        Ok(Answer { username, secret }) => {
            Ok(Some(Credential::Password { user: username, password: secret }))
        }
        Err(_) => failed("its answer is not what docker would understand".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use serde_json::json;

    use super::*;

    fn user(configuration: &Configuration, registry: &str, repository: &str) -> Option<String> {
        match configuration.find(registry, repository).unwrap()? {
            Credential::Password { user, .. } => Some(user),
            Credential::Identity(token) => Some(format!("token {token}")),
        }
    }

    #[test]
    fn entries() {
        let auth = |user: &str| STANDARD.encode(format!("{user}:p:w"));
        let configuration: Configuration = serde_json::from_value(json!({ "auths": {
            "https://index.docker.io/v1/": { "auth": auth("hub") },
            "ghcr.io": { "auth": auth("gh") },
            "ghcr.io/team": { "auth": auth("team") },
            "https://old.example/v2/": { "username": "old", "password": "x" },
            "empty.example": {},
            "token.example": { "auth": auth("x"), "identitytoken": "t" },
            "bad.example": { "auth": "%" },
            "*.glob.example": { "auth": auth("glob") },
            "https://*.glob.example/team": { "auth": auth("glob team") },
        } }))
        .unwrap();
        for (registry, repository, expected) in [
            ("docker.io", "library/nginx", Some("hub")),
            ("ghcr.io", "team/web", Some("team")),
            ("ghcr.io", "other/web", Some("gh")),
            ("ghcr.io", "teams/web", Some("gh")),
            ("old.example", "a", Some("old")),
            ("token.example", "a", Some("token t")),
            ("empty.example", "a", None),
            ("bad.example", "a", None),
            ("other.example", "a", None),
            ("a.glob.example", "a", Some("glob")),
            ("a.glob.example", "team/web", Some("glob team")),
            ("a.glob.example", "teams/web", Some("glob")),
            ("glob.example", "a", None),
            ("a.b.glob.example", "a", None),
            ("a.glob.example:5000", "a", None),
            // A registry is not another one with more before its name.
            ("evil-ghcr.io", "team/web", None),
            ("ghcr.io:5000", "team/web", None),
        ] {
            let found = user(&configuration, registry, repository);
            assert_eq!(found.as_deref(), expected, "{registry}/{repository}");
        }
        let Some(Credential::Password { password, .. }) =
            configuration.find("ghcr.io", "a").unwrap()
        else {
            panic!("there is a password");
        };
        assert_eq!(password, "p:w");
    }

    #[test]
    fn helpers_that_are_none() {
        for helper in ["../../bin/sh", "no-such-helper-here"] {
            let configuration: Configuration =
                serde_json::from_value(json!({ "credHelpers": { "ghcr.io": helper } })).unwrap();
            let error = configuration.find("ghcr.io", "a").unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unauthorized);
            assert_eq!(user(&configuration, "docker.io", "a"), None);
        }
    }
}
