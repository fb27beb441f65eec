//! The wording of an outcome for people.
//!
//! kubectl prints each warning on a line of its own, and the API server cuts warnings off
//! when all webhooks together send too much (KEP-1693). So they are few, short, and about
//! what a person should act on.

mod notes;

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::{Finding, Level, Note, Outcome, RuleResult, Skip, Subject};
use crate::exemption::{By, Exemption};
use crate::rule::RuleName;
use crate::text::{named, printable};

/// Maximum length of a warning, in characters.
pub const MAX_WARNING: usize = 120;
/// Maximum length of all warnings together, in bytes: half of what the API server passes on
/// from all webhooks (4,096).
const MAX_WARNINGS: usize = 2048;
/// Maximum number of subjects named in one warning: none has room for more.
const MAX_SUBJECTS: usize = MAX_WARNING / ", ".len();
/// Maximum length of a name, a key or a reason in a warning, in characters.
const MAX_WORD: usize = 63;

impl Outcome<'_> {
    /// The warnings for the requester: few, at most 120 characters each and 2,048 bytes
    /// together, without control characters. With `dry` (audit) they also list what would be
    /// changed, one line per rule.
    pub fn warnings(&self, dry: bool) -> Vec<String> {
        self.warnings_after(Vec::new(), dry)
    }

    /// The same after others, all of them within the limits.
    pub(crate) fn warnings_after(&self, first: Vec<String>, dry: bool) -> Vec<String> {
        let mut lines = first;
        lines.append(&mut self.lines(dry, MAX_WORD));
        within_limits(lines)
    }

    /// The warnings in full, for the command line: no line is cut or left out.
    pub fn warnings_in_full(&self) -> Vec<String> {
        let lines = self.lines(false, usize::MAX).into_iter();
        lines.map(|line| printable(&line, usize::MAX).into_owned()).collect()
    }

    /// Everything to report, one line each, of any length. Keys and reasons are cut to
    /// `longest` characters.
    fn lines(&self, dry: bool, longest: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for void in &self.void {
            let key = printable(&void.key, longest);
            lines.push(line(format_args!("{key} is {}: {}", void.verdict(), void.why)));
        }
        for Group { text, subjects } in self.groups(dry) {
            lines.push(match (text.strip_prefix("would "), &*subjects) {
                (_, []) => line(format_args!("{text}")),
                (None, [subject]) => line(format_args!("{subject}: {text}")),
                (Some(_), _) => line(format_args!("{text} on {}", subjects.join(", "))),
                (None, _) => line(format_args!("{}: {text}", subjects.join(", "))),
            });
        }
        let remarks = self.remarks.iter().filter(|remark| remark.is_warning());
        lines.extend(remarks.map(|remark| line(format_args!("{remark}"))));
        for exemption in &self.exemptions {
            let subject = self.shown(exemption.subject);
            lines.push(match longest {
                usize::MAX => line(format_args!("{subject}: {exemption:#}")),
                _ => line(format_args!("{subject}: {exemption}")),
            });
        }
        lines
    }

    /// The name of a subject, or a placeholder if it has none.
    fn shown(&self, subject: Subject) -> &str {
        named(self.subject_name(subject))
    }

    /// The reason for a finding, in words; empty if the result says it all.
    pub fn why(&self, finding: &Finding<'_>) -> String {
        let note = finding.note.as_ref().map(Note::to_string);
        let skipped = match finding.result {
            RuleResult::Skipped(skip) => skip_reason(skip, finding.rule),
            _ => "",
        };
        match (note, skipped) {
            (Some(note), "") => note,
            (Some(note), skipped) => format!("{skipped}: {note}"),
            (None, skipped) => skipped.to_owned(),
        }
    }

    /// Texts for the findings: the same text about several containers appears once.
    fn groups(&self, dry: bool) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let said = self.findings.iter().flat_map(|finding| {
            let change = (dry && finding.result == RuleResult::Set)
                .then(|| format!("would set {}", finding.rule));
            change.into_iter().chain(warning(finding, dry)).map(move |text| (finding, text))
        });
        for (finding, text) in said {
            let name = self.shown(finding.subject);
            match groups.iter_mut().find(|group| group.text == text) {
                Some(group) if group.subjects.len() == MAX_SUBJECTS => {}
                Some(group) if !group.subjects.contains(&name) => group.subjects.push(name),
                Some(_) => {}
                None => groups.push(Group { text, subjects: vec![name] }),
            }
        }
        groups
    }
}

