//! Charts: bars of our own, in SVG, with a text beside or behind each.
//!
//! A part of a bar is told by its pattern, its place and its words, and by its colour only besides.

use super::markup::Html;
use crate::evidence::document::{State, Tally};

/// States in the order of bars and of what people have to look at.
pub(super) const STATES: [State; 5] =
    [State::Fail, State::Unknown, State::Exempt, State::Pass, State::NotApplicable];

/// Width of a bar, in the units of its picture.
const WIDTH: u32 = 240;

/// The patterns that bars are filled with, once in a page.
pub(super) fn patterns(html: &mut Html) {
    html.raw(
        "<svg class=\"patterns\" aria-hidden=\"true\" focusable=\"false\" width=\"0\" height=\"0\"><defs>\
         <pattern id=\"p-fail\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
         <rect width=\"4\" height=\"4\" class=\"c-fail\"/></pattern>\
         <pattern id=\"p-unknown\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\">\
         <rect width=\"6\" height=\"6\" class=\"c-ground\"/><circle cx=\"2\" cy=\"2\" r=\"1.4\" class=\"c-unknown\"/>\
         <circle cx=\"5\" cy=\"5\" r=\"1.4\" class=\"c-unknown\"/></pattern>\
         <pattern id=\"p-exempt\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" class=\"c-ground\"/>\
         <rect width=\"3\" height=\"6\" class=\"c-exempt\"/></pattern>\
         <pattern id=\"p-pass\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
         <rect width=\"4\" height=\"4\" class=\"c-pass\"/></pattern>\
         <pattern id=\"p-na\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\">\
         <rect width=\"4\" height=\"4\" class=\"c-ground\"/></pattern></defs></svg>\n",
    );
}

/// The word for a state.
pub(super) fn word(state: State) -> &'static str {
    match state {
        State::Pass => "pass",
        State::Fail => "fail",
        State::Exempt => "exempt",
        State::Unknown => "unknown",
        State::NotApplicable => "not applicable",
    }
}

/// A sign for a state, so that it can be found without colours.
pub(super) fn sign(state: State) -> &'static str {
    match state {
        State::Pass => "✓",
        State::Fail => "✗",
        State::Exempt => "◇",
        State::Unknown => "?",
        State::NotApplicable => "–",
    }
}

/// The class of a state in the style sheet.
pub(super) fn class(state: State) -> &'static str {
    match state {
        State::Pass => "pass",
        State::Fail => "fail",
        State::Exempt => "exempt",
        State::Unknown => "unknown",
        State::NotApplicable => "na",
    }
}

fn fill(state: State) -> &'static str {
    match state {
        State::Pass => "url(#p-pass)",
        State::Fail => "url(#p-fail)",
        State::Exempt => "url(#p-exempt)",
        State::Unknown => "url(#p-unknown)",
        State::NotApplicable => "url(#p-na)",
    }
}

/// All that were counted.
pub(super) fn total(tally: &Tally) -> u32 {
    STATES.iter().map(|state| tally.of(*state)).sum()
}

/// `3 fail, 1 exempt, 12 pass`; `none` of nothing.
pub(super) fn words(tally: &Tally) -> String {
    let parts: Vec<String> = STATES
        .iter()
        .filter(|state| tally.of(**state) > 0)
        .map(|state| format!("{} {}", tally.of(*state), word(*state)))
        .collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

/// The numbers of a tally with signs, the failing first.
pub(super) fn figures(html: &mut Html, tally: &Tally) {
    html.raw("<span class=\"figures\">");
    let shown = STATES.iter().filter(|state| tally.of(**state) > 0);
    let mut any = false;
    for state in shown {
        any = true;
        html.open("span", &[("class", &format_args!("state {}", class(*state)))]);
        html.raw("<span aria-hidden=\"true\">").text(sign(*state)).raw("</span> ");
        html.text(tally.of(*state)).text(" ").text(word(*state)).raw("</span> ");
    }
    if !any {
        html.raw("<span class=\"quiet\">none</span>");
    }
    html.raw("</span>");
}

/// A state of one cell, in a word with its sign.
pub(super) fn badge(html: &mut Html, state: State) {
    html.open("span", &[("class", &format_args!("state {}", class(state)))]);
    html.raw("<span aria-hidden=\"true\">").text(sign(state)).raw("</span> ");
    html.text(word(state)).raw("</span>");
}

/// A bar beside its numbers, so that it needs no words of its own.
pub(super) fn bar(html: &mut Html, tally: &Tally) {
    html.raw("<svg class=\"bar\" aria-hidden=\"true\" focusable=\"false\" viewBox=\"0 0 240 14\">");
    parts(html, tally, 14);
    html.raw("</svg>");
}

/// A bar that stands by itself. `name` says what it shows.
pub(super) fn chart(html: &mut Html, name: &str, tally: &Tally) {
    let label = format!("{name}: {}", words(tally));
    html.open(
        "svg",
        &[
            ("class", &"bar wide"),
            ("role", &"img"),
            ("aria-label", &label),
            ("viewBox", &"0 0 240 8"),
        ],
    );
    parts(html, tally, 8);
    html.raw("</svg>");
}

fn parts(html: &mut Html, tally: &Tally, height: u32) {
    let total = total(tally);
    let mut from = 0;
    let mut before = 0;
    for state in STATES {
        before += tally.of(state);
        let to = if total == 0 { 0 } else { scaled(before, total) };
        // What is there can be seen, however small.
        let to = if tally.of(state) > 0 { to.max(from + 2).min(WIDTH) } else { to.max(from) };
        if to > from {
            let width = to - from;
            let place: [super::markup::Attribute<'_>; 4] =
                [("x", &from), ("width", &width), ("height", &height), ("fill", &fill(state))];
            html.open("rect", &place).close("rect");
        }
        from = to;
    }
    let height = height - 1;
    let frame: [super::markup::Attribute<'_>; 6] = [
        ("class", &"frame"),
        ("x", &"0.5"),
        ("y", &"0.5"),
        ("width", &(WIDTH - 1)),
        ("height", &height),
        ("fill", &"none"),
    ];
    html.open("rect", &frame).close("rect");
}

fn scaled(part: u32, whole: u32) -> u32 {
    let scaled = u64::from(part) * u64::from(WIDTH) / u64::from(whole.max(1));
    u32::try_from(scaled).unwrap_or(WIDTH)
}
