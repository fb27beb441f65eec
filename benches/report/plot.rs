//! Pictures of figures, as SVG. Their text stays text, and they follow the page into the dark.

use plotters::chart::SeriesLabelPosition::{UpperLeft, UpperRight};
use plotters::coord::Shift;
use plotters::coord::combinators::BindKeyPoints as _;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::support::page::decimal;
use crate::support::stats::Spread;

const TEXT: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const GRID: RGBColor = RGBColor(0xd1, 0xd9, 0xe0);

/// What these become on a dark page; those of bars and lines read on either.
const DARK: &str = "\n<style>@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } \
    [fill='#FFFFFF'] { fill: #0d1117 } [stroke='#D1D9E0'] { stroke: #3d444d } \
    [stroke='#1F2328'] { stroke: #e6edf3 } }</style>";

/// ironhull's own is always the same.
fn colour(name: &str) -> RGBColor {
    match name {
        "constant" | "nothing to do" => RGBColor(0x8c, 0x95, 0x9f),
        "naive" | "a whole review" => RGBColor(0x38, 0x8b, 0xfd),
        "MutatingAdmissionPolicy" => RGBColor(0xbf, 0x87, 0x00),
        _ => RGBColor(0x2d, 0xa4, 0x4e),
    }
}

/// A line through points that are all above zero.
pub type Line = (&'static str, Vec<(f64, f64)>);

/// Of a group and of a name: a median, with its quartiles as a whisker.
pub type Bar<'b> = (String, &'b str, Spread);

/// Lines on scales of which each step is ten times the last: what grows in a straight line
/// rises by one to one.
pub fn lines(title: &str, [x, y]: [&str; 2], lines: &[Line]) -> anyhow::Result<String> {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let decades = |values: Vec<f64>| {
        let low = values.iter().copied().fold(f64::MAX, f64::min).log10().floor();
        let high = values.iter().copied().fold(f64::MIN, f64::max).log10().ceil();
        (10f64.powf(low)..10f64.powf(high)).log_scale()
    };
    let xs = decades(points().map(|(x, _)| *x).collect());
    let ys = decades(points().map(|(_, y)| *y).collect());
    picture(title, |root| {
        let mut chart = chart(title, root, 48).build_cartesian_2d(xs, ys)?;
        let mut mesh = chart.configure_mesh();
        mesh.axis_style(GRID).bold_line_style(GRID).light_line_style(TRANSPARENT);
        mesh.x_label_formatter(&f64::to_string).y_label_formatter(&f64::to_string);
        mesh.label_style(words(16)).x_desc(x).y_desc(y).draw()?;
        for (name, points) in lines {
            let colour = colour(name);
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
            chart.draw_series(line.point_size(3))?.label(*name).legend(move |at| key(at, colour));
        }
        chart.configure_series_labels().position(UpperLeft).label_font(words(16)).draw()?;
        Ok(())
    })
}

/// Groups of bars on one scale that begins at zero. Each group has the same names.
pub fn bars(title: &str, unit: &str, bars: &[Bar<'_>]) -> anyhow::Result<String> {
    let mut groups: Vec<&String> = bars.iter().map(|(group, ..)| group).collect();
    groups.dedup();
    let names = bars.len() / groups.len();
    let most = bars.iter().map(|(.., value)| value.q3).fold(0.0, f64::max);
    // Where the bars are lower there is room for the names.
    let falls = bars[0].2.median > bars[bars.len() - 1].2.median;
    // A group is a hundred wide.
    let middles = (0..groups.len() as i32).map(|group| group * 100 + 50).collect();
    let xs = (0..100 * groups.len() as i32).with_key_points(middles);
    let width = 86 / names as i32;
    picture(title, |root| {
        let mut chart = chart(title, root, 30).build_cartesian_2d(xs, 0.0..most * 1.15)?;
        let group_at = |x: &i32| groups[*x as usize / 100].clone();
        let mut mesh = chart.configure_mesh();
        mesh.axis_style(GRID).bold_line_style(GRID).light_line_style(TRANSPARENT);
        mesh.x_label_formatter(&group_at);
        mesh.y_label_formatter(&f64::to_string).disable_x_mesh();
        mesh.label_style(words(16)).y_desc(unit).draw()?;
        for (index, (_, name, value)) in bars.iter().enumerate() {
            let (colour, group) = (colour(name), index / names);
            let left = (100 * group + 7) as i32 + width * (index % names) as i32;
            let bar =
                Rectangle::new([(left, 0.0), (left + width - 2, value.median)], colour.filled());
            let drawn = chart.draw_series([bar])?;
            if group == 0 {
                drawn.label(*name).legend(move |at| key(at, colour));
            }
            let middle = left + width / 2 - 1;
            let whisker = [(middle, value.q1), (middle, value.q3)];
            chart.draw_series([PathElement::new(whisker, TEXT)])?;
            let style = words(14).pos(Pos::new(HPos::Center, VPos::Bottom));
            let figure = Text::new(decimal(value.median), (0, -4), style);
            let above = EmptyElement::at((middle, value.q3.max(value.median)));
            chart.draw_series([above + figure])?;
        }
        let position = if falls { UpperRight } else { UpperLeft };
        chart.configure_series_labels().position(position).label_font(words(16)).draw()?;
        Ok(())
    })
}

type Root<'s> = DrawingArea<SVGBackend<'s>, Shift>;

fn picture(
    title: &str,
    draw: impl FnOnce(&Root<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (720, 400)).into_drawing_area();
        root.fill(&WHITE)?;
        draw(&root)?;
        root.present()?;
    }
    Ok(svg.replacen('>', &format!(" role=\"img\" aria-label=\"{title}\">{DARK}"), 1))
}

/// The title, and room for the axes.
fn chart<'r, 's>(
    title: &str,
    root: &'r Root<'s>,
    below: u32,
) -> ChartBuilder<'r, 's, SVGBackend<'s>> {
    let mut chart = ChartBuilder::on(root);
    chart.caption(title, words(20)).margin(14).margin_right(28);
    chart.x_label_area_size(below).y_label_area_size(68);
    chart
}

fn words(size: u32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&TEXT)
}

/// What stands before a name.
fn key((x, y): (i32, i32), colour: RGBColor) -> Rectangle<(i32, i32)> {
    Rectangle::new([(x + 4, y - 5), (x + 16, y + 5)], colour.filled())
}
