//! What the engine costs, with nothing around it.
//!
//! Every case is measured in every round, so that what disturbs a round disturbs all alike.
//! The allocations are counted by the allocator, which costs some nanoseconds each: the times
//! are a little above what a server sees.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use ironhull::admission::{self, Endpoint, Mode};
use ironhull::harden::harden;
use ironhull::pod::Pod;
use ironhull::policy::parse::parse;
use ironhull::policy::{Policy, PolicySet, Source};
use ironhull::rules::{RuleName, RuleScope};
use serde_json::{Value, json};

use crate::cold;
use crate::figures::{Allocations, Document, Engine, Exemptions, Growth, OneRule, Size};
use crate::stats::{Line, Spread};
use crate::support::reviews::{CREATE, ENVIRONMENT, needy_pod, review};

/// What every review here asks.
pub const ENFORCE: Endpoint<'static> = Endpoint { mode: Mode::Enforce, policy: None };

const SIZES: [usize; 5] = [1, 3, 10, 30, 100];
const DOCUMENTS: [usize; 6] = [1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 19, 1 << 20];
const EXEMPTIONS: [usize; 6] = [0, 1, 5, 10, 20, 50];

/// How much is measured.
pub struct Extent {
    pub rounds: usize,
    /// How long one case goes on in one round.
    pub slice: Duration,
    /// The containers of each row of the growth.
    pub containers: usize,
}

/// Cases that are measured together.
struct Cases {
    runs: Vec<Box<dyn FnMut()>>,
    allocations: Vec<Allocations>,
}

/// A case's place.
#[derive(Clone, Copy)]
struct Case(usize);

/// Measures all of it.
///
/// # Errors
/// When the pods cannot be read, or are not hardened.
pub fn run(extent: &Extent) -> anyhow::Result<Engine> {
    let mut cases = Cases { runs: Vec::new(), allocations: Vec::new() };
    let sizes = SIZES.map(|containers| SizeCases::new(&mut cases, &needy_pod(containers)));
    let documents = DOCUMENTS.map(|bytes| SizeCases::new(&mut cases, &padded_pod(bytes)));
    let three = leaked(&needy_pod(3));
    let no_rule = cases.harden(three, leaked_policy(&one_rule(None))?)?;
    let rules: Vec<_> = RuleName::ALL
        .iter()
        .map(|rule| {
            let policy = leaked_policy(&one_rule(Some(*rule)))?;
            anyhow::Ok((rule.to_string(), cases.harden(three, policy)?))
        })
        .collect::<Result<_, _>>()?;
    let exempt: Vec<_> = EXEMPTIONS
        .iter()
        .map(|count| anyhow::Ok((*count, cases.harden_default(leaked(&exempt_pod(*count)?))?)))
        .collect::<Result<_, _>>()?;
    let growth: Vec<_> = growth(extent.containers)
        .into_iter()
        .map(|containers| {
            let pod = leaked(&needy_pod(containers));
            anyhow::Ok((containers, cases.read(pod), cases.harden_default(pod)?))
        })
        .collect::<Result<_, _>>()?;
    let (sizes, documents) = (transpose(sizes)?, transpose(documents)?);

    let times = cases.measure(extent);
    let ns = |case: Case| Spread::of(times[case.0].iter().copied());
    let line = line(extent.rounds, |round| {
        let point =
            |(containers, _, all): &(usize, Case, Case)| (*containers as f64, times[all.0][round]);
        growth.iter().map(point).collect()
    });
    let counts = |case: Case| cases.allocations[case.0];
    let growth: Vec<_> = growth
        .into_iter()
        .map(|(containers, read, all)| Growth {
            containers,
            pods: extent.containers / containers,
            read_ns_per_container: ns(read).map(|ns| ns / containers as f64),
            all_ns_per_container: ns(all).map(|ns| ns / containers as f64),
        })
        .collect();
    Ok(Engine {
        sizes: sizes.iter().zip(SIZES).map(|(case, size)| case.figures(size, ns, counts)).collect(),
        documents: documents
            .iter()
            .map(|case| Document {
                bytes: case.bytes,
                read_ns: ns(case.read),
                all_ns: ns(case.all),
                review_ns: ns(case.review),
            })
            .collect(),
        no_rule_ns: ns(no_rule),
        rules: rules
            .into_iter()
            .map(|(rule, case)| OneRule { rule, ns: ns(case), allocations: counts(case) })
            .collect(),
        exemptions: exempt
            .into_iter()
            .map(|(exemptions, case)| Exemptions { exemptions, ns: ns(case) })
            .collect(),
        line,
        steps: cold::run(extent.rounds)?,
        growth,
    })
}

