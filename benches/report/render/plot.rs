//! Pictures that read in light and in dark: the colours are the reader's own choice.

use std::fmt::Write;

use super::tables::decimal;
use crate::stats::Spread;

/// Bars that belong together.
pub struct Group {
    pub name: String,
    pub bars: Vec<Bar>,
}

/// A median, with its quartiles as a whisker.
pub struct Bar {
    pub name: String,
    pub value: Spread,
}

/// A line through points that are all above zero.
pub struct Series {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 800.0;

/// The colours of bars and lines, in their order: ironhull's own is the last of the bars'
/// names, so it is chosen by name.
const STYLE: &str = "\
text { font: 13px system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.note { fill: #59636e }
.panel { fill: #ffffff; stroke: #d1d9e0 }
.grid { stroke: #d1d9e0; fill: none }
.whisker { stroke: #1f2328; fill: none }
.ours { fill: #1a7f37 } .other { fill: #8c959f }
.line { fill: none; stroke-width: 2 }
.c0 { stroke: #0969da } .c1 { stroke: #1a7f37 } .c2 { stroke: #9a6700 }
.d0 { fill: #0969da } .d1 { fill: #1a7f37 } .d2 { fill: #9a6700 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .note { fill: #9198a1 }
  .panel { fill: #0d1117; stroke: #3d444d }
  .grid { stroke: #3d444d }
  .whisker { stroke: #e6edf3 }
  .ours { fill: #3fb950 } .other { fill: #656c76 }
  .c0 { stroke: #4493f8 } .c1 { stroke: #3fb950 } .c2 { stroke: #d29922 }
  .d0 { fill: #4493f8 } .d1 { fill: #3fb950 } .d2 { fill: #d29922 }
}
";

/// Bars that lie, one below the other, all of one scale that begins at zero.
pub fn bars(title: &str, groups: &[Group]) -> String {
    const ROW: f64 = 22.0;
    const LEFT: f64 = 200.0;
    // The figures stand behind the bars.
    const RIGHT: f64 = 150.0;
    let rows: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = 58.0 + rows as f64 * ROW + groups.len() as f64 * (ROW + 12.0);
    let most = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.value.q3);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let mut svg = open(title, height);
    let mut y = 52.0;
    for group in groups {
        y += ROW;
        text(&mut svg, 20.0, y, "note", "start", &group.name);
        y += 8.0;
        for bar in &group.bars {
            let value = bar.value;
            let class = if bar.name == "ironhull" { "ours" } else { "other" };
            let middle = y + ROW / 2.0;
            text(&mut svg, LEFT - 10.0, middle + 4.5, "", "end", &bar.name);
            let width = (value.median * scale).max(0.0);
            let _ = writeln!(
                svg,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"2\"/>",
                y + 3.0,
                ROW - 6.0,
            );
            let (from, to) =
                (LEFT + (value.q1 * scale).max(0.0), LEFT + (value.q3 * scale).max(0.0));
            let _ = writeln!(
                svg,
                "<path class=\"whisker\" d=\"M{from:.1} {middle:.1}H{to:.1}M{from:.1} {:.1}v8M{to:.1} {:.1}v8\"/>",
                middle - 4.0,
                middle - 4.0,
            );
            let figures =
                format!("{} ({}–{})", decimal(value.median), decimal(value.q1), decimal(value.q3));
            text(&mut svg, to.max(LEFT + width) + 8.0, middle + 4.5, "", "start", &figures);
            y += ROW;
        }
        y += 4.0;
    }
    svg + "</svg>\n"
}

/// Lines on scales of which each step is ten times the last: what grows in a straight line
/// rises by one to one.
pub fn lines(title: &str, below: &str, series: &[Series]) -> String {
    const HEIGHT: f64 = 380.0;
    const LEFT: f64 = 70.0;
    const TOP: f64 = 60.0;
    const BOTTOM: f64 = 56.0;
    // The names stand behind the lines.
    const RIGHT: f64 = 170.0;
    let points = || series.iter().flat_map(|series| &series.points);
    let decades = |values: &mut dyn Iterator<Item = f64>| {
        let (mut low, mut high) = (f64::MAX, f64::MIN);
        for value in values {
            let value = value.max(1e-3).log10();
            (low, high) = (low.min(value.floor()), high.max(value.ceil()));
        }
        (low, if high > low { high } else { low + 1.0 })
    };
    let (x_low, x_high) = decades(&mut points().map(|(x, _)| *x));
    let (y_low, y_high) = decades(&mut points().map(|(_, y)| *y));
    let x_at = |x: f64| LEFT + (x.log10() - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
    let y_at = |y: f64| {
        let share = (y.max(1e-3).log10() - y_low) / (y_high - y_low);
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
    };
    let mut svg = open(title, HEIGHT);
    for decade in x_low as i32..=x_high as i32 {
        let value = 10f64.powi(decade);
        let x = x_at(value);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{x:.1} {TOP}V{:.1}\"/>", HEIGHT - BOTTOM);
        text(&mut svg, x, HEIGHT - BOTTOM + 20.0, "note", "middle", &format!("{value}"));
    }
    for decade in y_low as i32..=y_high as i32 {
        let value = 10f64.powi(decade);
        let y = y_at(value);
        let _ = writeln!(svg, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT);
        text(&mut svg, LEFT - 8.0, y + 4.5, "note", "end", &format!("{value}"));
    }
    text(&mut svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 14.0, "note", "middle", below);
    let mut ends: Vec<(f64, usize)> = Vec::new();
    for (index, one) in series.iter().enumerate() {
        let class = index % 3;
        let at: Vec<_> =
            one.points.iter().map(|(x, y)| format!("{:.1} {:.1}", x_at(*x), y_at(*y))).collect();
        let _ = writeln!(svg, "<path class=\"line c{class}\" d=\"M{}\"/>", at.join("L"));
        for (x, y) in &one.points {
            let (x, y) = (x_at(*x), y_at(*y));
            let _ =
                writeln!(svg, "<circle class=\"d{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
        }
        if let Some((_, y)) = one.points.last() {
            ends.push((y_at(*y), index));
        }
    }
    // From above, each at its line's end or below the last name.
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = TOP;
    for (y, index) in ends {
        let y = y.max(free);
        free = y + 18.0;
        let x = WIDTH - RIGHT + 28.0;
        let class = index % 3;
        let _ = writeln!(
            svg,
            "<circle class=\"d{class}\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"/>",
            x - 10.0
        );
        text(&mut svg, x, y + 4.5, "", "start", series[index].name);
    }
    svg + "</svg>\n"
}

fn open(title: &str, height: f64) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{title}\">\n<style>\n{STYLE}</style>\n<rect class=\"panel\" x=\"1\" y=\"1\" width=\"{}\" \
         height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 2.0,
        height - 2.0,
    );
    text(&mut svg, 20.0, 32.0, "title", "start", title);
    svg
}

fn text(svg: &mut String, x: f64, y: f64, class: &str, anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(
        svg,
        "<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}
