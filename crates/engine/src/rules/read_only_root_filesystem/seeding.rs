//! The init containers that fill emptyDirs with what an image has at their paths.

use std::collections::HashSet;

use super::Settings;
use super::names::Names;
use super::paths::Seed;
use crate::pass::{Examined, Pass};
use crate::patch::{
    Correction, NewMount, NewVolume, SeedContainer, SeedPath, SeedTask, SeedUser, SeedingPlan,
};
use crate::pod::seeding::{PROGRAM_DIRECTORY, SEED, Seeding};
use crate::policy::Quantity;
use crate::rules::read_only_root_filesystem::Medium;

/// sizeLimit of the emptyDir with the program: twice what the largest image of ironhull may have.
const PROGRAM_LIMIT: &str = "64Mi";

/// What is to be seeded in one pod.
#[derive(Default)]
pub(super) struct Seeds<'p> {
    /// The new emptyDirs, by the index of their container.
    new: Vec<(usize, Vec<SeedPath<'p>>)>,
    /// Containers that are seeded already, and by which of `spec.initContainers`.
    present: Vec<(usize, usize)>,
}

impl<'p> Seeds<'p> {
    /// Has an emptyDir of a container filled.
    pub(super) fn add(&mut self, container: usize, mount: NewMount<'p>, seed: Seed) {
        let path = SeedPath { mount, optional: seed.optional };
        match self.new.last_mut() {
            Some((same, paths)) if *same == container => paths.push(path),
            _ => self.new.push((container, vec![path])),
        }
    }

    /// Has the init containers of an earlier pass agree with the container they work for.
    pub(super) fn check(&mut self, container: usize, by: Vec<usize>) {
        self.present.extend(by.into_iter().map(|init| (container, init)));
        self.present.dedup();
    }

    /// Plans the init containers.
    pub(super) fn plan(self, pass: &mut Pass<'p>, settings: &'p Settings, names: &mut Names<'p>) {
        let Self { new, present } = self;
        let mut plan = SeedingPlan::default();
        for (index, init) in present {
            let found = pass.containers.get(index).zip(pass.pod.spec.init_containers.get(init));
            let Some((examined, container)) = found else { continue };
            let image = &*examined.placed.container.image;
            // Nothing copies as root, and what is there was copied for another user.
            if examined.may_be_root() {
                continue;
            }
            let user = examined.seed_user();
            plan.corrections.push(Correction { index: init, container, image, user });
        }
        // Several containers may mount the directory that one of them has filled: it is right if it
        // is right for one, and otherwise becomes that of the first.
        let right = plan.corrections.iter().filter(|it| !it.is_needed()).map(|it| it.index);
        let mut settled: HashSet<usize> = right.collect();
        plan.corrections.retain(|it| settled.insert(it.index));
        // Nothing is asked to be seeded where the image is not known.
        if let Some(image) = pass.seed_image.filter(|_| !new.is_empty()) {
            let mut taken = Names::of_containers(pass);
            let program = program(pass, names);
            // ironhull's first container stands first, unless another webhook has put something before
            // it. That may be what is to be seeded.
            let first = pass.pod.spec.init_containers.first();
            plan.at = usize::from(first.is_some_and(|it| it.seeding() == Some(Seeding::Install)));
            let of = |index: usize| pass.containers.get(index);
            if let Some(examined) = new.first().filter(|_| plan.at == 0).and_then(|(it, _)| of(*it))
            {
                plan.containers.push(SeedContainer {
                    name: taken.take(SEED.to_owned()),
                    image: image.name,
                    pull_policy: image.pull_policy,
                    user: examined.seed_user(),
                    resources: examined.placed.container.amounts(),
                    program: program.clone(),
                    task: SeedTask::Install,
                });
            }
            let size_limit = settings.size_limit.as_ref().map(Quantity::as_str);
            for (index, paths) in new {
                let Some(examined) = of(index) else { continue };
                let container = examined.placed.container;
                plan.containers.push(SeedContainer {
                    name: taken.take(super::names::label(&["seed-", &container.name])),
                    image: &container.image,
                    pull_policy: &container.image_pull_policy,
                    user: examined.seed_user(),
                    resources: container.amounts(),
                    program: program.clone(),
                    task: SeedTask::Copy { paths, size_limit },
                });
            }
        }
        pass.plan.seeding = plan;
    }
}

/// The name of the volume with the program: an earlier pass's, or a new one.
fn program<'p>(pass: &mut Pass<'p>, names: &mut Names<'p>) -> String {
    let installs = |it: &&crate::pod::Container<'_>| it.seeding() == Some(Seeding::Install);
    let old = pass.pod.spec.init_containers.iter().find(installs);
    if let Some(name) = old.and_then(|it| it.mounted_at(PROGRAM_DIRECTORY)) {
        return name.to_owned();
    }
    let name = names.take(SEED.to_owned());
    let (medium, size_limit) = (Medium::Disk, Some(PROGRAM_LIMIT));
    pass.plan.volumes.push(NewVolume { name: name.clone(), medium, size_limit });
    name
}

impl Examined<'_> {
    /// Who copies for this container: its own user.
    fn seed_user(&self) -> SeedUser {
        let user = &self.user;
        SeedUser { uid: user.uid.set.or(user.author.uid), gid: user.gid.set.or(user.author.gid) }
    }
}
