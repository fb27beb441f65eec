//! ironhull's own init containers, as they are written.

use std::borrow::Cow;

use super::NewMount;
use super::write::{Edit, Path, Writer};
use crate::json::{Json, Object};
use crate::pod::seeding::{COPY, IF_PRESENT, INSTALL, PROGRAM_DIRECTORY, SIZE_LIMIT, TARGETS};
use crate::pod::{Container, Pod, Resources};

/// What is planned to seed emptyDirs.
#[derive(Clone, Debug, Default)]
pub struct SeedingPlan<'p> {
    /// Containers to insert, in this order.
    pub containers: Vec<SeedContainer<'p>>,
    /// The index in `spec.initContainers` at which the first is inserted.
    pub at: usize,
    /// Containers of an earlier pass whose application has changed since.
    pub corrections: Vec<Correction<'p>>,
}

impl SeedingPlan<'_> {
    /// Whether nothing is planned.
    pub fn is_empty(&self) -> bool {
        let Self { containers, at: _, corrections } = self;
        containers.is_empty() && corrections.is_empty()
    }
}

/// An init container to insert.
#[derive(Clone, Debug)]
pub struct SeedContainer<'p> {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: &'p str,
    /// Its imagePullPolicy; empty for Kubernetes' default.
    pub pull_policy: &'p str,
    /// Who it runs as.
    pub user: SeedUser,
    /// Its resources: those of the container it works for.
    pub resources: Resources<'p>,
    /// The volume with the program.
    pub program: String,
    /// What it does.
    pub task: SeedTask<'p>,
}

/// Who an init container of ironhull's runs as; not root. Without a uid, its image's own user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeedUser {
    /// `runAsUser`
    pub uid: Option<i64>,
    /// `runAsGroup`
    pub gid: Option<i64>,
}

/// What an init container of ironhull's does.
#[derive(Clone, Debug)]
pub enum SeedTask<'p> {
    /// Puts the program into its volume.
    Install,
    /// Copies.
    Copy {
        /// What it copies, and to which volumes.
        paths: Vec<SeedPath<'p>>,
        /// The emptyDirs' sizeLimit.
        size_limit: Option<&'p str>,
    },
}

/// A path whose content is copied.
#[derive(Clone, Debug)]
pub struct SeedPath<'p> {
    /// The mount of the emptyDir in the container it is for.
    pub mount: NewMount<'p>,
    /// Whether the image may have nothing there.
    pub optional: bool,
}

/// What is wrong with a container of an earlier pass.
#[derive(Clone, Debug)]
pub struct Correction<'p> {
    /// Its index in `spec.initContainers`.
    pub index: usize,
    /// The container.
    pub container: &'p Container<'p>,
    /// The image that it should have.
    pub image: &'p str,
    /// The user that it should run as.
    pub user: SeedUser,
}

impl Correction<'_> {
    /// A template may be without an image.
    fn needs_image(&self) -> bool {
        !self.image.is_empty() && &*self.container.image != self.image
    }

    /// Whether there is anything to correct. A value that is no longer wanted stays: nothing can be
    /// removed.
    pub fn is_needed(&self) -> bool {
        let Self { container, user, image: _, index: _ } = self;
        let own = &container.security_context;
        let other = |wanted: Option<i64>, own: Option<i64>| wanted.is_some() && wanted != own;
        self.needs_image() || other(user.uid, own.run_as_user) || other(user.gid, own.run_as_group)
    }
}

/// Writes what is planned. The containers are inserted last: up to then the others have the index
/// that the pod gives them.
pub(super) fn write(
    writer: &mut Writer<'_>,
    pod: &Pod<'_>,
    plan: &SeedingPlan<'_>,
    names: &dyn Fn(usize) -> String,
) {
    for correction in &plan.corrections {
        let index = correction.index.to_string();
        let path = Path::new(&["spec", "initContainers", &index]);
        let Correction { container, image, user, .. } = correction;
        if correction.needs_image() {
            let mut edit = Edit::new(writer, path, true);
            edit.value("image", !container.image.is_empty(), |out| out.text(image));
            edit.finish();
        }
        let own = &container.security_context;
        let mut edit = Edit::new(writer, path.then("securityContext"), true);
        let other = |wanted: Option<i64>, own: Option<i64>| wanted.filter(|_| wanted != own);
        edit.number("runAsUser", own.run_as_user.is_some(), other(user.uid, own.run_as_user));
        edit.number("runAsGroup", own.run_as_group.is_some(), other(user.gid, own.run_as_group));
        edit.finish();
    }
    let list = Path::new(&["spec", "initContainers"]);
    let one =
        |out: &mut Json, container: &SeedContainer<'_>| self::container(out, container, names);
    if pod.spec.init_containers.is_empty() {
        writer.append(list, true, &plan.containers, one);
        return;
    }
    for (offset, container) in plan.containers.iter().enumerate() {
        let index = (plan.at + offset).to_string();
        writer.add(list.then(&index), |out| one(out, container));
    }
}

