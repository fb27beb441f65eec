//! The documents of a policy file: one definition of each, which parses the file,
//! checks it and is its JSON Schema.

use schemars::{JsonSchema, Schema};

use super::decode::{Decoder, Spanned, object, words};
use super::facts::FactsDocument;
use super::names::{
    Aliases, ApiVersion, ContainerName, GrantPattern, KnownImagesKind, PatternText, PolicyKind,
    PolicyName, Unread, VariableName,
};
use super::own_kinds::PodTemplates;
use super::tree::{Node, Span, Value};
use super::values::{Day, Days, LowPort, WritableRoot};
use super::{Capability, GroupId, NamespacePattern, Writable, WritablePath};
use crate::image::{Condition, EntryFsGroup, EntryUser, Purpose, TagBounds, When};
use crate::rule::{RuleName, RuleScope};
use crate::rules::Stated;

object! {
    /// A hardening policy: an action (and values) for each rule, for some namespaces.
    #[schemars(rename = "HardeningPolicy")]
    #[expect(dead_code, reason = "`apiVersion` and `kind` say all they have to say by being right")]
    pub(crate) struct Manifest as "key" {
        /// Always `ironhull.dev/v1alpha1`.
        api_version: ApiVersion = "apiVersion",
        /// Always `HardeningPolicy`.
        kind: PolicyKind = "kind",
        /// The policy's metadata.
        metadata: Metadata = "metadata",
        /// What it does. Keys that are left out are as in the policy `restricted`.
        spec: Option<Spec> = "spec",
    }
}

object! {
    /// A policy's metadata.
    #[expect(dead_code, reason = "labels and annotations are not read")]
    pub(crate) struct Metadata as "key" {
        /// The policy's name, unique among all that are loaded.
        name: Spanned<PolicyName> = "name",
        /// Accepted, because tools add them, but not read.
        labels: Option<Unread> = "labels",
        /// Accepted, because tools add them, but not read.
        annotations: Option<Unread> = "annotations",
    }
}

object! {
    /// What a policy does.
    #[derive(Default)]
    pub(crate) struct Spec as "key" {
        /// The namespaces it applies to. An exact name beats a pattern with `*`, a longer
        /// pattern beats a shorter one.
        namespaces: Option<Vec<Spanned<NamespacePattern>>> = "namespaces",
        /// Whether a namespace may choose it by the label `ironhull.dev/policy: NAME`.
        by_label: Option<Spanned<bool>> = "byLabel",
        /// Each rule's action, or its action and values.
        rules: Option<Stated> = "rules",
        /// What certain images need. The first entry that matches a container's image wins.
        images: Option<Vec<ImageEntry>> = "images",
        /// Whether ironhull's own list of images follows these entries. True when left out.
        known_images: Option<bool> = "knownImages",
        /// Registries that are treated as the ones they mirror.
        registry_aliases: Option<Aliases> = "registryAliases",
        /// What workloads may declare for themselves.
        exemptions: Option<Exemptions> = "exemptions",
        /// Exemptions that administrators grant in the policy.
        exempt: Option<Vec<Grant>> = "exempt",
        /// Kinds of one's own that pods are made from, for manifests and for `/advise`.
        pod_templates: Option<Vec<PodTemplates>> = "podTemplates",
    }
}

object! {
    /// What certain images need. It never changes how strongly a rule acts.
    pub(crate) struct ImageEntry as "key" {
        /// Patterns of full image names; `*` matches any characters. `nginx:*` is
        /// `docker.io/library/nginx:*`.
        patterns: Vec<Spanned<PatternText>> = "match",
        /// The tags to which it applies: `>=4.7`, `<18`, or `>=4.7 <18`. Tags
        /// without a version and digests count as current.
        tags: Option<TagBounds> = "tags",
        /// The uid they run as, or `image`: their own user is numeric and not root.
        user: Option<EntryUser> = "runAsUser",
        /// The gid that goes with the uid.
        group: Option<Spanned<GroupId>> = "runAsGroup",
        /// The fsGroup of a pod whose uid comes from here, or `none`.
        fs_group: Option<EntryFsGroup> = "fsGroup",
        /// Replaces the rule's list of writable paths.
        writable_paths: Option<Vec<Writable>> = "writablePaths",
        /// Capabilities added wherever ALL is dropped; each must be in `allowedAdd`.
        add_capabilities: Option<Vec<Spanned<Capability>>> = "addCapabilities",
        /// `root`: these images' own user is known to be root. For information only.
        image_user: Option<ImageUser> = "imageUser",
        /// `false`: they cannot run with a read-only root, and the rule leaves them alone.
        read_only_root: Option<WritableRoot> = "readOnlyRootFilesystem",
        /// What their containers need beyond what the policy gives them.
        requires: Option<Vec<Requirement>> = "requires",
        /// The ports below 1024 on which their program listens by default.
        ports: Option<Vec<LowPort>> = "ports",
        /// Why, for people.
        reason: Option<String> = "reason",
    }
    check ImageEntry::check
}