/// The cases of one pod.
struct SizeCases {
    bytes: usize,
    read: Case,
    all: Case,
    none: Case,
    review: Case,
}

impl SizeCases {
    fn new(cases: &mut Cases, pod: &Value) -> anyhow::Result<Self> {
        let text = leaked(pod);
        let hardened = leaked(&hardened(pod)?);
        Ok(Self {
            bytes: text.len(),
            read: cases.read(text),
            all: cases.harden_default(text)?,
            none: cases.harden_default(hardened)?,
            review: cases.review(review(pod, "shop"))?,
        })
    }

    fn figures(
        &self,
        containers: usize,
        ns: impl Fn(Case) -> Spread,
        counts: impl Fn(Case) -> Allocations,
    ) -> Size {
        Size {
            containers,
            bytes: self.bytes,
            read_ns: ns(self.read),
            all_ns: ns(self.all),
            none_ns: ns(self.none),
            review_ns: ns(self.review),
            read_allocations: counts(self.read),
            all_allocations: counts(self.all),
            none_allocations: counts(self.none),
            review_allocations: counts(self.review),
        }
    }
}

impl Cases {
    fn add(&mut self, mut run: impl FnMut() + 'static) -> Case {
        let info = allocation_counter::measure(&mut run);
        self.allocations.push(Allocations { count: info.count_total, bytes: info.bytes_total });
        self.runs.push(Box::new(run));
        Case(self.runs.len() - 1)
    }

    fn read(&mut self, text: &'static str) -> Case {
        self.add(move || {
            let _dropped_in_time = black_box(Pod::from_json(black_box(text)));
        })
    }

    fn harden_default(&mut self, text: &'static str) -> anyhow::Result<Case> {
        self.harden(text, Policy::restricted())
    }

    fn harden(&mut self, text: &'static str, policy: &'static Policy) -> anyhow::Result<Case> {
        let pod: &'static Pod<'_> = Box::leak(Box::new(Pod::from_json(text)?));
        Ok(self.add(move || {
            black_box(harden(black_box(pod), policy, &CREATE));
        }))
    }

    fn review(&mut self, body: Vec<u8>) -> anyhow::Result<Case> {
        let policies = PolicySet::new(Vec::new()).map_err(|_| anyhow!("no policies"))?;
        admission::review(&body, ENFORCE, &policies, ENVIRONMENT)?;
        Ok(self.add(move || {
            let _dropped_in_time =
                black_box(admission::review(black_box(&body), ENFORCE, &policies, ENVIRONMENT));
        }))
    }

    /// Nanoseconds for each case, over rounds.
    fn measure(&mut self, extent: &Extent) -> Vec<Vec<f64>> {
        let repeats: Vec<u32> = self
            .runs
            .iter_mut()
            .map(|run| {
                run();
                let once = time(run, 1).max(1.0);
                (extent.slice.as_nanos() as f64 / once).clamp(1.0, 1e6) as u32
            })
            .collect();
        let mut seen = vec![Vec::with_capacity(extent.rounds); self.runs.len()];
        for round in 0..extent.rounds {
            for step in 0..self.runs.len() {
                // Another order in each round.
                let case = (step + round * 7) % self.runs.len();
                seen[case].push(time(&mut self.runs[case], repeats[case]));
            }
        }
        seen
    }
}

