//! Manifests with something done to them.

use super::random::Random;

/// What YAML has, and what readers stumble over.
const WORDS: &[&str] = &[
    ": ",
    ":",
    "- ",
    "-",
    "? ",
    "?",
    "#",
    " # comment",
    "\n# comment\n",
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "\t",
    " ",
    "  ",
    "&a ",
    "*a",
    "<<: *a",
    "|\n",
    ">-\n",
    "|2-\n",
    "\"",
    "'",
    "{",
    "}",
    "[",
    "]",
    ",",
    "{}",
    "[]",
    "~",
    "null",
    "!!str ",
    "!!map ",
    "!x ",
    "---\n",
    "...\n",
    "--- # two\n",
    "%YAML 1.1\n",
    "\u{feff}",
    "ü",
    "\u{85}",
    "\u{2028}",
    "\\",
    "%",
    "@",
    "`",
    "securityContext:",
    "securityContext: {}",
    "containers:",
    "spec:",
    "metadata:",
    "annotations:",
    "volumes: []",
    "volumeMounts:",
    "capabilities: {}",
    "drop: [ALL]",
    "runAsUser: 0",
    "name: a",
    "image: a",
    "items:",
    "kind: List",
    "0644",
    "yes",
    "1_000",
];

/// One of the seeds, changed in some places.
pub fn mutated(random: &mut Random, seeds: &[String]) -> String {
    let mut text = random.pick(seeds);
    for _ in 0..=random.below(6) {
        text = step(random, text, seeds);
        // What is longer takes its time and shows nothing more.
        if text.len() > 8_000 {
            let at = (0..=4_000).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(at);
        }
    }
    text
}

fn step(random: &mut Random, mut text: String, seeds: &[String]) -> String {
    match random.below(14) {
        0 | 1 => text.insert_str(random.place(&text), random.pick(WORDS)),
        2 => {
            let (from, to) = span(random, &text, 12);
            text.replace_range(from..to, random.pick(WORDS));
        }
        3 => {
            let (from, to) = span(random, &text, 40);
            text.replace_range(from..to, "");
        }
        4 => {
            let (from, to) = span(random, &text, 200);
            let piece = text[from..to].to_owned();
            text.insert_str(random.place(&text), &piece);
        }
        5 => {
            let other = &random.pick(seeds);
            let (from, to) = (random.place(other), random.place(&text));
            text = format!("{}{}", &text[..to], &other[from..]);
        }
        6 => {
            return by_line(random, &text, |random, lines| {
                // A line, or several, further in or out.
                let at = random.below(lines.len());
                let by = random.below(4);
                let count = 1 + random.below(6);
                for line in lines.iter_mut().skip(at).take(count) {
                    *line = match line.strip_prefix("  ") {
                        Some(rest) if by == 0 => rest.to_owned(),
                        _ => format!("{}{line}", " ".repeat(by)),
                    };
                }
            });
        }
        7 => {
            return by_line(random, &text, |random, lines| {
                let (a, b) = (random.below(lines.len()), random.below(lines.len()));
                lines.swap(a, b);
            });
        }
        8 => {
            return by_line(random, &text, |random, lines| {
                let at = random.below(lines.len());
                let line = lines[at].clone();
                lines.insert(at, line);
            });
        }
        9 => {
            return by_line(random, &text, |random, lines| {
                let at = random.below(lines.len());
                lines[at].push_str(random.pick(&["  # said", " ", "\t", "   #", " # ü: {"]));
            });
        }
        10 => {
            return by_line(random, &text, |random, lines| {
                let at = random.below(lines.len() + 1);
                lines.insert(
                    at,
                    random.pick(&["", "# alone", "    # further in", "  ", "#"]).to_string(),
                );
            });
        }
        11 => text = text.replace("\r\n", "\n").replace('\n', "\r\n"),
        12 => text.truncate(text.trim_end().len()),
        _ => {
            let separator = random.pick(&["---\n", "\n---\n", "\n--- # x\n", "", "...\n---\n"]);
            text = format!("{text}{separator}{}", random.pick(seeds));
        }
    }
    text
}

/// A piece of at most so many bytes.
fn span(random: &mut Random, text: &str, longest: usize) -> (usize, usize) {
    let from = random.place(text);
    let mut to = (from + random.below(longest)).min(text.len());
    while !text.is_char_boundary(to) {
        to -= 1;
    }
    (from, to.max(from))
}

fn by_line(
    random: &mut Random,
    text: &str,
    change: impl FnOnce(&mut Random, &mut Vec<String>),
) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    change(random, &mut lines);
    lines.join("\n")
}
