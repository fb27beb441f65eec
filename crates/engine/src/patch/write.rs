//! Operations as JSON text, written straight into one buffer.
//!
//! `remove` is private to this module and the one below it: only [`token`] can say it.

pub(super) mod token;

use std::borrow::Cow;

use crate::json::Json;
use crate::rules::seccomp_profile::Profile;

/// Initial buffer size in bytes, enough for the patch of an ordinary pod: one part for the
/// pod, one for each container, the note about it included.
const ORDINARY_POD: usize = 768;
const ORDINARY_CONTAINER: usize = 768;

/// Writes operations.
pub(super) struct Writer<'r> {
    out: Json,
    root: &'r str,
    operations: usize,
    room: usize,
}

/// What an operation does (RFC 6902, section 4).
#[derive(Clone, Copy)]
enum Op {
    Add,
    Replace,
    Remove,
}

/// Number of tokens in the deepest path written,
/// `/spec/containers/0/securityContext/capabilities/add/-`.
const DEPTH: usize = 7;

/// A path below the pod, as reference tokens of a JSON Pointer (RFC 6901, section 3). The
/// tokens are escaped and all ironhull's own: none needs JSON escaping.
#[derive(Clone, Copy, Default)]
pub(super) struct Path<'p> {
    tokens: [&'p str; DEPTH],
    len: usize,
}

impl<'p> Path<'p> {
    pub(super) fn new(tokens: &[&'p str]) -> Self {
        tokens.iter().fold(Self::default(), |path, token| path.then(token))
    }

    /// The path of a member or an element.
    pub(super) fn then(mut self, token: &'p str) -> Self {
        if let Some(slot) = self.tokens.get_mut(self.len) {
            *slot = token;
            self.len += 1;
        }
        self
    }

    fn tokens(&self) -> impl Iterator<Item = &'p str> {
        self.tokens.iter().copied().take(self.len)
    }
}

impl<'r> Writer<'r> {
    /// A writer with room for this many `containers`.
    pub(super) fn new(root: &'r str, containers: usize) -> Self {
        let room = ORDINARY_POD + containers * ORDINARY_CONTAINER;
        Self { out: Json::default(), root, operations: 0, room }
    }

    pub(super) fn finish(mut self) -> (String, usize) {
        if self.operations > 0 {
            self.out.raw("]");
        }
        (self.out.into_string(), self.operations)
    }

    /// Appends `items` to the list at `path`, or adds the whole list if it is missing or
    /// empty.
    pub(super) fn append<T>(
        &mut self,
        path: Path<'_>,
        empty: bool,
        items: &[T],
        write: impl Fn(&mut Json, &T),
    ) {
        if empty && !items.is_empty() {
            self.operation(Op::Add, path);
            self.out.array(items, &write);
            self.close();
            return;
        }
        for item in items {
            self.operation(Op::Add, path.then("-"));
            write(&mut self.out, item);
            self.close();
        }
    }

    /// Adds a value at `path`.
    pub(super) fn add(&mut self, path: Path<'_>, write: impl FnOnce(&mut Json)) {
        self.operation(Op::Add, path);
        write(&mut self.out);
        self.close();
    }

    /// Removes the value at `path`.
    fn remove(&mut self, path: Path<'_>) {
        self.open(Op::Remove, path);
        self.close();
    }

    /// Opens an operation up to its value.
    fn operation(&mut self, op: Op, path: Path<'_>) {
        self.open(op, path);
        self.out.raw(",\"value\":");
    }

    /// Opens an operation up to its path.
    fn open(&mut self, op: Op, path: Path<'_>) {
        if self.operations == 0 {
            self.out.reserve(self.room);
        }
        self.out.raw(if self.operations == 0 { "[" } else { "," });
        self.operations += 1;
        self.out.raw("{\"op\":\"");
        self.out.raw(match op {
            Op::Add => "add",
            Op::Replace => "replace",
            Op::Remove => "remove",
        });
        self.out.raw("\",\"path\":\"");
        self.out.inner(self.root);
        for token in path.tokens() {
            self.out.raw("/");
            self.out.raw(token);
        }
        self.out.raw("\"");
    }