/// The line through the points of that round which is in the middle by how near they are to it:
/// points of one round were disturbed alike.
fn line(rounds: usize, points: impl Fn(usize) -> Vec<(f64, f64)>) -> Line {
    let mut lines: Vec<_> = (0..rounds).map(|round| Line::through(&points(round))).collect();
    lines.sort_by(|one, other| one.r_squared.total_cmp(&other.r_squared));
    lines[lines.len() / 2]
}

/// Nanoseconds for one run, on average.
fn time(run: &mut Box<dyn FnMut()>, repeats: u32) -> f64 {
    let begun = Instant::now();
    for _ in 0..repeats {
        run();
    }
    begun.elapsed().as_nanos() as f64 / f64::from(repeats)
}

/// The pod's text, kept to the end of the program.
fn leaked(pod: &Value) -> &'static str {
    Box::leak(pod.to_string().into_boxed_str())
}

fn leaked_policy(text: &str) -> anyhow::Result<&'static Policy> {
    let source = Source { name: "bench.yaml".to_owned(), text: text.to_owned() };
    let mut loaded = parse(&[source]).map_err(|errors| anyhow!("{errors:?}"))?;
    let policy = loaded.policies.pop().ok_or_else(|| anyhow!("no policy"))?;
    Ok(Box::leak(Box::new(policy)))
}

/// A policy with one rule on, or none.
fn one_rule(on: Option<RuleName>) -> String {
    let mut text = "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\n\
                    metadata: {name: bench}\nspec:\n  namespaces: [\"*\"]\n  rules:\n"
        .to_owned();
    for rule in RuleName::ALL {
        let action = match rule {
            _ if on != Some(*rule) => "off",
            // Enforcing it wants a uid, which is another rule's.
            RuleName::RunAsNonRoot => "fill",
            _ => "enforce",
        };
        text.push_str(&format!("    {rule}: {action}\n"));
    }
    text
}

/// The pod as ironhull makes it.
fn hardened(pod: &Value) -> anyhow::Result<Value> {
    let text = pod.to_string();
    let view = Pod::from_json(&text)?;
    let outcome = harden(&view, Policy::restricted(), &CREATE);
    let patch: json_patch::Patch = serde_json::from_str(outcome.patch.as_json())?;
    let mut hardened = pod.clone();
    json_patch::patch(&mut hardened, &patch)?;
    Ok(hardened)
}

/// Three containers with so many environment variables that the pod has at least `bytes`.
fn padded_pod(bytes: usize) -> Value {
    let mut pod = needy_pod(3);
    let variable =
        |index: usize| json!({"name": format!("SETTING_{index}"), "value": "x".repeat(64)});
    let each = variable(10_000).to_string().len() + 1;
    let missing = bytes.saturating_sub(pod.to_string().len()) / each;
    for index in 0..missing {
        if let Some(env) = pod["spec"]["containers"][index % 3]["env"].as_array_mut() {
            env.push(variable(index));
        }
    }
    pod
}

/// Ten containers with so many exemptions, each of another container or another rule.
fn exempt_pod(exemptions: usize) -> anyhow::Result<Value> {
    let mut pod = needy_pod(10);
    let rules: Vec<_> =
        RuleName::ALL.iter().filter(|rule| rule.scope() == RuleScope::Container).collect();
    for index in 0..exemptions {
        let (container, rule) = (index % 10, index / 10);
        let rule = rules.get(rule).ok_or_else(|| anyhow!("too few rules"))?;
        let key = format!("web-{container}.exempt.ironhull.dev/{rule}");
        pod["metadata"]["annotations"][key] = "a reason in some words".into();
    }
    Ok(pod)
}

/// Containers to a pod, up to the most that the server reviews.
fn growth(total: usize) -> Vec<usize> {
    [1, 3, 10, 30, 100, 300, 1000].into_iter().filter(|n| *n <= total).collect()
}

fn transpose<const N: usize>(
    cases: [anyhow::Result<SizeCases>; N],
) -> anyhow::Result<Vec<SizeCases>> {
    cases.into_iter().collect()
}
