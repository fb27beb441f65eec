//! How much of the corpus' root could have a user namespace.

use std::collections::BTreeMap;
use std::fmt;

use ironhull::outcome::{Note, Obstacle, RuleResult, Skip};
use ironhull::policy::{Policy, PolicyFile, PolicySet};
use ironhull::rule::RuleName;
use serde_json::json;

use super::{Shipped, hardened, shipped, support};

/// What becomes of the pods in which something may be root.
#[derive(Default)]
struct Moved {
    pods: usize,
    moved: usize,
    /// Those that only a claim keeps, of which the pod does not show the StorageClass.
    claims: usize,
    /// Those that something else keeps, by what it is.
    kept: BTreeMap<String, usize>,
}

impl Moved {
    /// Share of the moved pods in those that nothing but a claim keeps, in percent.
    fn share(&self) -> f64 {
        let of = u32::try_from(self.moved + self.claims).unwrap();
        f64::from(u32::try_from(self.moved).unwrap()) * 100.0 / f64::from(of)
    }

    fn others(&self) -> usize {
        self.kept.values().sum()
    }

    fn count(&mut self, result: RuleResult, note: Option<&Note<'_>>) {
        let kept = match (result, note) {
            (RuleResult::Compliant, _) => return,
            (RuleResult::Set, _) => None,
            (RuleResult::Kept, _) => Some("hostUsers: true".to_owned()),
            (RuleResult::Skipped(Skip::Privileged), _) => Some("privileged".to_owned()),
            (RuleResult::Skipped(_), Some(Note::Obstacle(obstacle))) => Some(word(obstacle)),
            (result, note) => panic!("{result:?} {note:?}"),
        };
        self.pods += 1;
        match kept {
            None => self.moved += 1,
            Some(kept) if kept == "volume persistentVolumeClaim" || kept == "volume ephemeral" => {
                self.claims += 1;
            }
            Some(kept) => *self.kept.entry(kept).or_default() += 1,
        }
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pods, moved, claims, kept } = self;
        let others = self.others();
        writeln!(
            f,
            "{pods} with root: {moved} moved, {claims} kept by a claim ({:.1} % of these two \
             moved), {others} by something else:",
            self.share()
        )?;
        let mut kept: Vec<_> = kept.iter().collect();
        kept.sort_by_key(|(_, pods)| std::cmp::Reverse(**pods));
        for (what, pods) in kept {
            writeln!(f, "  {pods:>5}  {what}")?;
        }
        Ok(())
    }
}

fn word(obstacle: &Obstacle<'_>) -> String {
    match obstacle {
        Obstacle::Field(field) => (*field).to_owned(),
        Obstacle::RuntimeClass(_) => "runtimeClassName".to_owned(),
        Obstacle::OfContainer { field, .. } => (*field).to_owned(),
        Obstacle::Capability { name, .. } => format!("capability {name}"),
        Obstacle::Program { program, .. } => (*program).to_owned(),
        Obstacle::Device { .. } => "extended resource".to_owned(),
        Obstacle::Id(_) => "id of 65536 or more".to_owned(),
        Obstacle::Sysctl(name) => format!("sysctl {name}"),
        Obstacle::Volume { kind, .. } => format!("volume {kind}, impossible"),
        Obstacle::UnknownVolume { kind, .. } => format!("volume {kind}"),
    }
}

/// What becomes of `pods` under a policy with these rules.
fn moved(pods: &[Shipped], rules: &str, exempt: bool) -> Moved {
    let text = format!(
        "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: moved}}\n\
         spec: {{namespaces: ['*'], rules: {rules}}}\n"
    );
    let source = PolicyFile { name: "moved.yaml".to_owned(), text };
    let set = PolicySet::load(&[source], None).unwrap().0;
    let policy: &Policy = set.by_name("moved").unwrap();
    let mut moved = Moved::default();
    for one in pods {
        let mut pod = one.pod.clone();
        if exempt {
            let annotations = &mut pod["metadata"]["annotations"];
            if annotations.is_null() {
                *annotations = json!({});
            }
            annotations["exempt.ironhull.dev/runAsNonRoot"] = json!("its image wants it");
        }
        let judged = hardened(one, &pod, policy, |outcome| {
            let of_rule = |it: &&ironhull::outcome::Finding<'_>| it.rule == RuleName::HostUsers;
            let finding = outcome.findings.iter().find(of_rule).unwrap();
            if finding.result != RuleResult::Skipped(Skip::Windows) {
                moved.count(finding.result, finding.note.as_ref());
            }
        });
        if let Ok((after, ())) = judged {
            let (_, again) = hardened(one, &after, policy, |outcome| outcome.changes()).unwrap();
            assert!(!again, "{} changes again", one.id);
        }
    }
    moved
}

/// Of the root that nothing else in its pod ties to the node, so much can have a user namespace.
const GOAL: f64 = 80.0;

#[test]
fn root_moves_into_user_namespaces() {
    let Some(directory) = support::directory() else { return };
    let (pods, _) = shipped(&directory);
    let fills = "runAsNonRoot: fill, runAsUser: fill, runAsGroup: fill, fsGroup: fill";
    let every_class = "hostUsers: {action: fill, storageClasses: ['*']}";
    let kept = moved(&pods, &format!("{{{fills}, hostUsers: fill}}"), false);
    println!("explicit root that a policy keeps: {kept}");
    let kept_claims = moved(&pods, &format!("{{{fills}, {every_class}}}"), false);
    println!("the same, with storageClasses: ['*']: {kept_claims}");
    let exempt = moved(&pods, "{hostUsers: fill}", true);
    println!("every pod, exempt from runAsNonRoot: {exempt}");
    let exempt_claims = moved(&pods, &format!("{{{every_class}}}"), true);
    println!("the same, with storageClasses: ['*']: {exempt_claims}");
    assert!(kept.pods > 50 && exempt.pods > 500, "the corpus has root");
    for (moved, all) in [(&kept, &kept_claims), (&exempt, &exempt_claims)] {
        assert_eq!(moved.pods, all.pods);
        assert_eq!(all.claims, 0, "claims that '*' does not cover");
        // Beside a claim there may be something else, which comes to light without it.
        let come_to_light = all.others() - moved.others();
        assert_eq!(all.moved + come_to_light, moved.moved + moved.claims);
        assert!(come_to_light * 20 < all.moved, "{come_to_light}");
    }
    assert!(exempt.share() >= GOAL, "{:.1} %", exempt.share());
}