/// `imageUser` of an image entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageUser {
    Root,
}

words! { ImageUser as "imageUser" { Root = "root", } }

object! {
    /// A condition that the manifest must meet, and what to do if it does not. It is
    /// exactly one of `env`, `argument`, `volume` and `notMountPoint`.
    pub(crate) struct Requirement as "key" {
        /// This variable must have a value.
        env: Option<VariableName> = "env",
        /// A word of `command` or `args` must contain this.
        argument: Option<String> = "argument",
        /// A volume must be mounted at this path or above it.
        volume: Option<WritablePath> = "volume",
        /// No volume may be mounted at exactly this directory; above or below it is fine.
        not_mount_point: Option<WritablePath> = "notMountPoint",
        /// The variable by which a container chooses another directory than `notMountPoint`.
        moved_by: Option<VariableName> = "movedBy",
        /// Applies only if this variable has a value.
        when_env: Option<VariableName> = "whenEnv",
        /// Applies only if a volume is mounted at this path or above it.
        when_volume: Option<WritablePath> = "whenVolume",
        /// What it is needed for. `runAsNonRoot` when left out: to run as another user than
        /// root. With `readOnlyRootFilesystem`, that rule leaves alone containers that do not
        /// meet it.
        purpose: Option<Purpose> = "for",
        /// What to do if it is not met, in at most 90 characters: it becomes a warning.
        say: Spanned<String> = "say",
    }
    check Requirement::check
}

impl Requirement {
    /// The condition, if exactly one is stated.
    pub(crate) fn condition(&self) -> Option<Condition> {
        let text = |name: &VariableName| name.0.clone();
        let mut stated = [
            self.env.as_ref().map(|name| Condition::Env(text(name))),
            self.argument.clone().map(Condition::Argument),
            self.volume.clone().map(Condition::Volume),
            self.not_mount_point.clone().map(|path| Condition::NotMountPoint {
                path,
                moved_by: self.moved_by.as_ref().map(text),
            }),
        ]
        .into_iter()
        .flatten();
        stated.next().filter(|_| stated.next().is_none())
    }

    /// When the condition matters.
    pub(crate) fn when(&self) -> Option<When> {
        let env = self.when_env.as_ref().map(|name| When::Env(name.0.clone()));
        env.or_else(|| self.when_volume.clone().map(When::Volume))
    }

    fn check(&self, node: &Node<'_>, decoder: &mut Decoder) {
        /// A warning has 120 characters, of which the container's name takes some.
        const LONGEST: usize = 90;
        if decoder.failed_in(node) {
            return;
        }
        if self.condition().is_none() {
            decoder
                .error(node.span, "a requirement must have exactly one condition")
                .hint("one of `env`, `argument`, `volume` and `notMountPoint`");
        }
        if let Some(moved) = node.get("movedBy")
            && self.not_mount_point.is_none()
        {
            decoder.error(moved.span, "`movedBy` without `notMountPoint`");
        }
        if self.when_env.is_some()
            && let Some(second) = node.get("whenVolume")
        {
            decoder
                .error(second.span, "`whenVolume` and `whenEnv` in one requirement")
                .hint("write two requirements, one for each");
        }
        if self.argument.as_deref() == Some("") {
            decoder
                .error(node.span, "`argument` is empty")
                .hint("every argument contains the empty string");
        }
        let length = self.say.value.chars().count();
        if self.say.value.trim().is_empty() {
            decoder
                .error(self.say.span, "`say` is empty")
                .hint("say what to do, for whoever reads the warning");
        } else if length > LONGEST {
            decoder
                .error(self.say.span, format!("`say` has {length} characters, {LONGEST} at most"))
                .hint("it becomes a warning, whose length is limited; `reason` may be longer");
        }
    }
}

