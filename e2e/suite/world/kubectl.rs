//! kubectl, as people run it.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// What kubectl says where the API server took longer to greet it than it waits: nothing was asked.
const LATE: &str = "net/http: TLS handshake timeout";
/// So often it is tried again then.
const AGAIN: usize = 3;

/// Runs kubectl with this on its standard input.
pub fn kubectl(arguments: &[&str], input: &str) -> Output {
    let mut output = once(arguments, input);
    for _ in 0..AGAIN {
        let late = String::from_utf8_lossy(&output.stderr).contains(LATE);
        if output.status.success() || !late {
            break;
        }
        output = once(arguments, input);
    }
    output
}

fn once(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl is there");
    let mut stdin = child.stdin.take().unwrap();
    // One that has nothing to read may have ended.
    let _written = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}
