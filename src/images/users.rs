//! Who an image's user is in a pod that says nothing of users, by the image's own `/etc/passwd` and
//! `/etc/group`.
//!
//! The kubelet tells the runtime the part of the user before `:` and no more (`GetImageUser` and
//! `getUserFromImage` in containerd's CRI plugin, `determineEffectiveSecurityContext` in the
//! kubelet): a group that is stated there counts for nothing, whether it exists or not. Without that
//! part, as in `:web` and where there is no user at all, it tells the uid 0.
//!
//! As containerd resolves it then: `WithUser` and `WithAdditionalGIDs` (`pkg/oci/spec_opts.go`), over
//! the parser of `github.com/moby/sys/user`. That one takes what it can from a malformed line: a
//! number that is none is 0, a missing field is empty. Of numbers in the files, only the lower 32
//! bits count.

/// Maximum uid that an image may state: runc's.
const MAX: i64 = i32::MAX as i64;
/// What the kernel has for no id at all: `setuid` and `setgroups` fail with it.
const NO_ID: u32 = u32::MAX;
/// Maximum length of a line of `/etc/passwd`, in bytes: that of Go's `bufio.Scanner`.
const PASSWD_LINE: usize = 64 << 10;
/// The same for `/etc/group`, whose lines list members.
const GROUP_LINE: usize = 1 << 20;

/// A file of users or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Database<'t> {
    /// The image has none.
    Absent,
    /// It is a directory or a device, or a link that leads in a circle or below a file.
    Unusable,
    Text(&'t str),
}

/// A user, as a container runtime starts a process with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// All groups, ascending. The user's own is among them, as containerd has it.
    pub(super) groups: Vec<u32>,
    /// The home directory in `/etc/passwd`.
    pub(super) home: Option<String>,
}

/// Resolves the user of an image's configuration. Empty is root.
///
/// # Errors
/// Why no container runtime can start the image as this user.
pub(super) fn resolve(
    user: &str,
    passwd: Database<'_>,
    group: Database<'_>,
) -> Result<User, String> {
    let name = without_group(user);
    let (uid, gid) = match Id::read(name)? {
        Id::Number(uid) => {
            let entry = find_user(passwd, |entry| entry.uid == uid)?;
            entry.map_or((uid, 0), |entry| (entry.uid, entry.gid))
        }
        Id::Name(name) => {
            let entry = find_user(passwd, |entry| entry.name == name)?;
            let entry = entry.ok_or_else(|| no_entry(name, passwd))?;
            (entry.uid, entry.gid)
        }
    };
    let mut groups = supplementary(name, passwd, group)?;
    groups.push(gid);
    let mut groups: Vec<u32> = groups.into_iter().map(truncated).collect();
    groups.sort_unstable();
    groups.dedup();
    let of_uid = |entry: &Passwd<'_>| entry.uid == i64::from(truncated(uid));
    let home = find_user(passwd, of_uid).ok().flatten().map(|entry| entry.home);
    let home = home.filter(|home| !home.is_empty()).map(str::to_owned);
    let user = User { uid: truncated(uid), gid: truncated(gid), groups, home };
    if user.uid == NO_ID || user.groups.contains(&NO_ID) {
        return Err(format!("`{name}` has the uid or a gid {NO_ID}, which is nobody's"));
    }
    Ok(user)
}

/// The uid of a configuration's user, where it is known without any file.
pub(super) fn number(user: &str) -> Option<u32> {
    match Id::read(without_group(user)).ok()? {
        Id::Number(uid) => u32::try_from(uid).ok(),
        Id::Name(_) => None,
    }
}

/// What the kubelet tells the runtime.
fn without_group(user: &str) -> &str {
    match user.split(':').next() {
        None | Some("") => "0",
        Some(name) => name,
    }
}