object! {
    /// What workloads may declare for themselves by annotation.
    #[derive(Default)]
    pub(crate) struct Exemptions as "key" {
        /// The rules an annotation may exempt from. Every rule when left out; `[]` is none.
        allow: Option<Vec<RuleName>> = "allow",
        /// Whether an annotation needs a reason in words.
        require_reason: Option<bool> = "requireReason",
        /// Whether an annotation needs a last day (`until=`).
        require_until: Option<bool> = "requireUntil",
        /// Maximum number of days until the last day. Implies `requireUntil`.
        max_days: Option<Days> = "maxDays",
        /// When not empty, only containers whose image matches one may be exempt.
        images: Option<Vec<Spanned<GrantPattern>>> = "images",
    }
}

object! {
    /// An exemption that needs no annotation.
    pub(crate) struct Grant as "key" {
        /// The containers' names. Every container when left out.
        containers: Option<Vec<Spanned<ContainerName>>> = "containers",
        /// Patterns of the containers' images. Every image when left out.
        images: Option<Vec<Spanned<GrantPattern>>> = "images",
        /// The rules they are exempt from.
        rules: Vec<Spanned<RuleName>> = "rules",
        /// The last day on which it holds, in UTC.
        until: Option<Spanned<Day>> = "until",
        /// Why.
        reason: Spanned<String> = "reason",
    }
    check Grant::check
}

object! {
    /// A list of known images, which takes the place of ironhull's own.
    #[expect(dead_code, reason = "`apiVersion` and `kind` say all they have to say by being right")]
    pub(crate) struct KnownImages as "key" {
        /// Always `ironhull.dev/v1alpha1`.
        api_version: ApiVersion = "apiVersion",
        /// Always `KnownImages`.
        kind: KnownImagesKind = "kind",
        /// What each image needs. The first entry that matches wins.
        images: Vec<ImageEntry> = "images",
    }
}

/// A document of a policy file.
#[derive(JsonSchema)]
#[schemars(
    untagged,
    title = "ironhull policy file",
    description = "A document of an ironhull policy file."
)]
#[expect(dead_code, reason = "only its schema is used")]
enum Document {
    HardeningPolicy(Box<Manifest>),
    KnownImages(KnownImages),
    ImageFacts(FactsDocument),
}

/// The JSON Schema of a document of a policy file.
pub fn schema() -> Schema {
    schemars::generate::SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Document>()
}

impl ImageEntry {
    fn check(&self, node: &Node<'_>, decoder: &mut Decoder) {
        not_empty(node, "match", "an entry needs at least one pattern", decoder);
        if self.user == Some(EntryUser::Image)
            && let Some(group) = &self.group
        {
            decoder
                .warning(group.span, "`runAsGroup` has no effect with `runAsUser: image`")
                .hint("a gid is only set together with a uid");
        }
        let for_root = |one: &Requirement| one.purpose == Some(Purpose::ReadOnlyRoot);
        if self.read_only_root.is_some()
            && self.requires.iter().flatten().any(for_root)
            && let Some(requires) = node.get("requires")
        {
            decoder
                .warning(requires.span, "`for: readOnlyRootFilesystem` has no effect with `readOnlyRootFilesystem: false`")
                .hint("leave `readOnlyRootFilesystem: false` out where a read-only root is possible");
        }
    }
}

impl Grant {
    fn check(&self, node: &Node<'_>, decoder: &mut Decoder) {
        not_empty(node, "containers", "leave `containers` out to mean every container", decoder);
        not_empty(node, "images", "leave `images` out to mean every image", decoder);
        not_empty(node, "rules", "name the rules it exempts from", decoder);
        if self.reason.span != Span::default() && self.reason.value.trim().is_empty() {
            decoder
                .error(self.reason.span, "`reason` is empty")
                .hint("say why, for whoever reads this in a year");
        }
        let narrow = ["containers", "images"].into_iter().any(|key| node.get(key).is_some());
        for rule in &self.rules {
            if narrow && rule.value.scope() == RuleScope::Pod {
                decoder
                    .error(
                        rule.span,
                        format!("`{}` acts on the whole pod, not on some containers", rule.value),
                    )
                    .hint("grant it in an entry without `containers` and `images`");
            }
        }
    }
}

/// Reports an empty list, where that could be taken for "every".
fn not_empty(node: &Node<'_>, key: &str, hint: &str, decoder: &mut Decoder) {
    if let Some(list) = node.get(key)
        && let Value::List(items) = &list.value
        && items.is_empty()
    {
        decoder.error(list.span, format!("`{key}` is empty")).hint(hint);
    }
}
