//! `harden()`: folds the rules over a pod.
use std::marker::PhantomData;
/// One hardening of one pod.
pub struct Pass<'p, 'a>(PhantomData<(&'p (), &'a ())>);
