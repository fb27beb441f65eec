//! What is shown, scenario by scenario.

mod another_webhook;
mod attacks;
mod backstop;
mod breakage;
mod chart;
mod corpus;
mod disturbances;
mod evidence;
mod excuses;
mod facts;
mod images;
mod learning;
mod mending;
mod observe;
mod opt_in;
mod policies;
mod preview;
mod reports;
mod rollout;
mod seeding;
mod servers;
mod token;
mod uninstall;
mod upgrade;
mod user_namespaces;
mod users;
mod volumes;
mod watch;
mod workloads;

use std::path::Path;

use super::world::{World, project};

/// One thing that is shown.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub run: fn(&'static World),
    /// What must be there beside any cluster.
    pub needs: &'static [Need],
    /// Whether it is among those that run on every Kubernetes that is supported: it rests on what may differ
    /// between versions of the API server and the kubelet.
    pub on_every_version: bool,
}

/// What not every cluster has.
pub enum Need {
    /// Directories on the node, for hostPath and `local` volumes: `CLUSTER_VOLUMES`.
    Volumes,
    /// The API server's audit log: `CLUSTER_AUDIT_LOG`.
    AuditLog,
    /// A cluster of `e2e/cluster`, whose programs can be killed: `CLUSTER_NAME`.
    Programs,
    /// Real manifests: `IRONHULL_CORPUS`.
    Corpus,
    /// A node that can run pods with `hostUsers: false`, and an ironhull that believes them.
    UserNamespaces,
    /// Prometheus, where `e2e/setup` puts it.
    Prometheus,
    /// Debian's `docker-registry`, where `e2e/setup` puts it, and skopeo.
    Registry,
}

impl Need {
    pub fn met(&self, world: &'static World) -> bool {
        let variable = match self {
            Self::Volumes => "CLUSTER_VOLUMES",
            Self::AuditLog => "CLUSTER_AUDIT_LOG",
            Self::Programs => "CLUSTER_NAME",
            Self::Corpus => "IRONHULL_CORPUS",
            Self::UserNamespaces => {
                return world.trusts_user_namespaces() && world.has_user_namespaces();
            }
            Self::Prometheus => return Path::new(&project("target/tools/prometheus")).is_file(),
            Self::Registry => {
                return Path::new(&project("target/tools/docker-registry")).is_file();
            }
        };
        std::env::var_os(variable).is_some_and(|value| !value.is_empty())
    }

    pub const fn words(&self) -> &'static str {
        match self {
            Self::Volumes => "the node itself, for volumes (CLUSTER_VOLUMES)",
            Self::AuditLog => "the API server's audit log (CLUSTER_AUDIT_LOG)",
            Self::Programs => "the node itself, to kill its programs (CLUSTER_NAME)",
            Self::Corpus => "a directory of real manifests (IRONHULL_CORPUS)",
            Self::UserNamespaces => {
                "Kubernetes 1.36, and a node that can run pods with `hostUsers: false`"
            }
            Self::Prometheus => "Prometheus (e2e/setup)",
            Self::Registry => "docker-registry (e2e/setup)",
        }
    }
}

const fn scenario(name: &'static str, run: fn(&'static World)) -> Scenario {
    Scenario { name, run, needs: &[], on_every_version: false }
}

impl Scenario {
    const fn needs(self, needs: &'static [Need]) -> Self {
        Self { needs, ..self }
    }

    const fn on_every_version(self) -> Self {
        Self { on_every_version: true, ..self }
    }
}

/// Whether there is a scenario of this name.
fn is_there(name: &str) -> bool {
    SIDE_BY_SIDE.iter().chain(DISTURBING).chain(LAST).any(|scenario| scenario.name == name)
}

