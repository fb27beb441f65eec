//! Kubernetes' own reader of manifests, as a process: `judge docs`, a line in and a line out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// The reader; it ends with this.
pub struct Kubernetes {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Kubernetes {
    /// Starts it; `judge` is the judge's binary.
    pub fn start(judge: &Path) -> Self {
        let mut child = Command::new(judge)
            .arg("docs")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the judge starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it has a standard output"));
        Self { child, stdin, stdout }
    }

    /// What it makes of a document: the JSON, or the error.
    pub fn reads(&mut self, text: &str) -> Result<Value, String> {
        // kubectl ends every line of what it hands to the reader.
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let line = json!({"id": "x", "yaml": format!("{text}{end}")});
        let stdin = self.stdin.as_mut().expect("it has a standard input");
        writeln!(stdin, "{line}").expect("the judge reads");
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).expect("the judge answers");
        // It may be nested as deeply as a manifest, which is more than serde_json takes unasked.
        let mut answer = serde_json::Deserializer::from_str(&answer);
        answer.disable_recursion_limit();
        let mut answer: Value = answer.into_iter().next().expect("a line").expect("an answer");
        // Of a kind that it does not know it says so, and reads it all the same.
        match answer.get_mut("json") {
            Some(json) => Ok(json.take()),
            None => Err(answer["error"].to_string()),
        }
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let ended = self.child.wait().expect("the judge ends");
        assert!(ended.success() || std::thread::panicking(), "the judge: {ended}");
    }
}