/// A text and the subjects it is about.
struct Group<'o> {
    text: String,
    subjects: Vec<&'o str>,
}

/// A warning of any length. Most fit the initial capacity.
fn line(what: fmt::Arguments<'_>) -> String {
    let mut line = String::with_capacity(MAX_WARNING);
    // Writing to a string cannot fail.
    let _infallible = write!(line, "ironhull: {what}");
    line
}

/// Enforces the limits on each line and on the list.
pub(crate) fn within_limits(lines: Vec<String>) -> Vec<String> {
    let mut said = Vec::with_capacity(lines.len());
    let mut bytes = 0;
    let total = lines.len();
    for line in lines {
        let line = match printable(&line, MAX_WARNING) {
            Cow::Owned(short) => short,
            Cow::Borrowed(_) => line,
        };
        // Leave room for the last line, which says how many are missing.
        if bytes + line.len() + MAX_WARNING > MAX_WARNINGS {
            let missing = total - said.len();
            said.push(format!("ironhull: {missing} more; `ironhull explain` lists them all"));
            return said;
        }
        bytes += line.len();
        said.push(line);
    }
    said
}

/// The warning for a finding, if any.
fn warning(finding: &Finding<'_>, dry: bool) -> Option<String> {
    let rule = finding.rule;
    let was = || finding.was.as_ref().map(|value| format!(" {value}")).unwrap_or_default();
    // An inherited value is reported once, for the pod.
    let inherited = finding.level == Some(Level::Pod) && finding.subject != Subject::Pod;
    match (finding.result, &finding.note) {
        (RuleResult::Kept, _) if rule == RuleName::Privileged => Some(LEFT_PRIVILEGED.to_owned()),
        (RuleResult::Replaced, _) if inherited && finding.was.is_some() => None,
        (RuleResult::Replaced, note) => {
            let now = finding.now.as_ref().map(ToString::to_string).unwrap_or_default();
            let more = match note {
                Some(
                    note @ (Note::RootNeedsMore
                    | Note::ReadOnlyAt(_)
                    | Note::BelowReadOnly(_)
                    | Note::Obstacle(_)
                    | Note::TakenOut(_)),
                ) => format!("; {note}"),
                _ => String::new(),
            };
            let would = if dry { "would replace " } else { "" };
            let verb = if dry { "by" } else { "replaced by" };
            Some(format!("{would}{rule}{} {verb} {now}{more}", was()))
        }
        (
            RuleResult::Set,
            Some(
                note @ (Note::KeptAdds(_)
                | Note::ReadOnlyAt(_)
                | Note::BelowReadOnly(_)
                | Note::TakenOut(_)),
            ),
        ) => Some(format!("{rule}: {note}")),
        (RuleResult::Set, Some(note @ Note::MadeForRoot(_))) => Some(note.to_string()),
        (RuleResult::Compliant, Some(note @ (Note::ReadOnlyAt(_) | Note::BelowReadOnly(_)))) => {
            Some(format!("{rule}: {note}"))
        }
        (RuleResult::Kept, Some(Note::OnlyWarns)) if rule == RuleName::HostUsers => Some(format!(
            "{rule}: its root could have its own user namespace (the policy only warns)"
        )),
        // This note says what to do by itself.
        (RuleResult::Kept, Some(note @ Note::NoSignOfUse)) => Some(format!("{rule}: {note}")),
        (RuleResult::Kept, Some(Note::OnlyWarns)) => {
            Some(format!("{rule}{} is weaker than the policy wants (it only warns)", was()))
        }
        // This note is a sentence that names its topic itself.
        (RuleResult::Kept | RuleResult::Skipped(_), Some(note @ Note::ForReadOnlyRoot(_))) => {
            Some(note.to_string())
        }
        (RuleResult::Kept, Some(note)) => Some(format!("{rule}{} kept: {note}", was())),
        // One warning for the three user rules: runAsUser's.
        (RuleResult::Kept, None)
            if matches!(rule, RuleName::RunAsNonRoot | RuleName::RunAsGroup) =>
        {
            None
        }
        (RuleResult::Kept, None) => {
            Some(format!("{rule}{} kept: set explicitly, and the policy does not enforce", was()))
        }
        (RuleResult::Skipped(skip @ Skip::ImageNeedsWritableRoot), None) => {
            let stays = if finding.was.is_some() { "stays false" } else { "not set" };
            Some(format!("{rule} {stays}: {}", skip_reason(skip, rule)))
        }
        (RuleResult::Skipped(skip), note) => skipped(rule, skip, note.as_ref()),
        _ => None,
    }
}

