//! `docs/quickstart.svg`: the commands of `docs/quickstart.md`, run, as a terminal shows them.

use std::fmt::Write;

use super::commands::{sessions, shell};
use super::fences::fences;
use super::path;
use super::picture::{LINE, STYLE, WIDTH, escaped};

/// Where the first line stands, and how much is left below the last, in pixels.
const TOP: usize = 28;
const BOTTOM: usize = 14;

/// What fits into a line, at 7.23 px a character.
const COLUMNS: usize = 135;

/// The colours of text that the program writes, on light and on dark.
const COLOURS: &str = "\
.bold { font-weight: 600 }
.dim { fill: #59636e }
.red { fill: #b31d28 }
.green { fill: #116329 }
.yellow { fill: #7d4e00 }
.magenta { fill: #6e40c9 }
.cyan { fill: #0b6478 }
@media (prefers-color-scheme: dark) {
  .dim { fill: #9198a1 }
  .red { fill: #ff7b72 }
  .green { fill: #56d364 }
  .yellow { fill: #e3b341 }
  .magenta { fill: #d2a8ff }
  .cyan { fill: #56d4dd }
}
";

/// The picture's text.
pub fn svg() -> String {
    let mut lines = Vec::new();
    let page = fences("console").into_iter().filter(|it| it.place.starts_with("quickstart.md:"));
    for fence in page {
        for (command, _) in sessions(&fence) {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(format!(
                "<tspan class=\"dim\">$ </tspan><tspan class=\"bold\">{}</tspan>",
                escaped(command)
            ));
            lines.extend(drawn(printed(command).trim_end_matches("\x1b[0m")));
        }
    }
    assert!(lines.len() > 20, "the page's commands are not found any more");
    let height = TOP + lines.len() * LINE + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"A terminal session with ironhull\">\n<style>\n{STYLE}{COLOURS}</style>\n"
    );
    let (width, height) = (WIDTH - 2, height - 2);
    let _ = writeln!(
        svg,
        "<rect class=\"panel\" x=\"1\" y=\"1\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
    );
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let y = TOP + index * LINE;
        let _ = writeln!(svg, "<text x=\"16\" y=\"{y}\" xml:space=\"preserve\">{line}</text>");
    }
    svg + "</svg>\n"
}

/// What a command prints on a terminal, on both streams.
fn printed(command: &str) -> String {
    let mut shell = shell(command);
    let output = shell.current_dir(path("")).env("CLICOLOR_FORCE", "1").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Text with colours of ECMA-48 as lines of SVG. A colour stays over the ends of lines.
fn drawn(text: &str) -> Vec<String> {
    let mut classes: Vec<&str> = Vec::new();
    text.lines()
        .map(|line| {
            let mut drawn = String::new();
            let mut columns = 0;
            for (index, part) in line.split('\x1b').enumerate() {
                let words = if index == 0 {
                    part
                } else {
                    let codes = part.strip_prefix('[').and_then(|part| part.split_once('m'));
                    let (codes, words) = codes.unwrap_or_else(|| panic!("not a colour: {part:?}"));
                    codes.split(';').for_each(|code| change(&mut classes, code));
                    words
                };
                columns += words.chars().count();
                match (words.is_empty(), classes.is_empty()) {
                    (true, _) => {}
                    (false, true) => drawn.push_str(&escaped(words)),
                    (false, false) => {
                        let (classes, words) = (classes.join(" "), escaped(words));
                        let _ = write!(drawn, "<tspan class=\"{classes}\">{words}</tspan>");
                    }
                }
            }
            assert!(columns <= COLUMNS, "wider than the picture: {line}");
            drawn
        })
        .collect()
}

fn change(classes: &mut Vec<&str>, code: &str) {
    classes.push(match code {
        "0" => return classes.clear(),
        "1" => "bold",
        "2" => "dim",
        "31" => "red",
        "32" => "green",
        "33" => "yellow",
        "35" => "magenta",
        "36" => "cyan",
        other => panic!("the picture has no style for the colour {other}"),
    });
}