    fn close(&mut self) {
        self.out.raw("}");
    }
}

/// Sets members of one object: one operation per member if the object exists and has members,
/// else one operation for the whole object.
pub(super) struct Edit<'w, 'r> {
    writer: &'w mut Writer<'r>,
    /// The object's path.
    path: Path<'w>,
    state: State,
}

/// How members are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The object exists: each member is an operation.
    Members,
    /// The object will be added whole; nothing is written yet.
    Unopened,
    /// The object is being written.
    Open,
}

impl<'w, 'r> Edit<'w, 'r> {
    pub(super) fn new(writer: &'w mut Writer<'r>, path: Path<'w>, has_members: bool) -> Self {
        let state = if has_members { State::Members } else { State::Unopened };
        Self { writer, path, state }
    }

    pub(super) fn flag(&mut self, key: &'static str, exists: bool, value: Option<bool>) {
        if let Some(value) = value {
            self.value(key, exists, |out| out.flag(value));
        }
    }

    pub(super) fn number(&mut self, key: &'static str, exists: bool, value: Option<i64>) {
        if let Some(value) = value {
            self.value(key, exists, |out| out.number(value));
        }
    }

    /// Sets one member.
    pub(super) fn value(&mut self, key: &'static str, exists: bool, write: impl FnOnce(&mut Json)) {
        self.begin(key, exists);
        write(&mut self.writer.out);
        self.end();
    }

    /// Replaces a member whose name comes from outside and needs escaping.
    pub(super) fn theirs(&mut self, key: &str, write: impl FnOnce(&mut Json)) {
        let mut token = Json::default();
        token.inner(&escape(key));
        self.writer.operation(Op::Replace, self.path.then(&token.into_string()));
        write(&mut self.writer.out);
        self.writer.close();
    }

    /// Appends to a member that is a list.
    pub(super) fn append<T>(
        &mut self,
        key: &'static str,
        empty: bool,
        items: &[T],
        write: impl Fn(&mut Json, &T),
    ) {
        if items.is_empty() {
            return;
        }
        if empty || self.state != State::Members {
            self.value(key, false, |out| out.array(items, &write));
        } else {
            self.writer.append(self.path.then(key), false, items, write);
        }
    }

    /// Sets members of a nested object.
    pub(super) fn nested(
        &mut self,
        key: &'static str,
        has_members: bool,
        edit: impl FnOnce(&mut Edit<'_, 'r>),
    ) {
        let path = self.path.then(key);
        if self.state == State::Members && has_members {
            let mut inner = Edit { writer: self.writer, path, state: State::Members };
            return edit(&mut inner);
        }
        self.begin(key, false);
        self.writer.out.raw("{");
        let mut inner = Edit { writer: self.writer, path, state: State::Open };
        edit(&mut inner);
        self.writer.out.raw("}");
        self.end();
    }

    /// Ends the object, if one was opened.
    pub(super) fn finish(self) {
        if self.state == State::Open {
            self.writer.out.raw("}");
            self.writer.close();
        }
    }

    fn begin(&mut self, key: &'static str, exists: bool) {
        match self.state {
            State::Members => {
                let op = if exists { Op::Replace } else { Op::Add };
                self.writer.operation(op, self.path.then(&escape(key)));
                return;
            }
            State::Unopened => {
                self.writer.operation(Op::Add, self.path);
                self.writer.out.raw("{");
                self.state = State::Open;
            }
            State::Open => {}
        }
        self.writer.out.key(key);
    }

    fn end(&mut self) {
        if self.state == State::Members {
            self.writer.close();
        }
    }
}

/// Escapes a key as a reference token of a JSON Pointer (RFC 6901, section 3).
fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) {
        Cow::Owned(key.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(key)
    }
}

/// A seccompProfile.
pub(super) fn profile(out: &mut Json, profile: &Profile) {
    out.object(|object| match profile {
        Profile::RuntimeDefault => object.string("type", "RuntimeDefault"),
        Profile::Localhost(path) => {
            object.string("type", "Localhost");
            object.string("localhostProfile", path);
        }
    });
}
