//! A command with a cluster: a folder of tests/live.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ironhull::policy::{Policy, PolicyFile, PolicySet};
use serde_json::Value;
use tempfile::TempDir;

use super::api_server::{ApiServer, Settings};

/// A case.
pub struct Case {
    /// Its folder.
    pub directory: PathBuf,
    /// The arguments.
    pub arguments: Vec<String>,
    /// The exit status that is expected.
    pub exit: i32,
    /// The server is not there.
    unreachable: bool,
    /// The kubeconfig is not there.
    homeless: bool,
    /// Holds the kubeconfig.
    home: TempDir,
    /// What is replaced in the cluster's objects, and put back in what is printed.
    words: Vec<(String, String)>,
}

/// Every case, by name.
pub fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live");
    let entries = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

impl Case {
    /// Reads a folder.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(directory: &Path) -> Result<Self, String> {
        let cmd = fs::read_to_string(directory.join("cmd")).map_err(|error| error.to_string())?;
        let mut lines = cmd.lines();
        let arguments = lines.next().unwrap_or_default().split_whitespace();
        let mut case = Self {
            directory: directory.to_owned(),
            arguments: arguments.map(str::to_owned).collect(),
            exit: 0,
            unreachable: false,
            homeless: false,
            home: tempfile::tempdir().unwrap(),
            words: vec![(
                "restricted@REVISION".to_owned(),
                format!("restricted@{}", Policy::restricted().revision),
            )],
        };
        for line in lines {
            match line.split_once(' ').unwrap_or((line, "")) {
                ("exit", code) => case.exit = code.parse().map_err(|_| "exit")?,
                ("no-server", "") => case.unreachable = true,
                ("no-kubeconfig", "") => case.homeless = true,
                _ => return Err(format!("cmd: what is `{line}`?")),
            }
        }
        if let Ok(text) = fs::read_to_string(directory.join("policy.yaml")) {
            let file = PolicyFile { name: "policy.yaml".to_owned(), text };
            let set = PolicySet::load(&[file], None).map(|(set, _)| set);
            for policy in set.iter().flat_map(PolicySet::policies) {
                let real = format!("{}@{}", policy.name, policy.revision);
                case.words.push((format!("{}@REVISION", policy.name), real));
            }
        }
        Ok(case)
    }

    /// Runs it, with more arguments.
    pub fn run(&self, more: &[&str]) -> Output {
        let address = if self.unreachable {
            // A port that nobody listens on any more.
            std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
        } else {
            ApiServer::start(self.objects(), self.settings()).address
        };
        let kubeconfig = self.home.path().join("kubeconfig");
        if !self.homeless {
            fs::write(&kubeconfig, config(&address.to_string())).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_ironhull"));
        command.args(&self.arguments).args(more).current_dir(&self.directory);
        command.env_clear().env("NO_COLOR", "1").env("HOME", self.home.path());
        if !self.homeless {
            command.env("KUBECONFIG", kubeconfig);
        }
        let mut output = command.stdin(Stdio::null()).output().unwrap();
        output.stdout = self.said(&output.stdout, &address.to_string());
        output.stderr = self.said(&output.stderr, &address.to_string());
        output
    }

    /// What is printed, without what differs from run to run.
    fn said(&self, printed: &[u8], address: &str) -> Vec<u8> {
        let home = self.home.path().to_str().unwrap();
        let text = String::from_utf8(printed.to_vec()).unwrap();
        let text = now(&text.replace(address, "SERVER").replace(home, "HOME"));
        let words = self.words.iter();
        words.fold(text, |text, (word, real)| text.replace(real, word)).into_bytes()
    }

    fn objects(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.directory.join("cluster.yaml")).unwrap_or_default();
        let words = self.words.iter();
        let text = words.fold(text, |text, (word, real)| text.replace(word, real));
        let documents = serde_saphyr::from_multiple::<Value>(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", self.directory.display()));
        documents.into_iter().filter(|document| !document.is_null()).collect()
    }

    fn settings(&self) -> Settings {
        match fs::read_to_string(self.directory.join("server.yaml")) {
            Ok(text) => serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", self.directory.display())),
            Err(_) => Settings::default(),
        }
    }
}

/// The text with `NOW` for each time of today, in whole seconds. A date by itself is another matter.
fn now(text: &str) -> String {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%dT").to_string();
    let mut parts = text.split(&today);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("NOW");
        out.push_str(&part["12:00:00Z".len()..]);
    }
    out
}

/// A kubeconfig with two contexts.
fn config(address: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: c, cluster: {{server: \"http://{address}\"}}}}]\n\
         users: [{{name: u, user: {{token: t}}}}]\n\
         contexts:\n\
         - {{name: test, context: {{cluster: c, user: u, namespace: shop}}}}\n\
         - {{name: production, context: {{cluster: c, user: u}}}}\n"
    )
}
