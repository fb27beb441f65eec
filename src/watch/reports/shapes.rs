//! What runs in pods: the same of alike pods is kept once.

use std::collections::HashSet;
use std::sync::Arc;

use crate::evidence::openreports::Fact;
use crate::evidence::watched::WatchedContainer;

/// Maximum memory of all texts and tables kept here, in bytes. Pods of 10,000 workloads that differ in
/// everything take about half of it; whoever may create pods can fill it.
pub const MAX_BYTES: usize = 16 << 20;

/// Maximum number of containers of a pod that are kept.
const MAX_CONTAINERS: usize = 100;

/// The containers of a pod that run, by name.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape(Box<[Container]>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Container {
    name: Box<str>,
    /// One for each check.
    facts: Box<[Arc<Fact>]>,
}

/// The shapes and facts of all pods, each kept once.
#[derive(Debug, Default)]
pub struct Shapes {
    facts: HashSet<Arc<Fact>>,
    shapes: HashSet<Arc<Shape>>,
    /// About what they take, in bytes.
    bytes: usize,
    /// The same after the last sweep.
    swept: usize,
}

impl Shape {
    /// Every fact, with the name of its container.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &Fact)> {
        let containers = self.0.iter();
        containers.flat_map(|it| it.facts.iter().map(|fact| (&*it.name, &**fact)))
    }

    fn size(&self) -> usize {
        let of = |it: &Container| {
            size_of::<Container>() + it.name.len() + it.facts.len() * size_of::<Arc<Fact>>()
        };
        size_of::<Self>() + self.0.iter().map(of).sum::<usize>()
    }
}

impl Shapes {
    /// The shape of a pod with these containers, which had the shape `before`; `None` if there is no
    /// room for it. A container that is being started again keeps the facts of when it ran.
    pub fn of(
        &mut self,
        seen: Vec<WatchedContainer>,
        before: Option<&Shape>,
    ) -> Option<Arc<Shape>> {
        let mut containers = Vec::new();
        for container in seen.into_iter().take(MAX_CONTAINERS) {
            let WatchedContainer { name, runs, lasts, facts } = container;
            if runs {
                let facts = facts.into_iter().map(|fact| self.fact(fact)).collect();
                containers.push(Container { name, facts });
            } else if lasts {
                let known = before.and_then(|it| it.0.iter().find(|it| it.name == name));
                containers.extend(known.cloned());
            }
        }
        containers.sort_unstable();
        let shape = Shape(containers.into());
        if let Some(known) = self.shapes.get(&shape) {
            return Some(Arc::clone(known));
        }
        self.bytes += shape.size();
        if self.bytes > MAX_BYTES {
            self.sweep();
            if self.bytes + shape.size() > MAX_BYTES {
                return None;
            }
            self.bytes += shape.size();
        }
        let shape = Arc::new(shape);
        self.shapes.insert(Arc::clone(&shape));
        Some(shape)
    }

    fn fact(&mut self, fact: Fact) -> Arc<Fact> {
        if let Some(known) = self.facts.get(&fact) {
            return Arc::clone(known);
        }
        self.bytes += size_of::<Fact>() + fact.size();
        let fact = Arc::new(fact);
        self.facts.insert(Arc::clone(&fact));
        fact
    }

    /// Drops what no pod has any more, if that may be much.
    pub fn tidy(&mut self) {
        if self.bytes > 2 * self.swept + (64 << 10) {
            self.sweep();
        }
    }

    /// Drops what no pod has any more.
    pub fn sweep(&mut self) {
        self.shapes.retain(|shape| Arc::strong_count(shape) > 1);
        self.facts.retain(|fact| Arc::strong_count(fact) > 1);
        self.shapes.shrink_to_fit();
        self.facts.shrink_to_fit();
        let shapes: usize = self.shapes.iter().map(|shape| shape.size()).sum();
        let facts: usize = self.facts.iter().map(|fact| size_of::<Fact>() + fact.size()).sum();
        self.bytes = shapes + facts;
        self.swept = self.bytes;
    }
}
