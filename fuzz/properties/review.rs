//! Bytes from the network: nothing panics, every answer is one that the API server takes,
//! and its patch applies and leaves nothing to do.
//!
//! The first byte of an input chooses the endpoint, the second the policies; the rest is
//! the request's body.

use std::sync::LazyLock;

use ironhull::admission::{Endpoint, Mode, review};
use ironhull::policy::{Policy, PolicySet};
use serde_json::Value;

use super::answer::{one_line, well};
use super::hardening::patched;
use super::{ENVIRONMENT, ensure, pick, policies};

const ENDPOINTS: [Endpoint<'static>; 5] = [
    Endpoint { mode: Mode::Enforce, policy: None },
    Endpoint { mode: Mode::Audit, policy: None },
    Endpoint { mode: Mode::Advise, policy: None },
    Endpoint { mode: Mode::Enforce, policy: Some("openshift") },
    Endpoint { mode: Mode::Enforce, policy: Some("not-there-and-its-name-is-\u{1b}[31m-long") },
];

static POLICIES: LazyLock<Vec<(Policy, PolicySet)>> = LazyLock::new(policies);

pub fn check(input: &[u8]) -> Result<(), String> {
    let Some((&[endpoint, policies], body)) = input.split_first_chunk() else { return Ok(()) };
    let endpoint = *pick(&ENDPOINTS, endpoint);
    let (_, policies) = pick(&POLICIES, policies);
    let answer = match review(body, endpoint, policies, ENVIRONMENT) {
        Ok(answer) => answer,
        Err(error) => return one_line(&error.to_string()),
    };
    let (response, patch) = well(body, endpoint, &answer)?;
    let again = review(body, endpoint, policies, ENVIRONMENT).map_err(|error| error.to_string())?;
    ensure!(answer.body == again.body, "the same review again gets another answer");
    // Some of what is skipped, such as 1e999, only serde_json's `Value` refuses.
    let Ok(mut asked) = serde_json::from_slice::<Value>(body) else { return Ok(()) };
    let refused = response["allowed"] == false;
    let is_pods = asked["request"]["resource"]["resource"] == "pods";
    ensure!(!refused || is_pods, "another resource is refused");
    if let Some(patch) = patch {
        let object = patched(&asked["request"]["object"], &patch)?;
        asked["request"]["object"] = object;
        let body = asked.to_string();
        let second =
            review(body.as_bytes(), endpoint, policies, ENVIRONMENT).map_err(|e| e.to_string())?;
        let (response, patch) = well(body.as_bytes(), endpoint, &second)?;
        ensure!(response["allowed"] == true, "patched, it is refused: {response}");
        ensure!(patch.is_none(), "patched, it is patched again: {patch:?}\n{body}");
    }
    Ok(())
}
