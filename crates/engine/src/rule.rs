//! Names, scopes and actions of rules: the vocabulary that every module shares. What each
//! rule does is in [`crate::rules`].

use std::fmt;
use std::str::FromStr;

/// Lists every rule once: its module, its type, its name in a policy and its scope. `$then`
/// is the macro that receives the list.
///
/// The order is the order of application. `privileged` is first: it decides whether the
/// others act on a container at all. `capabilities` comes before `allowPrivilegeEscalation`,
/// which judges the capabilities as they will be. `hostUsers` is last: it judges all that the
/// others leave.
macro_rules! for_each_rule {
    ($then:ident) => {
        $then! {
            privileged Privileged "privileged" Container;
            run_as_non_root RunAsNonRoot "runAsNonRoot" Container;
            run_as_user RunAsUser "runAsUser" Container;
            run_as_group RunAsGroup "runAsGroup" Container;
            fs_group FsGroup "fsGroup" Pod;
            capabilities Capabilities "capabilities" Container;
            allow_privilege_escalation AllowPrivilegeEscalation "allowPrivilegeEscalation" Container;
            seccomp_profile SeccompProfile "seccompProfile" Container;
            read_only_root_filesystem ReadOnlyRootFilesystem "readOnlyRootFilesystem" Container;
            unprivileged_ports UnprivilegedPorts "unprivilegedPorts" Pod;
            host_users HostUsers "hostUsers" Pod;
            service_account_token ServiceAccountToken "serviceAccountToken" Pod;
        }
    };
}
pub(crate) use for_each_rule;

/// How strongly a rule acts. Ordered from the weakest to the strongest.
///
/// | action | field unset | field set, weaker than the rule |
/// |---|---|---|
/// | `off` | nothing | nothing |
/// | `warn` | warning | warning |
/// | `fill` | set | kept, with a warning |
/// | `enforce` | set | replaced, with a warning that names the old value |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The rule does nothing.
    Off,
    /// The rule only reports what it would change.
    Warn,
    /// The rule sets what is unset and respects what is explicit.
    Fill,
    /// The rule sets what is unset and replaces what is weaker.
    Enforce,
}

impl Action {
    /// Every action, weakest first.
    pub const ALL: [Self; 4] = [Self::Off, Self::Warn, Self::Fill, Self::Enforce];

    /// The word used in a policy.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Fill => "fill",
            Self::Enforce => "enforce",
        }
    }

    /// Whether the rule may change a pod at all.
    pub fn acts(self) -> bool {
        self >= Self::Fill
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a rule acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleScope {
    /// Every container by itself; an exemption may name one container.
    Container,
    /// The pod as a whole; an exemption is for the whole pod.
    Pod,
}

macro_rules! names {
    ($( $module:ident $variant:ident $name:literal $scope:ident; )*) => {
        /// The name of a rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum RuleName {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
        }

        impl RuleName {
            /// Every rule's name, in the order in which the rules are applied.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )*];

            /// The name as policies, annotations, logs and metrics spell it.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }

            /// Whether the rule acts on each container or on the pod as a whole.
            pub fn scope(self) -> RuleScope {
                match self { $( Self::$variant => RuleScope::$scope, )* }
            }

            /// The rule's documentation in Markdown: the doc comment at the top of
            /// its source file, under the headings What it does, Why, Fields, Left
            /// alone when, Exempting and Source.
            pub fn doc(self) -> String {
                let source = match self {
                    $( Self::$variant => include_str!(concat!("rules/", stringify!($module), ".rs")), )*
                };
                module_doc(source)
            }
        }
    };
}

for_each_rule!(names);

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RuleName {
    type Err = ();

    /// # Errors
    /// When no rule has that name, spelt exactly so.
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|rule| rule.as_str() == text).ok_or(())
    }
}

/// A set of rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleSet(u16);

impl RuleSet {
    /// No rule.
    pub const EMPTY: Self = Self(0);
    /// Every rule.
    pub const ALL: Self = Self((1 << RuleName::ALL.len()) - 1);

    /// The set with `rule` in it.
    #[must_use]
    pub fn with(self, rule: RuleName) -> Self {
        Self(self.0 | 1 << rule as u8)
    }

    /// The rules of either set.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `rule` is in the set.
    pub fn contains(self, rule: RuleName) -> bool {
        self.0 & 1 << rule as u8 != 0
    }

    /// Whether no rule is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rules of the set, in the order in which they are applied.
    pub fn iter(self) -> impl Iterator<Item = RuleName> {
        RuleName::ALL.iter().copied().filter(move |rule| self.contains(*rule))
    }
}

impl FromIterator<RuleName> for RuleSet {
    fn from_iter<I: IntoIterator<Item = RuleName>>(rules: I) -> Self {
        rules.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// The `//!` lines at the top of a source file, as Markdown.
fn module_doc(source: &str) -> String {
    let mut doc = String::new();
    for line in source.lines().take_while(|line| line.starts_with("//!")) {
        let text = line.trim_start_matches("//!");
        doc.push_str(text.strip_prefix(' ').unwrap_or(text));
        doc.push('\n');
    }
    doc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_that_is_named_twice_is_in_the_set() {
        let set = RuleSet::EMPTY.with(RuleName::FsGroup);
        assert_eq!(set.with(RuleName::FsGroup), set);
        assert_eq!(set.union(set), set);
        assert_eq!(set.iter().collect::<Vec<_>>(), [RuleName::FsGroup]);
    }

    #[test]
    fn the_set_of_every_rule_has_every_rule_and_nothing_else() {
        assert_eq!(RuleSet::ALL, RuleName::ALL.iter().copied().collect());
        assert!(RuleSet::ALL.iter().eq(RuleName::ALL.iter().copied()));
    }

    #[test]
    fn a_rules_page_is_the_comment_at_the_top_of_its_file() {
        assert_eq!(module_doc("//! # A\n//!\n//!   b\nuse c;\n//! d\n"), "# A\n\n  b\n");
    }
}
