//! What a message names: a path, a port, a user. Programs quote them in many ways, and name
//! other paths beside: their own, and those of their sources.

use super::mounts::{Mounts, Place};

/// A line that a program, the kubelet or the API server wrote, and what stands around it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'m> {
    /// The line.
    pub(super) line: &'m str,
    /// The stack trace that belongs to it; empty if there is none.
    pub(super) trace: &'m str,
    /// What is mounted where it was said, if that is known.
    pub(super) mounts: Option<&'m Mounts>,
}

impl Message<'_> {
    /// Where the path that the message names lies; `None` if it names none, or nothing is known of
    /// mounts.
    pub(super) fn place(&self) -> Option<Place> {
        self.mounts.zip(path(self.line)).map(|(mounts, path)| mounts.place(path))
    }
}

/// Words before a source location: `x.sh: line 3`, `File "x.py", line 3`, `x.pl line 3`.
const LOCATIONS: [&str; 5] = [": line ", "\", line ", ", line ", " line ", " on line "];
/// Words of a message about a path that is being moved. The path that counts comes last.
const MOVES: [&str; 4] = [" -> ", "rename", "' to '", "symbolic link"];
/// Words of a message about a directory itself, and not about a file in one.
const DIRECTORIES: [&str; 8] = [
    "mkdir",
    "create director",
    "creating director",
    "create the director",
    "createdirectory",
    "create parent director",
    "create temporary director",
    "make director",
];
/// The same for a directory that exists.
const EXISTING: [&str; 2] = ["of directory ", " dir /"];
/// Directories for what programs write as they run. What an image has there, its program makes
/// again.
const TRANSIENT: [&str; 8] =
    ["/run", "/var/run", "/var/lock", "/var/cache", "/var/log", "/var/spool", "/var/tmp", "/data"];
/// Directories of which each program has one: below it, a directory is made beside others.
const OF_PROGRAMS: [&str; 4] = ["/var/lib/", "/var/cache/", "/var/log/", "/var/spool/"];

/// The path that a message is about: absolute, as it is written. Not the path of a program or of
/// a line of source.
pub fn path(line: &str) -> Option<&str> {
    let all: Vec<Mention<'_>> = mentions(line).collect();
    let about: Vec<&Mention<'_>> = all.iter().filter(|it| !it.is_location).collect();
    let moves = MOVES.iter().any(|words| line.contains(words));
    // `/init: cannot create /x`: who says it comes first.
    let skipped = usize::from(about.len() > 1 && about.first().is_some_and(|it| it.speaks));
    let mut about = about.into_iter().skip(skipped);
    let found = if moves { about.last() } else { about.next() };
    found.map(|it| it.path)
}

/// The directory to make writable for what a message is about, and whether the image may have
/// something there.
pub(super) fn directory(line: &str) -> Option<(String, bool)> {
    let path = path(line)?.trim_end_matches('/').replace("//", "/");
    let lower = line.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    let (new, existing) = (says(&DIRECTORIES), says(&EXISTING));
    if let Some(hidden) = hidden(&path, new) {
        return Some((hidden, false));
    }
    let parent = || path.rsplit_once('/').map(|(parent, _)| parent).filter(|it| !it.is_empty());
    // Beside the first directory that a program makes, it makes others.
    let of_program = |it: &&str| {
        let below = OF_PROGRAMS.iter().find_map(|start| it.strip_prefix(start));
        below.is_some_and(|below| !below.is_empty())
    };
    let directory = match (new, existing) {
        (true, _) => parent().filter(of_program).unwrap_or(&path),
        (false, true) => &path,
        (false, false) => parent()?,
    };
    let transient = TRANSIENT.iter().any(|root| {
        directory.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let made = new || existing || transient || directory.starts_with("/var/lib/");
    Some((directory.to_owned(), !made))
}

/// The topmost hidden directory of a path: nobody's image has content there.
fn hidden(path: &str, is_directory: bool) -> Option<String> {
    let at = path.find("/.").filter(|at| !path.get(at + 2..).is_some_and(|it| it.is_empty()))?;
    let rest = path.get(at + 1..)?;
    let end = rest.find('/').or(is_directory.then_some(rest.len()))?;
    path.get(..at + 1 + end).map(str::to_owned)
}

/// A path in a message.
struct Mention<'m> {
    path: &'m str,
    /// Whether a line of source is named.
    is_location: bool,
    /// Whether the message begins with it, as with the name of the program that speaks.
    speaks: bool,
}

fn mentions(line: &str) -> impl Iterator<Item = Mention<'_>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        loop {
            let start = rest + line.get(rest..)?.find('/')?;
            let (end, mention) = mention(line, start);
            rest = end.max(start + 1);
            if mention.is_some() {
                return mention;
            }
        }
    })
}

