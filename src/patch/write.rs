//! Operations as JSON text, written straight into one buffer.

use std::borrow::Cow;

use crate::rules::seccomp_profile::Profile;

/// Room for the patch of an ordinary pod without growing.
const ORDINARY_PATCH: usize = 1024;

/// Writes operations.
pub(super) struct Writer<'r> {
    out: Json,
    root: &'r str,
    operations: usize,
}

impl<'r> Writer<'r> {
    pub(super) fn new(root: &'r str) -> Self {
        Self { out: Json(String::new()), root, operations: 0 }
    }

    pub(super) fn finish(mut self) -> (String, usize) {
        if self.operations > 0 {
            self.out.0.push(']');
        }
        (self.out.0, self.operations)
    }

    /// Appends `items` to the list at `path`; where the list is missing or empty, adds
    /// it whole.
    pub(super) fn append<T>(
        &mut self,
        path: &str,
        empty: bool,
        items: &[T],
        write: impl Fn(&mut Json, &T),
    ) {
        if empty && !items.is_empty() {
            self.operation("add", &[path]);
            self.out.array(items, &write);
            self.close();
            return;
        }
        for item in items {
            self.operation("add", &[path, "/-"]);
            write(&mut self.out, item);
            self.close();
        }
    }

    /// Opens an operation up to its value.
    fn operation(&mut self, op: &str, path: &[&str]) {
        if self.operations == 0 {
            self.out.0.reserve(ORDINARY_PATCH);
        }
        self.out.0.push(if self.operations == 0 { '[' } else { ',' });
        self.operations += 1;
        self.out.0.push_str("{\"op\":\"");
        self.out.0.push_str(op);
        self.out.0.push_str("\",\"path\":");
        let mut pointer = String::from(self.root);
        pointer.extend(path.iter().copied());
        self.out.text(&pointer);
        self.out.0.push_str(",\"value\":");
    }

    fn close(&mut self) {
        self.out.0.push('}');
    }
}

/// Sets members of one object: one operation a member where the object is there and
/// holds something, one operation for the whole object where it does not.
pub(super) struct Edit<'w, 'r> {
    writer: &'w mut Writer<'r>,
    /// Where the object is.
    path: Cow<'w, str>,
    state: State,
}

/// How members are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The object is there: each member is an operation.
    Members,
    /// The object is to be added whole; nothing is written yet.
    Unopened,
    /// The object is being written.
    Open,
}

impl<'w, 'r> Edit<'w, 'r> {
    pub(super) fn new(writer: &'w mut Writer<'r>, path: &'w str, has_members: bool) -> Self {
        let state = if has_members { State::Members } else { State::Unopened };
        Self { writer, path: Cow::Borrowed(path), state }
    }

    pub(super) fn flag(&mut self, key: &str, exists: bool, value: Option<bool>) {
        if let Some(value) = value {
            self.value(key, exists, |out| out.0.push_str(if value { "true" } else { "false" }));
        }
    }

    pub(super) fn number(&mut self, key: &str, exists: bool, value: Option<i64>) {
        if let Some(value) = value {
            self.value(key, exists, |out| out.0.push_str(&value.to_string()));
        }
    }

    /// Sets one member.
    pub(super) fn value(&mut self, key: &str, exists: bool, write: impl FnOnce(&mut Json)) {
        self.begin(key, exists);
        write(&mut self.writer.out);
        self.end();
    }

    /// Appends to a member that is a list.
    pub(super) fn append<T>(
        &mut self,
        key: &str,
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
            let path = [&*self.path, "/", key].concat();
            self.writer.append(&path, false, items, write);
        }
    }

    /// Sets members of a member that is an object itself.
    pub(super) fn nested(
        &mut self,
        key: &str,
        has_members: bool,
        edit: impl FnOnce(&mut Edit<'_, 'r>),
    ) {
        let path = [&*self.path, "/", key].concat();
        if self.state == State::Members && has_members {
            let mut inner =
                Edit { writer: self.writer, path: Cow::Owned(path), state: State::Members };
            return edit(&mut inner);
        }
        self.begin(key, false);
        self.writer.out.0.push('{');
        let mut inner = Edit { writer: self.writer, path: Cow::Owned(path), state: State::Open };
        edit(&mut inner);
        self.writer.out.0.push('}');
        self.end();
    }

    /// Ends the object, where one was opened.
    pub(super) fn finish(self) {
        if self.state == State::Open {
            self.writer.out.0.push('}');
            self.writer.close();
        }
    }

    fn begin(&mut self, key: &str, exists: bool) {
        match self.state {
            State::Members => {
                let op = if exists { "replace" } else { "add" };
                let key = escape(key);
                let path = [&*self.path, "/", &key];
                self.writer.operation(op, &path);
                return;
            }
            State::Unopened => {
                self.writer.operation("add", &[&self.path]);
                self.writer.out.0.push('{');
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

/// One reference token of a JSON Pointer (RFC 6901, section 3).
fn escape(key: &str) -> Cow<'_, str> {
    if key.contains(['~', '/']) {
        Cow::Owned(key.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(key)
    }
}

/// A buffer of JSON text.
pub(super) struct Json(String);

impl Json {
    /// A string.
    pub(super) fn text(&mut self, text: &str) {
        let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\';
        if text.bytes().all(plain) {
            self.0.push('"');
            self.0.push_str(text);
            self.0.push('"');
        } else {
            // A string always has a JSON form.
            self.0.push_str(&serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned()));
        }
    }

    /// An array of strings.
    pub(super) fn list(&mut self, texts: &[Cow<'_, str>]) {
        self.array(texts, |out, text| out.text(text));
    }

    pub(super) fn array<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.0.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            write(self, item);
        }
        self.0.push(']');
    }

    /// An object.
    pub(super) fn object(&mut self, members: impl FnOnce(&mut Object<'_>)) {
        self.0.push('{');
        members(&mut Object(self));
        self.0.push('}');
    }

    /// A seccompProfile.
    pub(super) fn profile(&mut self, profile: &Profile) {
        self.object(|object| match profile {
            Profile::RuntimeDefault => object.string("type", "RuntimeDefault"),
            Profile::Localhost(path) => {
                object.string("type", "Localhost");
                object.string("localhostProfile", path);
            }
        });
    }

    /// A member's name, with the comma it needs.
    fn key(&mut self, key: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        self.text(key);
        self.0.push(':');
    }
}

/// The members of an object being written.
pub(super) struct Object<'j>(&'j mut Json);

impl Object<'_> {
    pub(super) fn string(&mut self, key: &str, value: &str) {
        self.0.key(key);
        self.0.text(value);
    }

    pub(super) fn object(&mut self, key: &str, members: impl FnOnce(&mut Object<'_>)) {
        self.0.key(key);
        self.0.object(members);
    }
}
