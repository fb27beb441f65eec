//! Cases below `requests`: an AdmissionReview goes in, the response comes out.

use std::fmt::Write;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ironhull::admission::{Answer, Endpoint, Facts, review, too_large};
use ironhull::outcome::RuleResult;
use ironhull::policy::PolicySet;
use ironhull::rule::RuleName;
use serde_json::{Value, json};

use super::pods::{applied, check_limits};
use super::settings::{Settings, without_revisions};
use super::{files, text};

/// Runs a case.
pub fn run(directory: &Path) -> Result<(), String> {
    let settings = Settings::of(directory)?;
    let policies = settings.policies(directory)?;
    let input = match files::read(directory, "review.yaml") {
        Some(input) => input,
        None => files::read(directory, "review.txt").ok_or("review.yaml is missing")?,
    };
    // What is not YAML is sent as it is, without the comment.
    let (body, review) = if directory.join("review.txt").exists() {
        let body: String = input
            .lines()
            .filter(|line| !line.starts_with('#'))
            .fold(String::new(), |body, line| body + line + "\n");
        (body.into_bytes(), None)
    } else {
        let review = files::yaml(&input).map_err(|error| format!("review.yaml: {error}"))?;
        (serde_json::to_vec(&review).unwrap(), Some(review))
    };
    files::check_comment(&input)?;

    let inputs = ["review.yaml", "review.txt", "policy.yaml", "case.yaml"];
    let answer = match answer(&body, &settings, &policies) {
        Ok(answer) => answer,
        Err(line) => {
            let expected = ("expected.http", format!("400\n{line}\n"));
            return files::compare(directory, &inputs, &[expected]);
        }
    };
    let again =
        self::answer(&body, &settings, &policies).map_err(|line| line + " the second time")?;
    if answer.body != again.body {
        return Err("the same review again got another answer".to_owned());
    }
    let response = Response::of(&answer, review.as_ref())?;
    if let (Some(patch), Some(review)) = (&response.patch, &review) {
        let mut review = review.clone();
        let object = applied(&review["request"]["object"], patch, "")?;
        review["request"]["object"] = object;
        let body = serde_json::to_vec(&review).unwrap();
        let second = self::answer(&body, &settings, &policies)?;
        if Response::of(&second, Some(&review))?.patch.is_some() {
            return Err("the patched object got a patch".to_owned());
        }
    }
    let text = without_revisions(&policies, &(response.text + &facts(&answer.facts)));
    files::compare(directory, &inputs, &[("expected.response.yaml", text)])
}

fn answer(body: &[u8], settings: &Settings, policies: &PolicySet) -> Result<Answer, String> {
    let endpoint = Endpoint { mode: settings.mode(), policy: settings.path_policy.as_deref() };
    let answer = match settings.too_large {
        true => too_large(body, endpoint, "more than 1000 containers"),
        false => review(body, endpoint, policies, settings.environment()),
    };
    answer.map_err(|not| not.to_string())
}

/// A decoded response.
struct Response {
    patch: Option<String>,
    text: String,
}

impl Response {
    fn of(answer: &Answer, review: Option<&Value>) -> Result<Self, String> {
        let body: Value = serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
        if body["apiVersion"] != "admission.k8s.io/v1" || body["kind"] != "AdmissionReview" {
            return Err(format!("the answer is no AdmissionReview v1: {body}"));
        }
        let response = &body["response"];
        if review.is_some_and(|review| review["request"]["uid"] != response["uid"]) {
            return Err(format!("the answer has the uid {}", response["uid"]));
        }
        let mut text = format!("uid: {}\nallowed: {}\n", response["uid"], response["allowed"]);
        if !response["status"].is_null() {
            let _ = writeln!(text, "status: {}", response["status"]);
        }
        let patch = response["patch"].as_str().map(|patch| {
            String::from_utf8(STANDARD.decode(patch).expect("base64")).expect("UTF-8")
        });
        if patch.is_some() != (response["patchType"] == json!("JSONPatch")) {
            return Err("a patch without its type, or a type without its patch".to_owned());
        }
        if let Some(patch) = &patch {
            let _ = write!(text, "patch:\n{}", indented(&text::one_a_line(patch)));
        }
        let warnings: Vec<String> =
            serde_json::from_value(response["warnings"].clone()).unwrap_or_default();
        check_limits(&warnings)?;
        text::list(&mut text, "", "warnings", &warnings);
        if let Some(audit) = response["auditAnnotations"].as_object() {
            text += "auditAnnotations:\n";
            for (key, value) in audit {
                if key.contains('/') || key.len() > 63 {
                    return Err(format!("the API server refuses the audit annotation {key}"));
                }
                let _ = writeln!(text, "  {key}: {value}");
            }
        }
        let known =
            ["uid", "allowed", "status", "patch", "patchType", "warnings", "auditAnnotations"];
        match response.as_object().unwrap().keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(format!("the response has the member {key}")),
            None => Ok(Self { patch, text }),
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// What logs and metrics learn of it.
fn facts(facts: &Facts) -> String {
    let Facts {
        uid,
        namespace,
        name,
        kind,
        policy,
        dry_run,
        verdict,
        results,
        skips,
        exemptions,
        warnings,
    } = facts;
    let mut text = format!(
        "facts:\n  uid: {}\n  namespace: {}\n  name: {}\n  kind: {}\n  policy: {}\n  dryRun: {dry_run}\n  verdict: {}\n",
        text::quoted(uid),
        text::quoted(namespace),
        text::quoted(name),
        text::quoted(kind),
        text::quoted(policy),
        verdict.as_str(),
    );
    let pairs = |pairs: &[(RuleName, &str)]| {
        pairs.iter().map(|(rule, word)| format!("{rule}: {word}")).collect::<Vec<_>>().join(", ")
    };
    let counted = RuleName::ALL.iter().zip(results).flat_map(|(rule, counts)| {
        let words = RuleResult::WORDS.into_iter().zip(counts);
        words.flat_map(move |(word, count)| (0..*count).map(move |_| (*rule, word)))
    });
    let results: Vec<_> = counted.collect();
    let _ = writeln!(text, "  results: {}", text::quoted(pairs(&results)));
    if !skips.is_empty() {
        let _ = writeln!(text, "  skips: {}", text::quoted(pairs(skips)));
    }
    if !exemptions.is_empty() {
        let rules: Vec<_> = exemptions.iter().map(|rule| rule.as_str()).collect();
        let _ = writeln!(text, "  exemptions: [{}]", rules.join(", "));
    }
    let _ = writeln!(text, "  warnings: {warnings}");
    text
}
