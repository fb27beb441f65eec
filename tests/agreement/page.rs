//! What `docs/evidence.md` has of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::disagreements::{CLASSES, reason};
use crate::scanners::{PAIRS, Verdict};
use crate::update;

/// Reasons that only live pods have, in the end-to-end suite: a kubelet reports their users.
pub(crate) const LIVE: [&str; 3] = ["adds ALL", "root by its image", "the image's group"];

/// Verdicts by check.
pub(crate) fn table(pods: usize, verdicts: &[Verdict<'_>]) -> String {
    let agree = verdicts.iter().filter(|it| it.agree()).count();
    let mut text = format!(
        "{pods} different pods, {} verdicts: {agree} agree, {} do not.\n\n\
         | check | scanner's check | agree | do not, because of |\n|---|---|---|---|\n",
        verdicts.len(),
        verdicts.len() - agree
    );
    for pair in PAIRS {
        let own = verdicts.iter().filter(|it| it.pair == pair);
        let (agree, others): (Vec<_>, Vec<_>) = own.partition(|it| it.agree());
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for verdict in others {
            *reasons.entry(reason(verdict).map_or("?", |class| class.name)).or_default() += 1;
        }
        let reasons: Vec<_> =
            reasons.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        let (check, scanner, id, agree) = (pair.check, pair.scanner, pair.id, agree.len());
        let _ =
            writeln!(text, "| `{check}` | {scanner} `{id}` | {agree} | {} |", reasons.join("<br>"));
    }
    text
}

/// The reasons, in words.
pub(crate) fn reasons() -> String {
    let mut text = "| reason | |\n|---|---|\n".to_owned();
    for class in CLASSES {
        let why = class.why.split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "| {} | {why} |", class.name);
    }
    text
}

/// Holds the part of the page between the marks of this name against `text`.
pub(crate) fn current(mark: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evidence.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- begin {mark} -->\n"), format!("<!-- end {mark} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (old, after) = rest.split_once(&end).unwrap();
    let text = format!("\n{text}\n");
    if update::is_wanted() {
        std::fs::write(&path, format!("{before}{begin}{text}{end}{after}")).unwrap();
    } else {
        assert_eq!(old, text, "docs/evidence.md is not current: run with UPDATE_EXPECT=1");
    }
}