/// Text for a container that stays privileged, whichever rule reports it first.
const LEFT_PRIVILEGED: &str = "privileged: not changed by any rule";

/// The warning for something left alone, if any.
fn skipped(rule: RuleName, skip: Skip, note: Option<&Note<'_>>) -> Option<String> {
    let reason = skip_reason(skip, rule);
    match (skip, note) {
        // Reported once, not for every rule.
        (Skip::Privileged, _) => {
            (rule == RuleName::Capabilities).then(|| LEFT_PRIVILEGED.to_owned())
        }
        (Skip::Windows, Some(note)) => Some(note.to_string()),
        (Skip::Exempt, Some(note)) => Some(format!("{rule} stays: {note}")),
        (Skip::UserNamespace, Some(note)) => Some(format!("{rule} not set: {note}")),
        (Skip::ImageUser, Some(note @ (Note::ImageIsRoot | Note::UnusableUser(_)))) => {
            Some(note.to_string())
        }
        (
            Skip::Windows
            | Skip::Ephemeral
            | Skip::ImageUser
            | Skip::UserNamespace
            | Skip::Mirror
            // Most such pods need their token, and nobody has anything to do.
            | Skip::OwnServiceAccount
            | Skip::UsesApi
            | Skip::OwnToken,
            _,
        ) => None,
        (_, Some(note)) => Some(format!("{rule} not set: {note}")),
        (_, None) => Some(format!("{rule} not set: {reason}")),
    }
}

/// A skip's reason in words.
fn skip_reason(skip: Skip, rule: RuleName) -> &'static str {
    match skip {
        Skip::Mirror => "the mirror pod of a static pod",
        Skip::Windows => "a pod for Windows nodes",
        Skip::Privileged => "privileged",
        Skip::Exempt => "an exempt container keeps its user",
        Skip::Ephemeral => "an ephemeral container",
        Skip::ImageUser if rule == RuleName::RunAsGroup => "it relies on the image's group",
        Skip::ImageUser => "it relies on the image's user",
        Skip::NarrowMode => "a file would become group-readable",
        Skip::UserNamespace => "the pod has its own user namespace",
        Skip::CapSysAdmin => "the API server refuses it together with CAP_SYS_ADMIN",
        Skip::AddAll => "it adds ALL; dropping ALL as well would leave nothing",
        Skip::PathUnavailable => "a writable path cannot be provided",
        Skip::ImageNeedsWritableRoot => "the image cannot run with a read-only root",
        Skip::InjectedAfter => "the container was added after the pod level was set",
        Skip::NeedsHostUsers => "it would not work in a user namespace",
        Skip::UnknownVolume => "it may not work in a user namespace",
        Skip::OwnServiceAccount => "a ServiceAccount of its own",
        Skip::UsesApi => "a sign that it uses the Kubernetes API",
        Skip::OwnToken => "a token that may be its author's",
        Skip::Unreadable => "the pod cannot be read",
        Skip::TooLarge => "the object is too large to review",
    }
}

impl std::fmt::Display for Exemption<'_> {
    /// `exempt from runAsNonRoot until 2027-03-01 (SEC-12): chown of the data volume`; `{:#}`
    /// gives the whole reason.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rules: Cow<'_, str> = match self.is_for_every_rule() {
            true => "every rule".into(),
            false => self.rules.iter().map(RuleName::as_str).collect::<Vec<_>>().join(", ").into(),
        };
        write!(f, "exempt from {rules}")?;
        if let Some(until) = self.until {
            write!(f, " until {until}")?;
        }
        if let Some(ticket) = &self.ticket {
            write!(f, " ({ticket})")?;
        }
        if self.by == By::Policy {
            f.write_str(" by the policy")?;
        }
        if !self.reason.is_empty() {
            let longest = if f.alternate() { usize::MAX } else { MAX_WORD };
            write!(f, ": {}", printable(&self.reason, longest))?;
        }
        Ok(())
    }
}