/// Scenarios that leave ironhull itself alone.
pub const SIDE_BY_SIDE: &[Scenario] = &[
    // First, for it takes longest.
    scenario(
        "corpus::what_is_accepted_is_accepted_hardened",
        corpus::what_is_accepted_is_accepted_hardened,
    )
    .needs(&[Need::Corpus]),
    scenario("observe::servers_serve_hardened", observe::servers_serve_hardened),
    scenario("observe::targets_that_go", observe::targets_that_go),
    scenario("observe::several_containers", observe::several_containers).on_every_version(),
    scenario("observe::hardened_and_distroless", observe::hardened_and_distroless),
    scenario("observe::shared_processes", observe::shared_processes),
    scenario("observe::in_a_user_namespace", observe::in_a_user_namespace)
        .needs(&[Need::UserNamespaces])
        .on_every_version(),
    scenario("observe::rights_that_are_missing", observe::rights_that_are_missing),
    scenario("preview::is_what_happens", preview::is_what_happens).needs(&[Need::Volumes]),
    scenario("preview::of_images_is_what_happens", preview::images::of_images_is_what_happens),
    // Prometheus must reach a pod's address.
    scenario("watch::a_root_container_is_alerted_of", watch::a_root_container_is_alerted_of)
        .needs(&[Need::Programs, Need::Prometheus]),
    scenario("evidence::every_cell_is_true", evidence::every_cell_is_true)
        .needs(&[Need::UserNamespaces])
        .on_every_version(),
    scenario("reports::follow_their_workloads", reports::follow_their_workloads).on_every_version(),
    scenario("mending::from_crash_to_fixed", mending::from_crash_to_fixed),
    scenario("rollout::from_audit_to_enforce", rollout::from_audit_to_enforce),
    scenario("rollout::a_labelled_pod_is_hardened", rollout::a_labelled_pod_is_hardened)
        .on_every_version(),
    scenario(
        "rollout::labels_that_do_nothing_are_warned_of",
        rollout::labels_that_do_nothing_are_warned_of,
    )
    .on_every_version(),
    scenario(
        "breakage::causes_are_named_and_nothing_else",
        breakage::causes_are_named_and_nothing_else,
    )
    .on_every_version(),
    scenario("opt_in::only_labelled_namespaces", opt_in::only_labelled_namespaces)
        .on_every_version(),
    scenario("opt_in::unknown_label_value", opt_in::an_unknown_label_value_is_warned_of)
        .on_every_version(),
    scenario("opt_in::audit_warns_and_records", opt_in::audit_warns_and_records).on_every_version(),
    scenario("opt_in::audit_is_in_the_audit_log", opt_in::audit_is_in_the_audit_log)
        .needs(&[Need::AuditLog])
        .on_every_version(),
    scenario("users::the_auditors_pod", users::the_auditors_pod).on_every_version(),
    scenario("users::root_init_container_on_a_host_path", users::on_a_host_path)
        .needs(&[Need::Volumes])
        .on_every_version(),
    scenario("users::root_init_container_on_a_local_volume", users::on_a_local_volume)
        .needs(&[Need::Volumes])
        .on_every_version(),
    scenario("images::a_root_image", images::a_root_image).on_every_version(),
    scenario("images::an_image_with_a_named_user", images::an_image_with_a_named_user)
        .on_every_version(),
    scenario("facts::images_run_as_themselves", facts::images_run_as_themselves).on_every_version(),
    scenario("facts::non_root_alone", facts::non_root_alone).on_every_version(),
    scenario("facts::a_file_capability", facts::a_file_capability),
    scenario("facts::an_own_directory", facts::an_own_directory),
    scenario("facts::facts_are_what_id_prints", facts::facts_are_what_id_prints),
    scenario("workloads::every_kind", workloads::every_kind).on_every_version(),
    scenario("workloads::debug_twice", workloads::debug_twice).on_every_version(),
    scenario("another_webhook::before_ironhull", another_webhook::before_ironhull)
        .needs(&[Need::AuditLog])
        .on_every_version(),
    scenario("another_webhook::after_ironhull", another_webhook::after_ironhull)
        .needs(&[Need::AuditLog])
        .on_every_version(),
    scenario("another_webhook::apply_twice", another_webhook::apply_twice).on_every_version(),
    scenario("chart::every_rendering_is_taken", chart::every_rendering_is_taken).on_every_version(),
    scenario("servers::postgresql", servers::postgresql),
    scenario("servers::nginx", servers::nginx).on_every_version(),
    scenario("servers::caddy", servers::caddy),
    scenario("servers::redis", servers::redis),
    scenario("servers::memcached", servers::memcached),
    scenario("servers::known_by_a_mirrors_name", servers::known_by_a_mirrors_name),
    scenario("servers::that_give_up_root_themselves", servers::that_give_up_root_themselves),
    scenario("seeding::a_distroless_image", seeding::a_distroless_image).on_every_version(),
    scenario("seeding::nginx_configuration", seeding::nginx_configuration),
    scenario("seeding::a_java_application", seeding::a_java_application),
    scenario("seeding::a_limit_that_is_too_small", seeding::a_limit_that_is_too_small),
    scenario("volumes::a_bystanders_files_stay", volumes::a_bystanders_files_stay)
        .needs(&[Need::Volumes])
        .on_every_version(),
    scenario("volumes::claims_are_handed_over", volumes::claims_are_handed_over)
        .needs(&[Need::Volumes])
        .on_every_version(),
    scenario("volumes::without_an_fs_group", volumes::without_an_fs_group).needs(&[Need::Volumes]),
    scenario("volumes::postgresql", volumes::postgresql).needs(&[Need::Volumes]),
    scenario("volumes::a_socket_below_run", volumes::a_socket_below_run),
    scenario(
        "volumes::a_root_master_signals_its_workers",
        volumes::a_root_master_signals_its_workers,
    ),
    scenario("volumes::a_port_of_a_probe", volumes::a_port_of_a_probe),
    scenario("volumes::shared_processes", volumes::shared_processes),
    scenario("attacks::windows_options_excuse_nothing", attacks::windows_options_excuse_nothing)
        .on_every_version(),
    scenario("attacks::debug_bodies_are_not_believed", attacks::debug_bodies_are_not_believed)
        .on_every_version(),
    scenario(
        "attacks::an_exempt_image_is_not_exchanged",
        attacks::an_exempt_image_is_not_exchanged,
    )
    .on_every_version(),
    scenario("attacks::a_pod_too_large_is_refused", attacks::a_pod_too_large_is_refused)
        .on_every_version(),
    scenario("attacks::privileged_can_be_refused", attacks::privileged_can_be_refused)
        .on_every_version(),
    scenario(
        "attacks::annotations_of_old_excuse_nothing",
        attacks::annotations_of_old_excuse_nothing,
    )
    .on_every_version(),
    scenario("excuses::before", excuses::before).on_every_version(),
    scenario("excuses::on_enforce", excuses::on_enforce).on_every_version(),
    scenario("excuses::with_pod_security", excuses::with_pod_security).on_every_version(),
    scenario(
        "attacks::user_namespaces_are_trusted_where_they_are_kept",
        attacks::user_namespaces_are_trusted_where_they_are_kept,
    )
    .on_every_version(),
    scenario("token::is_gone_and_stays_gone", token::is_gone_and_stays_gone).on_every_version(),
    scenario("token::a_client_keeps_its_own", token::a_client_keeps_its_own),
    scenario("token::excuses_leave_it_and_nothing_more", token::excuses_leave_it_and_nothing_more),
    scenario("user_namespaces::root_inside", user_namespaces::root_inside)
        .needs(&[Need::UserNamespaces])
        .on_every_version(),
    scenario("user_namespaces::and_pod_security", user_namespaces::and_pod_security)
        .needs(&[Need::UserNamespaces])
        .on_every_version(),
    scenario("user_namespaces::a_uid_beyond", user_namespaces::a_uid_beyond)
        .needs(&[Need::UserNamespaces])
        .on_every_version(),
    scenario("user_namespaces::by_the_rule", user_namespaces::by_the_rule)
        .needs(&[Need::UserNamespaces, Need::Volumes]),
    scenario("user_namespaces::not_by_the_rule", user_namespaces::not_by_the_rule)
        .needs(&[Need::UserNamespaces, Need::Volumes]),
];

