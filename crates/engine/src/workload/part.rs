//! A pod in an object, and where its parts are there.

use std::borrow::Cow;

use serde_json::Value;

/// A pod in an object.
#[derive(Clone, Debug, PartialEq)]
pub struct PodIn<'o> {
    /// JSON Pointer of the template, or of what stands for one, in the object.
    pub at: String,
    /// The pod: an object with `spec` and perhaps `metadata`.
    pub pod: Cow<'o, Value>,
    /// Where the parts of the pod are in the object.
    pub parts: Vec<Part>,
    /// Why this one cannot be edited, whatever its kind takes.
    pub left: Option<&'static str>,
}

/// A part of a pod, and where it is in the object.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// JSON Pointer in the pod.
    pub pod: String,
    /// JSON Pointer in the object.
    pub object: String,
    /// Value that the part has in the pod although it does not stand there in the object. To change
    /// it, it has to be written there. `None` if it stands there, or is to be written as it comes.
    pub inherited: Option<Value>,
}

impl Part {
    pub(super) fn new(pod: &str, object: String) -> Self {
        Self { pod: pod.to_owned(), object, inherited: None }
    }
}
