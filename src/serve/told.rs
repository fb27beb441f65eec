//! A server that answers what it is told to: the floor that `make bench` holds reviews
//! against.
//!
//! Only builds with the feature `bench` and debug builds have it, so no image does. Listener,
//! limits, metrics and log are the server's own; only what answers a review is another. It
//! reads the request's uid and nothing else, and answers what ironhull answered to the review
//! in the file that `IRONHULL_BENCH_REVIEW` names, perhaps with the patch in the file that
//! `IRONHULL_BENCH_PATCH` names.

use std::borrow::Cow;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::http::Reviewer;
use super::store::today;
use crate::admission::{self, Answer, Endpoint, Environment, Facts, Mode, NotAReview};
use crate::policy::PolicySet;

static TOLD: OnceLock<Told> = OnceLock::new();

/// What is answered.
#[derive(Debug)]
struct Told {
    before_uid: Vec<u8>,
    after_uid: Vec<u8>,
    facts: Facts,
}

/// What answers reviews: ironhull, unless the environment tells what to answer.
///
/// # Errors
/// When a file cannot be read or does not hold what it should.
pub fn reviewer() -> anyhow::Result<Reviewer> {
    let Some(review) = env::var_os("IRONHULL_BENCH_REVIEW") else {
        return Ok(admission::review);
    };
    let patch = env::var_os("IRONHULL_BENCH_PATCH");
    let patch = patch.map(|path| read(path.as_ref())).transpose()?;
    let told = Told::new(&read(review.as_ref())?, patch.as_deref())?;
    TOLD.set(told).map_err(|_| anyhow!("a server is told once what to answer"))?;
    Ok(answer)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

impl Told {
    fn new(review: &[u8], patch: Option<&[u8]>) -> anyhow::Result<Self> {
        let policies = PolicySet::new(Vec::new()).map_err(|_| anyhow!("no policies"))?;
        let endpoint = Endpoint { mode: Mode::Enforce, policy: None };
        let Answer { mut body, facts } = admission::review(
            review,
            endpoint,
            &policies,
            Environment { date: today(), user_namespaces: false },
        )?;
        if let Some(patch) = patch {
            let mut whole: Value = serde_json::from_slice(&body)?;
            let place = whole.pointer_mut("/response/patch").context("there is no patch")?;
            *place = STANDARD.encode(patch).into();
            body = serde_json::to_vec(&whole)?;
        }
        let text = String::from_utf8(body)?;
        let (before, after) = text.split_once(&facts.uid).context("the answer has no uid")?;
        Ok(Self { before_uid: before.into(), after_uid: after.into(), facts })
    }

    fn answer(&self, body: &[u8]) -> Result<Answer, NotAReview> {
        let Review { request: Request { uid } } =
            serde_json::from_slice(body).map_err(|error| NotAReview(error.to_string()))?;
        let mut body = Vec::with_capacity(self.before_uid.len() + uid.len() + self.after_uid.len());
        body.extend_from_slice(&self.before_uid);
        body.extend_from_slice(uid.as_bytes());
        body.extend_from_slice(&self.after_uid);
        Ok(Answer { body, facts: Facts { uid: uid.into_owned(), ..self.facts.clone() } })
    }
}

#[derive(Deserialize)]
struct Review<'r> {
    #[serde(borrow)]
    request: Request<'r>,
}

#[derive(Deserialize)]
struct Request<'r> {
    #[serde(borrow)]
    uid: Cow<'r, str>,
}

fn answer(
    body: &[u8],
    _: Endpoint<'_>,
    _: &PolicySet,
    _: Environment,
) -> Result<Answer, NotAReview> {
    let told = TOLD.get().ok_or_else(|| NotAReview("nothing to answer".to_owned()))?;
    told.answer(body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use super::*;

    const REVIEW: &str = include_str!("../../benches/reviews/deployment-pod.json");
    const UID: &str = "0c4ee6a5-40a1-4c77-b0a5-2c2dcd3bb1a9";

    fn ironhulls(review: &str) -> Vec<u8> {
        let policies = PolicySet::new(Vec::new()).unwrap();
        let endpoint = Endpoint { mode: Mode::Enforce, policy: None };
        admission::review(
            review.as_bytes(),
            endpoint,
            &policies,
            Environment { date: today(), user_namespaces: false },
        )
        .unwrap()
        .body
    }

    #[test]
    fn what_is_told_is_ironhulls_own_answer_under_another_uid() {
        let told = Told::new(REVIEW.as_bytes(), None).unwrap();
        assert_eq!(told.answer(REVIEW.as_bytes()).unwrap().body, ironhulls(REVIEW));
        let other = REVIEW.replace(UID, "another");
        let answer = told.answer(other.as_bytes()).unwrap();
        assert_eq!(answer.body, ironhulls(&other));
        assert_eq!(answer.facts.uid, "another");
        assert!(told.answer(b"{}").is_err());
    }

    #[test]
    fn another_patch_can_be_told() {
        let told = Told::new(REVIEW.as_bytes(), Some(b"[]")).unwrap();
        let answer = told.answer(REVIEW.as_bytes()).unwrap();
        let answer: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer["response"]["patch"], STANDARD.encode("[]"));
        assert_eq!(answer["response"]["uid"], UID);
    }
}