fn container(out: &mut Json, container: &SeedContainer<'_>, names: &dyn Fn(usize) -> String) {
    let SeedContainer { name, image, pull_policy, user, resources, program, task } = container;
    out.object(|object| {
        object.string("name", name);
        object.string("image", image);
        if !pull_policy.is_empty() {
            object.string("imagePullPolicy", pull_policy);
        }
        match task {
            SeedTask::Install => list(object, "args", INSTALL.map(Cow::Borrowed)),
            SeedTask::Copy { paths, size_limit } => {
                list(object, "command", COPY.map(Cow::Borrowed));
                let limit = size_limit.map(|limit| format!("{SIZE_LIMIT}{limit}"));
                let paths = paths.iter().map(|path| {
                    // The kubelet expands `$(NAME)` in arguments, and not in mount paths.
                    let plain = path.mount.path.replace('$', "$$");
                    if path.optional { format!("{IF_PRESENT}{plain}") } else { plain }
                });
                list(object, "args", limit.into_iter().chain(paths).map(Cow::Owned));
            }
        }
        object.some("resources", |object| {
            for (key, amounts) in [("limits", &resources.limits), ("requests", &resources.requests)]
            {
                object.some(key, |object| {
                    for (name, amount) in amounts.iter().flat_map(|amounts| amounts.iter()) {
                        object.member(name, |out| out.raw(amount));
                    }
                });
            }
        });
        security_context(object, *user);
        object.member("terminationMessagePolicy", |out| out.word("FallbackToLogsOnError"));
        object.member("volumeMounts", |out| mounts(out, program, task, names));
    });
}

fn list<'t>(
    object: &mut Object<'_>,
    key: &'static str,
    words: impl IntoIterator<Item = Cow<'t, str>>,
) {
    object.member(key, |out| out.array(words, |out, word| out.text(&word)));
}

/// As hard as any policy asks for: [`Container::seeding`] knows it by this.
fn security_context(object: &mut Object<'_>, user: SeedUser) {
    object.object("securityContext", |object| {
        object.member("allowPrivilegeEscalation", |out| out.flag(false));
        object.object("capabilities", |object| list(object, "drop", [Cow::Borrowed("ALL")]));
        object.member("readOnlyRootFilesystem", |out| out.flag(true));
        object.member("runAsNonRoot", |out| out.flag(true));
        if let Some(uid) = user.uid {
            object.member("runAsUser", |out| out.number(uid));
        }
        if let Some(gid) = user.gid {
            object.member("runAsGroup", |out| out.number(gid));
        }
        object.object("seccompProfile", |object| object.string("type", "RuntimeDefault"));
    });
}

fn mounts(out: &mut Json, program: &str, task: &SeedTask<'_>, names: &dyn Fn(usize) -> String) {
    let paths = match task {
        SeedTask::Install => &[][..],
        SeedTask::Copy { paths, .. } => paths,
    };
    let targets = paths
        .iter()
        .map(|path| (names(path.mount.volume), format!("{TARGETS}{}", path.mount.path)));
    let program = (program.to_owned(), PROGRAM_DIRECTORY.to_owned());
    out.array([program].into_iter().chain(targets), |out, (name, path)| {
        out.object(|object| {
            object.string("name", &name);
            object.string("mountPath", &path);
            if path == PROGRAM_DIRECTORY && matches!(task, SeedTask::Copy { .. }) {
                object.member("readOnly", |out| out.flag(true));
            }
        });
    });
}
