//! The judge, asked one pod at a time.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::program::{self, Judgement};

/// The judge, or that there is none.
pub struct Judge(Option<Mutex<Running>>);

struct Running {
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// Starts the judge, where it is built.
    #[expect(clippy::zombie_processes, reason = "it ends with the test, as its input does")]
    pub fn find() -> Self {
        let Some(binary) = program::binary() else { return Self(None) };
        let mut child = Command::new(&binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        let questions = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self(Some(Mutex::new(Running { questions, answers })))
    }

    /// What it says of a pod; nothing when there is no judge.
    pub fn ask(&self, pod: &Value) -> Option<Judgement> {
        let mut running = self.0.as_ref()?.lock().unwrap();
        let question = json!({"id": "case", "pod": pod});
        writeln!(running.questions, "{question}").unwrap();
        let mut answer = String::new();
        running.answers.read_line(&mut answer).unwrap();
        Some(serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }
}
