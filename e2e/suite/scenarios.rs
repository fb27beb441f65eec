//! What is shown, scenario by scenario.

mod images;
mod opt_in;
mod users;
mod workloads;

use super::world::World;

/// A scenario: its name, and what it does.
pub type Scenario = (&'static str, fn(&'static World));

/// Scenarios that leave ironhull itself alone.
pub const SIDE_BY_SIDE: &[Scenario] = &[
    ("opt_in::only_labelled_namespaces_are_touched", opt_in::only_labelled_namespaces_are_touched),
    ("opt_in::audit_warns_and_records", opt_in::audit_warns_and_records),
    ("users::the_auditors_pod", users::the_auditors_pod),
    (
        "users::exempt_init_container_changes_ownership",
        users::exempt_init_container_changes_ownership,
    ),
    ("images::a_root_image", images::a_root_image),
    ("images::an_image_with_a_named_user", images::an_image_with_a_named_user),
    ("workloads::every_kind", workloads::every_kind),
    ("workloads::debug_twice", workloads::debug_twice),
];

/// Scenarios that change ironhull or take it away.
pub const DISTURBING: &[Scenario] = &[];
