//! The words of an Event. Everybody who may read Events reads them, so what programs wrote is let
//! through only as a path, a port or a user's name of ordinary form.

use crate::foresight::advice::{Advice, Fix, User};
use crate::text::printable;

/// Maximum length of an Event's note. The API server takes 1,024 bytes.
const MAX_NOTE: usize = 1000;
/// Maximum length of a path.
const MAX_PATH: usize = 100;
/// Maximum length of one part of a path, or of a user's name.
const MAX_PART: usize = 40;
/// A part of a path that is longer, and has both letters and digits, may be a token.
const LONGEST_MIXED: usize = 15;

/// Cause and remedy in one sentence.
pub(super) fn text(container: &str, advice: &Advice) -> String {
    let why = advice.symptom.why;
    let fix = advice.fixes.iter().find(|fix| may_be_told(fix));
    let remedy = fix.map(|fix| format!("; {}", fix.words(Some(container)))).unwrap_or_default();
    let section = advice.symptom.section;
    let text = format!(
        "hardening breaks container `{container}`: {why}{remedy} (docs/troubleshooting.md#{section})"
    );
    printable(&text, MAX_NOTE).into_owned()
}

fn may_be_told(fix: &Fix) -> bool {
    match fix {
        Fix::WritablePath { path, .. } => is_ordinary(path),
        Fix::Env { value, .. } => is_ordinary(value),
        Fix::RunAsUser(User::Named(name)) => is_plain(name),
        Fix::RunAsUser(User::OfImage | User::Any)
        | Fix::Port(_)
        | Fix::AddCapability(_)
        | Fix::FsGroup
        | Fix::Sysctl { .. }
        | Fix::DefaultMode(_)
        | Fix::Exempt(_)
        | Fix::Words(_) => true,
    }
}

/// Whether a path is of the kind that programs have, and not a place for a token.
fn is_ordinary(path: &str) -> bool {
    path.len() <= MAX_PATH && path.split('/').all(|part| part.is_empty() || is_plain(part))
}

fn is_plain(part: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let longest = part.split(['.', '_', '-']).map(|word| {
        let digits = word.bytes().any(|byte| byte.is_ascii_digit());
        let letters = word.bytes().any(|byte| byte.is_ascii_alphabetic());
        if digits && letters { word.len() } else { 0 }
    });
    part.len() <= MAX_PART
        && part.bytes().all(plain)
        && longest.max().unwrap_or_default() <= LONGEST_MIXED
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;
    use crate::foresight::advice::advice;

    #[test]
    fn an_event_is_one_sentence() {
        let found = advice("sh: can't create /var/cache/app/x: Read-only file system").unwrap();
        assert_eq!(
            text("web", &found),
            "hardening breaks container `web`: its root file system is read-only, and it writes outside \
             the writable paths; annotate the pod: `web.ironhull.dev/writable-paths: \"/var/cache/app\"` \
             (docs/troubleshooting.md#read-only-file-system)"
        );
    }

    #[test]
    fn no_event_has_what_may_be_a_secret() {
        for secret in [
            "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
            "3f2a9c81d7e64b05a1c2d3e4f5061728",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0",
            "a b",
            "pässwort",
            "p%40ss",
            "a=b",
        ] {
            let message = format!("mkdir '/data/{secret}': Read-only file system");
            let found = advice(&message).unwrap();
            let said = text("web", &found);
            assert!(!said.contains(secret), "{said}");
            assert!(said.contains("read-only"), "{said}");
        }
        for ordinary in ["/var/lib/postgresql/15/main", "/opt/app-2.1/work", "/home/node/.npm"] {
            assert!(is_ordinary(ordinary), "{ordinary}");
        }
        let long = "x".repeat(MAX_NOTE);
        let message = format!("open '/data/{long}/y': Read-only file system");
        assert!(text("web", &advice(&message).unwrap()).len() <= MAX_NOTE);
    }
}
