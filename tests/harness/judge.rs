//! Kubernetes' own verdict on a pod, from the program in `e2e/judge`.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde::Deserialize;
use serde_json::{Value, json};

/// The judge, or that there is none.
pub struct Judge(Option<Mutex<Running>>);

struct Running {
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What it says.
#[derive(Deserialize)]
pub struct Verdicts {
    /// The Pod Security Standard *baseline*.
    pub baseline: Option<Verdict>,
    /// The Pod Security Standard *restricted*.
    pub restricted: Option<Verdict>,
    /// What a strict decoder objects to.
    pub strict: Option<String>,
    /// Why it is no pod at all.
    pub error: Option<String>,
}

/// What one standard says.
#[derive(Deserialize)]
pub struct Verdict {
    /// Why the pod is refused; empty when it is not.
    pub reasons: Vec<String>,
}

impl Judge {
    /// The program that `IRONHULL_JUDGE` names, else `target/judge`.
    pub fn find() -> Self {
        let named = std::env::var_os("IRONHULL_JUDGE").map(PathBuf::from);
        let built = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/judge");
        let Some(program) = named.or_else(|| built.exists().then_some(built)) else {
            eprintln!(
                "\n!!! No judge: the Pod Security verdicts are NOT checked. Build it with\n\
                 !!!   cd e2e/judge && go build -trimpath -o ../../target/judge .\n\
                 !!! or name it in IRONHULL_JUDGE.\n"
            );
            return Self(None);
        };
        let mut child = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self(Some(Mutex::new(Running { questions, answers })))
    }

    /// Whether there is a judge, which on a CI system there has to be.
    ///
    /// # Errors
    /// When there is none and `CI` is `true`.
    pub fn is_there(&self) -> Result<(), String> {
        let required = std::env::var("CI").is_ok_and(|value| value == "true");
        match &self.0 {
            None if required => Err("CI=true, and no judge: build e2e/judge".to_owned()),
            _ => Ok(()),
        }
    }

    /// What it says of a pod; nothing when there is no judge.
    pub fn ask(&self, pod: &Value) -> Option<Verdicts> {
        let mut running = self.0.as_ref()?.lock().unwrap();
        let question = json!({"id": "case", "pod": pod});
        writeln!(running.questions, "{question}").unwrap();
        let mut answer = String::new();
        running.answers.read_line(&mut answer).unwrap();
        Some(serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }
}
