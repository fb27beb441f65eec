//! Warnings about what is allowed in a policy and still deserves a look.

use jiff::civil::Date;

use super::Policy;
use super::decode::{Decoder, Spanned};
use super::manifest::{Grant, Spec};
use super::names::{PatternText, PolicyName};
use super::own_kinds;
use super::tree::{Node, Span};
use crate::image::{ImagePattern, RegistryAliases};
use crate::text::quoted;

/// Warns about a policy that was read. `today` is for the grants' last days; without it they
/// are not checked.
pub(super) fn lint(
    document: &Node<'_>,
    name: &Spanned<PolicyName>,
    spec: &Spec,
    policy: &Policy,
    today: Option<Date>,
    decoder: &mut Decoder,
) {
    if !decoder.failed_in(document) {
        unused(name, policy, decoder);
    }
    let aliases = &policy.registry_aliases;
    for Spanned { value, span } in spec.images.iter().flatten().flat_map(|entry| &entry.patterns) {
        if !unmatchable(value, aliases, *span, decoder) {
            tagless(value, *span, decoder);
        }
    }
    shadowed(spec, policy, decoder);
    let limits = spec.exemptions.iter().flat_map(|limits| limits.images.iter().flatten());
    let grants = spec.exempt.iter().flatten();
    let granted = grants.clone().flat_map(|grant| grant.images.iter().flatten());
    for Spanned { value, span } in limits.chain(granted) {
        if !unmatchable(&value.0, aliases, *span, decoder) {
            tagless(&value.0, *span, decoder);
            open_registry(&value.0, *span, decoder);
        }
    }
    grants.for_each(|grant| judge_grant(grant, today, decoder));
    spec.pod_templates.iter().flatten().for_each(|own| own_kinds::lint(own, decoder));
}

/// Warns about a policy that no namespace can get.
fn unused(name: &Spanned<PolicyName>, policy: &Policy, decoder: &mut Decoder) {
    if policy.namespaces.is_empty() && !policy.by_label {
        decoder
            .warning(name.span, format!("the policy `{}` is never used", policy.name))
            .hint("give it `namespaces`, or `byLabel: true`");
    }
}

/// Warns if no image can match the pattern. True if so.
fn unmatchable(
    pattern: &PatternText,
    aliases: &RegistryAliases,
    span: Span,
    decoder: &mut Decoder,
) -> bool {
    let Some(hint) = never(&pattern.pattern, aliases) else { return false };
    decoder.warning(span, format!("{} can match no image", quoted(&pattern.written))).hint(hint);
    true
}

/// The reason why a pattern can match nothing, if so. Its text must follow the grammar of image
/// names (`github.com/distribution/reference`, `regexp.go`) after registries are replaced by the
/// ones they mirror.
fn never(pattern: &ImagePattern, aliases: &RegistryAliases) -> Option<String> {
    let text = pattern.as_str();
    let of_names = |c: char| c.is_ascii_alphanumeric() || "._-/:@+*".contains(c);
    let begins_with_a_dot =
        ["/.", ":.", "/-", ":-"].iter().any(|part| text.contains(part)) || text.starts_with('.');
    if !text.chars().all(of_names) || begins_with_a_dot || text.contains(".+") {
        let said = "a pattern is not a regular expression: `*` stands for any characters, and nothing \
                    else is special";
        return Some(said.to_owned());
    }
    if text.contains("//") {
        return Some("an image's name has no scheme and no empty part".to_owned());
    }
    let (_, path) = text.split_once('/').unwrap_or_default();
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    // A tag may follow these characters, and it may have capitals.
    let last = last.split([':', '@', '*']).next().unwrap_or_default();
    if above.chars().chain(last.chars()).any(|c| c.is_ascii_uppercase()) {
        return Some("capitals are allowed in an image's tag, not in its path".to_owned());
    }
    // An alias that leads back could produce such a name again.
    let leads_back = |from: &str| {
        aliases.iter().any(|(_, to)| {
            let to = ImagePattern::new(&format!("{to}*"));
            let to = to.as_str().trim_end_matches('*');
            to.starts_with(from) || from.starts_with(to)
        })
    };
    let literal = text.split('*').next().unwrap_or_default();
    let (from, to) = aliases.iter().find(|(from, _)| literal.starts_with(from))?;
    let rest = text.get(from.len()..).filter(|_| !leads_back(from))?;
    let seen = ImagePattern::new(&format!("{to}{rest}"));
    Some(format!("`registryAliases` maps its images to `{}`: write that", seen.as_str()))
}

/// Warns about a pattern without a tag, which is completed like an image's name.
fn tagless(pattern: &PatternText, span: Span, decoder: &mut Decoder) {
    let PatternText { written, pattern } = pattern;
    if pattern.as_str().ends_with(":latest") && !written.ends_with(":latest") {
        decoder
            .warning(span, format!("`{written}` has no tag, so it matches only `:latest`"))
            .hint(format!("write `{written}:*` for every tag"));
    }
}

/// Warns about a pattern that does not name its whole registry: `registry.corp*/…` also matches
/// `registry.corp.example.net/…`.
fn open_registry(pattern: &PatternText, span: Span, decoder: &mut Decoder) {
    let PatternText { written, pattern } = pattern;
    if pattern.as_str().split('/').next().is_some_and(|registry| registry.contains('*')) {
        decoder
            .warning(span, format!("`{written}` does not name a whole registry"))
            .hint("write the registry's name without `*`, up to its `/`");
    }
}

/// Warns about an earlier entry that matches everything a later one could.
fn shadowed(spec: &Spec, policy: &Policy, decoder: &mut Decoder) {
    let entries = spec.images.iter().flatten();
    for (index, entry) in entries.clone().enumerate() {
        for Spanned { value, span } in &entry.patterns {
            let earlier = policy.images.covering(&value.pattern, entry.tags.as_ref());
            let Some(earlier) = earlier.filter(|earlier| *earlier < index) else { continue };
            let winner = entries.clone().nth(earlier).and_then(|winner| {
                winner.patterns.iter().find(|p| p.value.pattern.matches(value.pattern.as_str()))
            });
            let message = format!("`{}` is never reached", value.written);
            let place = winner.map(|winner| decoder.place(winner.span));
            let warning = decoder.warning(*span, message);
            warning.hint("the first entry that matches wins: put the narrower one first");
            if let Some((winner, place)) = winner.zip(place) {
                let text = format!("`{}` matches everything that it matches", winner.value.written);
                warning.related(place, text);
            }
        }
    }
}

fn judge_grant(grant: &Grant, today: Option<Date>, decoder: &mut Decoder) {
    if let Some(containers) = &grant.containers
        && grant.images.is_none()
        && let Some(first) = containers.first()
    {
        decoder
            .warning(
                first.span,
                format!("anyone can call a container `{}` and be exempt", first.value.0),
            )
            .hint("add `images`, so that only these images are");
    }
    if let Some(until) = grant.until.as_ref()
        && today.is_some_and(|today| until.value.0 < today)
    {
        decoder
            .warning(until.span, format!("this exemption expired after `{}`", until.value.0))
            .hint("remove it, or give it a new date");
    }
}
