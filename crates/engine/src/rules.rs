//! The rules: one hardening behaviour a file, and the one list of them all.
//!
//! A new rule takes one file in `rules/`, its `mod` line and one line in `for_each_rule!` in
//! `rule.rs`. Its name, its settings in a policy, its page in `docs/rules.md` and its place in
//! the JSON Schema follow from that line. CONTRIBUTING.md lists what else asks for it.
//! Rules never import each other: what two of them need to know of a container
//! is decided once, in [`crate::user`] or [`crate::pod`].

pub mod allow_privilege_escalation;
pub mod capabilities;
pub mod fs_group;
pub mod host_users;
pub mod privileged;
pub mod read_only_root_filesystem;
pub mod run_as_group;
pub mod run_as_non_root;
pub mod run_as_user;
pub mod seccomp_profile;
pub mod service_account_token;
pub mod unprivileged_ports;

use crate::pass::Pass;
use crate::policy::decode::{RuleEntry, RuleSettings, object};
use crate::rule::{Action, RuleName, for_each_rule};

/// One hardening behaviour. The unit structs in `rules/` implement it.
pub trait Rule: Sync {
    /// The rule's name: that of the Kubernetes field it governs.
    fn name(&self) -> RuleName;

    /// Examines the pod of `pass`, plans changes and records a finding for every container
    /// (or for the pod) it examined.
    ///
    /// Only called when the rule's action is not `off`.
    fn apply(&self, pass: &mut Pass<'_>);
}

/// Defines what follows from the list of rules: their settings in a policy, and the rules
/// themselves.
macro_rules! registry {
    ($( $module:ident $variant:ident $name:literal $scope:ident; )*) => {
        /// A policy's settings for each rule.
        #[derive(Clone, Debug, serde::Serialize)]
        pub struct Settings {
            $(
                #[doc = concat!("`", $name, "`")]
                #[serde(rename = $name)]
                pub $module: $module::Settings,
            )*
        }

        object! {
            /// `spec.rules`: each rule's action, or its action and values. What is
            /// not named is as in the policy `restricted`.
            #[derive(Default)]
            pub(crate) struct Stated as "rule" {
                $( $module: Option<RuleEntry<$module::Settings>> = $name, )*
            }
        }

        impl Settings {
            /// What is stated, completed from `base`. `None` if something is in neither.
            pub(crate) fn complete(stated: Stated, base: Option<&Self>) -> Option<Self> {
                $(
                    let base_of_rule = base.map(|base| &base.$module);
                    let $module = match stated.$module {
                        Some(RuleEntry(stated)) => RuleSettings::complete(stated, base_of_rule)?,
                        None => base_of_rule?.clone(),
                    };
                )*
                Some(Self { $( $module, )* })
            }

            /// The action of one rule.
            pub fn action(&self, rule: RuleName) -> Action {
                match rule { $( RuleName::$variant => self.$module.action, )* }
            }
        }

        /// Every rule, in the order in which they are applied.
        pub static RULES: &[&dyn Rule] = &[$( &$module::$variant, )*];
    };
}

for_each_rule!(registry);