/// An id of a file as containerd hands it on.
fn truncated(id: i64) -> u32 {
    let [a, b, c, d, ..] = id.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn no_entry(name: &str, passwd: Database<'_>) -> String {
    match passwd {
        Database::Absent => {
            format!("user `{name}` is looked for in /etc/passwd, which it does not have")
        }
        _ => format!("user `{name}` is not in its /etc/passwd"),
    }
}

/// The user of a configuration.
enum Id<'t> {
    Number(i64),
    Name(&'t str),
}

impl<'t> Id<'t> {
    /// A number wherever Go's `strconv.Atoi` reads one: never the name of an entry then, whatever
    /// `/etc/passwd` has.
    fn read(text: &'t str) -> Result<Self, String> {
        match atoi(text) {
            Ok(number) if (0..=MAX).contains(&number) => Ok(Self::Number(number)),
            Ok(_) | Err(NotANumber::Range) => Err(format!("uid `{text}` is out of range")),
            Err(NotANumber::Syntax) => Ok(Self::Name(text)),
        }
    }
}

enum NotANumber {
    Syntax,
    Range,
}

/// `strconv.Atoi`: an optional sign and decimal digits.
fn atoi(text: &str) -> Result<i64, NotANumber> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber::Syntax);
    }
    text.parse().map_err(|_| NotANumber::Range)
}

/// A number in a database: 0 if it is none, and the largest or smallest if it is out of range.
fn lenient(text: &str) -> i64 {
    match atoi(text) {
        Ok(number) => number,
        Err(NotANumber::Syntax) => 0,
        Err(NotANumber::Range) if text.starts_with('-') => i64::MIN,
        Err(NotANumber::Range) => i64::MAX,
    }
}

/// The groups that list the user of this uid or name, but for one of the user's own name.
fn supplementary(
    user: &str,
    passwd: Database<'_>,
    group: Database<'_>,
) -> Result<Vec<i64>, String> {
    let name = match atoi(user) {
        Ok(uid) => match find_user(passwd, |entry| entry.uid == uid)? {
            Some(entry) => entry.name,
            None => return Ok(Vec::new()),
        },
        Err(_) => user,
    };
    let lists = |entry: &Group<'_>| {
        entry.name != name
            && entry.members.split(',').any(|member| member == name && !entry.members.is_empty())
    };
    Ok(groups(group)?.filter(lists).map(|entry| entry.gid).collect())
}

struct Passwd<'t> {
    name: &'t str,
    uid: i64,
    gid: i64,
    home: &'t str,
}

struct Group<'t> {
    name: &'t str,
    gid: i64,
    members: &'t str,
}

/// The first entry that fits.
fn find_user<'t>(
    passwd: Database<'t>,
    fits: impl Fn(&Passwd<'t>) -> bool,
) -> Result<Option<Passwd<'t>>, String> {
    let mut entries = lines(passwd, "/etc/passwd", PASSWD_LINE)?.map(|line| {
        let mut fields = line.split(':').chain(std::iter::repeat(""));
        let mut next = || fields.next().unwrap_or_default();
        let (name, _, uid, gid, _, home) = (next(), next(), next(), next(), next(), next());
        Passwd { name, uid: lenient(uid), gid: lenient(gid), home }
    });
    Ok(entries.find(fits))
}

fn groups<'t>(group: Database<'t>) -> Result<impl Iterator<Item = Group<'t>>, String> {
    let lines = lines(group, "/etc/group", GROUP_LINE)?;
    Ok(lines.filter(|line| !line.starts_with('#')).map(|line| {
        let mut fields = line.split(':').chain(std::iter::repeat(""));
        let mut next = || fields.next().unwrap_or_default();
        let (name, _, gid, members) = (next(), next(), next(), next());
        Group { name, gid: lenient(gid), members }
    }))
}

/// Lines that are not blank, without blanks around them. A line that is too long is an error,
/// wherever it stands: the whole file is read before the first entry counts.
fn lines<'t>(
    database: Database<'t>,
    path: &str,
    longest: usize,
) -> Result<impl Iterator<Item = &'t str>, String> {
    let text = match database {
        Database::Absent => "",
        Database::Unusable => return Err(format!("its {path} is not a regular file")),
        Database::Text(text) => text,
    };
    if text.split('\n').any(|line| line.len() >= longest) {
        return Err(format!("its {path} has a line of more than {longest} bytes"));
    }
    Ok(text.split('\n').map(str::trim).filter(|line| !line.is_empty()))
}

#[cfg(test)]
mod tests;
