//! `docs/before-after.svg`: a pod before and after, as `ironhull harden` has it.

use std::fmt::Write;
use std::process::Command;

use super::{binary, path};

/// The pod in the picture.
const POD: &str = "docs/examples/auditor.yaml";

/// Sizes in pixels. A character of 12 px is about 7.3 wide in every usual font.
pub(super) const LINE: usize = 18;
const TOP: usize = 62;
const LEFT_WIDTH: usize = 312;
const RIGHT_AT: usize = 352;
pub(super) const WIDTH: usize = 1000;

/// What a process in the container finds, where nothing else is set: on containerd, with
/// its defaults. `CapEff` is 00000000a80425fb before, which is 14 capabilities.
const FACTS: [[&str; 3]; 7] = [
    ["user", "0 (root)", "1000"],
    ["group", "0 (root)", "1000"],
    ["capabilities", "14", "none"],
    ["no_new_privs", "off", "on"],
    ["seccomp filter", "none", "default"],
    ["/", "writable", "read-only"],
    ["/tmp", "writable", "writable"],
];

/// The fonts, and the colours that both pictures have, on light and on dark.
pub(super) const STYLE: &str = "\
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #1f2328; white-space: pre }
.head { font: 600 14px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif }
.note { font: 12px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #59636e }
.panel { fill: #ffffff; stroke: #d1d9e0 }
.gone { fill: #ffcecb; shape-rendering: crispEdges }
.new { fill: #d2f8dc; shape-rendering: crispEdges }
.arrow { stroke: #59636e; stroke-width: 2; fill: none }
.line { stroke: #d1d9e0 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .panel { fill: #0d1117; stroke: #3d444d }
  .gone { fill: #67060c }
  .new { fill: #0f3a22 }
  .arrow { stroke: #9198a1 }
  .line { stroke: #3d444d }
}
";

/// The picture's text.
pub fn svg() -> String {
    let before = std::fs::read_to_string(path(POD)).unwrap();
    let output = Command::new(binary())
        .args(["harden", "-f", POD])
        .current_dir(path(""))
        .env_remove("IRONHULL_POLICY")
        .output()
        .unwrap();
    assert!(output.status.success(), "{POD} is not hardened");
    let after = String::from_utf8(output.stdout).unwrap();
    let before: Vec<&str> = before.lines().collect();
    let after: Vec<&str> = after.lines().collect();

    let height = TOP + after.len() * LINE + 14;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"A pod before and after ironhull\">\n<style>\n{STYLE}</style>\n"
    );
    panel(&mut svg, 1, LEFT_WIDTH, height, "as its author wrote it");
    panel(&mut svg, RIGHT_AT, WIDTH - RIGHT_AT - 1, height, "as ironhull makes it");
    let middle = RIGHT_AT - 20;
    let _ = writeln!(svg, "<path class=\"arrow\" d=\"M{} 24h22m-7 -6l7 6l-7 6\"/>", middle - 11);
    listing(&mut svg, 1, LEFT_WIDTH, &before, &after, "gone");
    listing(&mut svg, RIGHT_AT, WIDTH - RIGHT_AT - 1, &after, &before, "new");
    facts(&mut svg, TOP + (before.len() + 2) * LINE);
    svg + "</svg>\n"
}

fn panel(svg: &mut String, x: usize, width: usize, height: usize, title: &str) {
    let height = height - 2;
    let _ = writeln!(
        svg,
        "<rect class=\"panel\" x=\"{x}\" y=\"1\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
    );
    let x = x + 16;
    let _ = writeln!(svg, "<text class=\"head\" x=\"{x}\" y=\"29\">{title}</text>");
}

/// Lines of YAML; those that `other` has not are marked.
fn listing(svg: &mut String, x: usize, width: usize, lines: &[&str], other: &[&str], mark: &str) {
    for (index, line) in lines.iter().enumerate() {
        let y = TOP + index * LINE;
        if !other.contains(line) {
            let (x, top, width) = (x + 1, y - 13, width - 2);
            let _ = writeln!(
                svg,
                "<rect class=\"{mark}\" x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{LINE}\"/>"
            );
        }
        text(svg, x + 16, y, "", line);
    }
}

fn facts(svg: &mut String, top: usize) {
    let line = top - 2 * LINE + 8;
    let _ = writeln!(svg, "<path class=\"line\" d=\"M1 {line}h{LEFT_WIDTH}\"/>");
    text(svg, 17, top, "head", "what a process in it has");
    let columns = [17, 140, 226];
    for (x, word) in columns.iter().zip(["", "before", "after"]) {
        text(svg, *x, top + LINE + 6, "note", word);
    }
    for (index, row) in FACTS.iter().enumerate() {
        for (x, word) in columns.iter().zip(row) {
            text(svg, *x, top + (index + 2) * LINE + 6, "", word);
        }
    }
}

fn text(svg: &mut String, x: usize, y: usize, class: &str, words: &str) {
    let words = escaped(words);
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(svg, "<text{class} x=\"{x}\" y=\"{y}\" xml:space=\"preserve\">{words}</text>");
}

/// Text as it stands in SVG.
pub(super) fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;")
}