/// The path that begins at `start`, if one does, and where what was looked at ends.
fn mention(line: &str, start: usize) -> (usize, Option<Mention<'_>>) {
    let before = line.get(..start).and_then(|before| before.chars().next_back());
    let text = line.get(start..).unwrap_or_default();
    let quote = match before {
        None => None,
        Some(c @ ('"' | '\'')) => Some(c),
        Some('`') => Some('\''),
        Some('‘') => Some('’'),
        Some('“') => Some('”'),
        Some(c) if c.is_whitespace() || "([{<=,".contains(c) => None,
        // `unix:/run/x.sock`, but not `http://x`.
        Some(':') if !text.starts_with("//") => None,
        Some(_) => {
            let word = text.find(|c: char| c.is_whitespace()).unwrap_or(text.len());
            return (start + word, None);
        }
    };
    let ends = |c: char| c.is_whitespace() || "\"'`(),;<>[]{}‘’“”".contains(c);
    let quoted = quote.and_then(|quote| text.find(quote));
    let end = quoted.or_else(|| text.find(ends)).unwrap_or(text.len());
    let word = text.get(..end).unwrap_or_default();
    // `x.rb:243:in`
    let numbered = word.find(':').filter(|at| {
        word.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    let path = word.get(..numbered.unwrap_or(end)).unwrap_or_default();
    let path = path.trim_end_matches([':', '.', ';']);
    let after = text.get(path.len()..).unwrap_or_default();
    let is_location = numbered.is_some()
        || LOCATIONS.iter().any(|words| follows(after, words))
        || follows(after, ": ")
            && after
                .trim_start_matches(|c: char| c == ':' || c == ' ' || c.is_ascii_digit())
                .starts_with(": ");
    let speaks = line.get(..start).is_some_and(str::is_empty) && after.starts_with(": ");
    let path =
        (path.len() > 1 && !path.contains("/bin/") && !path.contains("/sbin/")).then_some(path);
    (start + end, path.map(|path| Mention { path, is_location, speaks }))
}

/// Whether these words follow, with a digit after them.
fn follows(after: &str, words: &str) -> bool {
    after.strip_prefix(words).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The port that a message names, beside the address or after the word `port`.
pub fn port(line: &str) -> Option<u16> {
    let mut before = "";
    for word in line.split(|c: char| c.is_whitespace() || "\"'`(),;".contains(c)) {
        let word = word.trim_end_matches([':', '.']);
        // HAProxy's `[0.0.0.0:80]`.
        let inner = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
        let word = inner.unwrap_or(word);
        if word.is_empty() {
            continue;
        }
        let beside = word.rsplit_once(':').filter(|(host, _)| is_address(host));
        let alone = (before.eq_ignore_ascii_case("port") || is_ip(before)).then_some(word);
        let digits = beside.map(|(_, port)| port).or(alone);
        if let Some(port) = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0) {
            return Some(port);
        }
        before = word;
    }
    None
}

/// Whether this is what stands before the colon and the port.
fn is_address(host: &str) -> bool {
    let host = host.rsplit_once('/').map_or(host, |(_, host)| host);
    matches!(host, "" | "*" | ":" | "::" | "localhost") || host.starts_with('[') || is_ip(host)
}

fn is_ip(text: &str) -> bool {
    text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok()
}

/// Words before a user's name.
const BEFORE_USERS: [&str; 6] =
    ["switching to \"", "non-numeric user (", "user \"", "user '", "for User ", "user="];
/// Longest name of a user, in bytes (`useradd`).
const LONGEST_NAME: usize = 32;

/// The name of the user that a message names, unless it is root.
pub(super) fn user(line: &str) -> Option<&str> {
    let after = |words: &&str| line.split_once(words).map(|(_, after)| after);
    let name = BEFORE_USERS.iter().find_map(after)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    let name = name.get(..name.find(|c| !plain(c)).unwrap_or(name.len()))?;
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (is_name && name.len() <= LONGEST_NAME && name != "root").then_some(name)
}