/// Scenarios that change ironhull or take it away for a while.
pub const DISTURBING: &[Scenario] = &[
    scenario("learning::images_are_learnt", learning::images_are_learnt)
        .needs(&[Need::Programs, Need::Registry]),
    scenario("policies::take_effect_and_are_refused", policies::take_effect_and_are_refused),
    scenario("disturbances::certificates_rotate", disturbances::certificates_rotate)
        .on_every_version(),
    scenario("disturbances::rolling_update", disturbances::rolling_update),
    scenario("disturbances::replicas_are_killed", disturbances::replicas_are_killed),
    scenario("disturbances::the_api_server_restarts", disturbances::the_api_server_restarts)
        .needs(&[Need::Programs])
        .on_every_version(),
    scenario("disturbances::both_replicas_are_gone", disturbances::both_replicas_are_gone),
    scenario("backstop::holds_while_ironhull_is_gone", backstop::holds_while_ironhull_is_gone)
        .on_every_version(),
];

/// Scenarios that begin with uninstalling it.
pub const LAST: &[Scenario] = &[
    scenario("uninstall::nothing_is_left", uninstall::nothing_is_left).on_every_version(),
    scenario("uninstall::from_install_yaml", uninstall::from_install_yaml).on_every_version(),
    scenario("uninstall::with_given_certificates", uninstall::with_given_certificates),
];

/// Scenarios of [`Version::previous`](super::world::Version::previous), which are run alone.
pub const UPGRADES: &[Scenario] = &[
    scenario("upgrade::forth_and_back", upgrade::forth_and_back),
    scenario(
        "upgrade::a_policy_of_this_version_stops_going_back",
        upgrade::a_policy_of_this_version_stops_going_back,
    ),
];
