//! Outputs of the commands that programs may read, with their JSON Schemas. `docs/json.md` and
//! `docs/schemas/` are made from this list, and real outputs are checked against it.

use schemars::{Schema, schema_for};

use super::preview::report::Preview;
use super::{explain, harden, observe, policy, rules};
use crate::evidence::document::Document;
use crate::facts::ImageFacts;

/// An output for programs.
#[derive(Debug)]
pub struct Output {
    /// File name of its schema in `docs/schemas/`, without `.json`.
    pub name: &'static str,
    /// The command that writes it.
    pub command: &'static str,
    /// Description of the output as a whole.
    pub is: &'static str,
    /// Schema of the whole output, or of one line if there is one output on each line.
    pub schema: Schema,
}

/// Every output, in the order of the commands' help.
pub fn schemas() -> Vec<Output> {
    let output = |name, command, is, schema| Output { name, command, is, schema };
    vec![
        output(
            "explain",
            "ironhull explain -o json",
            "A list, with an object for each workload.",
            schema_for!(Vec<explain::Explained>),
        ),
        output(
            "explain-pod",
            "ironhull explain POD -o json",
            "One object.",
            schema_for!(explain::live::ExplainedPod),
        ),
        output(
            "harden-patch",
            "ironhull harden -o patch",
            "An object on each line, one for each document that changes.",
            schema_for!(harden::output::Patched<'_>),
        ),
        output("preview", "ironhull preview -o json", "One object.", schema_for!(Preview)),
        output(
            "observe",
            "ironhull observe -o json",
            "One object.",
            schema_for!(observe::report::Report),
        ),
        output("report", "ironhull report -o json", "One object.", schema_for!(Document)),
        output(
            "rules",
            "ironhull rules -o json",
            "A list, with an object for each rule; with only one if a rule is named.",
            schema_for!(Vec<rules::Listed>),
        ),
        output(
            "image-inspect",
            "ironhull image inspect -o json",
            "A list, with an object for each image; several for one whose platforms differ.",
            schema_for!(Vec<ImageFacts>),
        ),
        output(
            "policy-check",
            "ironhull policy check -o json",
            "One object.",
            schema_for!(policy::check::Report<'_>),
        ),
        output(
            "policy-diff",
            "ironhull policy diff OLD NEW -o json",
            "One object.",
            schema_for!(policy::diff::Differences),
        ),
        output(
            "policy-show",
            "ironhull policy show NAMESPACE -o json",
            "One object.",
            schema_for!(policy::show::Shown<'_>),
        ),
    ]
}
