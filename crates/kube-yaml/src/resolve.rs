//! The meaning of a plain scalar, by the rules of go-yaml v2, which is how Kubernetes reads
//! YAML (`go.yaml.in/yaml/v2`, `resolve.go`, behind `sigs.k8s.io/yaml`).
//!
//! These are the rules of YAML 1.1 without sexagesimal numbers, plus Go's spellings of
//! integers. They are neither YAML 1.2's nor those of any Rust crate.

use std::borrow::Cow;

use serde_json::{Number, Value};

use crate::error::ErrorKind;

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'t> {
    /// `~`, `null`, or nothing.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`.
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// Everything else.
    Text(Cow<'t, str>),
}

impl<'t> Scalar<'t> {
    /// The scalar as JSON; `None` for infinities and NaN, which JSON cannot express.
    pub fn into_json(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => value.into(),
            Self::Uint(value) => value.into(),
            Self::Float(value) => Value::Number(float_to_json(value)?),
            Self::Text(text) => Value::String(text.into_owned()),
        })
    }

    /// The scalar as the key of a JSON object; `None` if Kubernetes refuses it.
    pub fn into_key(self) -> Option<Cow<'t, str>> {
        match self {
            Self::Null | Self::Uint(_) => None,
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Int(value) => Some(Cow::Owned(value.to_string())),
            Self::Float(value) => Some(Cow::Owned(float_key(value))),
            Self::Text(text) => Some(text),
        }
    }
}

/// 2^63
const I64_BOUND: f64 = 9_223_372_036_854_775_808.0;

/// Go writes a float without a fraction below 1e21 as an integer, and Kubernetes then reads it
/// as one. Minus zero is kept.
fn float_to_json(value: f64) -> Option<Number> {
    let minus_zero = value == 0.0 && value.is_sign_negative();
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers within the bounds")]
    if value.fract() == 0.0 && !minus_zero {
        if value.abs() < I64_BOUND {
            return Some(Number::from(value as i64));
        }
        #[expect(clippy::cast_sign_loss, reason = "positive")]
        if value > 0.0 && value < I64_BOUND * 2.0 {
            return Some(Number::from(value as u64));
        }
    }
    Number::from_f64(value)
}

/// A float as a key: Go's `strconv.FormatFloat(value, 'g', -1, 32)`.
fn float_key(value: f64) -> String {
    if value.is_nan() {
        return ".nan".to_owned();
    }
    #[expect(clippy::cast_possible_truncation, reason = "Go rounds keys to 32 bits")]
    let value = value as f32;
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // The shortest form switches to an exponent at the seventh digit.
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
    } else {
        value.to_string()
    }
}

/// Tags of the YAML namespace that apply to a scalar.
const KNOWN_TAGS: [&str; 6] = ["str", "bool", "int", "float", "null", "timestamp"];

/// Resolves a scalar. `tag` is the part after `tag:yaml.org,2002:`, or any other tag in full,
/// or empty. `plain` means unquoted.
///
/// # Errors
/// When the text is not what its tag says.
pub fn resolve<'t>(text: &'t str, plain: bool, tag: &str) -> Result<Scalar<'t>, ErrorKind> {
    if tag.is_empty() {
        return Ok(if plain { untagged(text) } else { Scalar::Text(Cow::Borrowed(text)) });
    }
    if tag == "binary" {
        return binary(text);
    }
    if tag == "str" || !KNOWN_TAGS.contains(&tag) {
        return Ok(Scalar::Text(Cow::Borrowed(text)));
    }
    let scalar = untagged(text);
    match (tag, scalar) {
        ("bool", scalar @ Scalar::Bool(_))
        | ("int", scalar @ (Scalar::Int(_) | Scalar::Uint(_)))
        | ("float", scalar @ Scalar::Float(_))
        | ("null", scalar @ Scalar::Null) => Ok(scalar),
        #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
        ("float", Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        ("timestamp", Scalar::Text(text)) => Ok(Scalar::Text(text)),
        (tag, _) => Err(ErrorKind::NotOfTag { text: text.to_owned(), tag: tag.to_owned() }),
    }
}

fn binary(text: &str) -> Result<Scalar<'static>, ErrorKind> {
    use base64::Engine as _;

    let joined: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(joined)
        .map_err(|_| ErrorKind::NotBase64)?;
    // Go puts one replacement for each invalid byte, Rust one for each run of them.
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Ok(Scalar::Text(Cow::Owned(text)))
}

/// The meaning of an unquoted scalar without a tag.
pub fn untagged(text: &str) -> Scalar<'_> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes().first() {
        Some(b'.') => float(text),
        Some(b'0'..=b'9' | b'+' | b'-') => number(text),
        _ => None,
    };
    number.unwrap_or(Scalar::Text(Cow::Borrowed(text)))
}

/// An integer or a float, with `_` anywhere in it.
fn number(text: &str) -> Option<Scalar<'static>> {
    let text = if text.contains('_') {
        Cow::Owned(text.chars().filter(|c| *c != '_').collect())
    } else {
        Cow::Borrowed(text)
    };
    integer(&text).or_else(|| float(&text)).or_else(|| old_binary(&text))
}

/// Go's `ParseInt(text, 0, 64)`, then `ParseUint`: `0x`, `0o`, `0b` and a bare `0` name
/// the base.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let signed = digits.len() < text.len();
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    let unsigned = parse_digits(digits, base)?;
    if negative {
        return 0i64.checked_sub_unsigned(unsigned).map(Scalar::Int);
    }
    match i64::try_from(unsigned) {
        Ok(value) => Some(Scalar::Int(value)),
        // ParseUint takes no sign.
        Err(_) if signed => None,
        Err(_) => Some(Scalar::Uint(unsigned)),
    }
}

/// Digits alone: Rust's own parser would also take a sign.
fn parse_digits(digits: &str, base: u32) -> Option<u64> {
    let all = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    all.then(|| u64::from_str_radix(digits, base).ok()).flatten()
}

/// go-yaml's own parsing of `0b`, tried after Go's. It accepts one more sign.
fn old_binary(text: &str) -> Option<Scalar<'static>> {
    let value = if let Some(digits) = text.strip_prefix("0b") {
        let (negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, digits.strip_prefix('+').unwrap_or(digits)),
        };
        let value = i64::try_from(parse_digits(digits, 2)?).ok()?;
        if negative { -value } else { value }
    } else {
        return None;
    };
    Some(Scalar::Int(value))
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`, where it fits an `f64`.
fn float(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let well_formed = digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| {
            let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
            !exponent.is_empty() && digits(exponent)
        });
    if !well_formed {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Scalar::Float)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    /// Each pair is what Kubernetes' own reader gave for `a: …`.
    #[test]
    fn plain_scalars_mean_what_kubernetes_reads() {
        for (text, expected) in [
            ("y", json!(true)),
            ("n", json!(false)),
            ("Yes", json!(true)),
            ("on", json!(true)),
            ("off", json!(false)),
            ("yEs", json!("yEs")),
            ("~", json!(null)),
            ("NULL", json!(null)),
            ("nULL", json!("nULL")),
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("0x1f", json!(31)),
            ("0X1F", json!(31)),
            ("0x", json!("0x")),
            ("0b101", json!(5)),
            ("0b-1", json!(-1)),
            ("1_000", json!(1000)),
            ("08", json!(8)),
            ("+1", json!(1)),
            ("-0", json!(0)),
            ("-0.0", json!(-0.0)),
            ("--1", json!("--1")),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("1.", json!(1)),
            ("1.50", json!(1.5)),
            (".5", json!(0.5)),
            ("-.5", json!(-0.5)),
            (".", json!(".")),
            ("1e21", json!(1e21)),
            ("1e20", json!(1e20)),
            ("1e400", json!("1e400")),
            ("1e-7", json!(1e-7)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("123456789012345678901", json!(123_456_789_012_345_680_000_f64)),
            ("2001-01-01", json!("2001-01-01")),
            ("12:30:45", json!("12:30:45")),
            ("=", json!("=")),
            ("<<", json!("<<")),
        ] {
            assert_eq!(untagged(text).into_json().unwrap(), expected, "{text}");
        }
        assert_eq!(untagged(".inf").into_json(), None);
    }

    #[test]
    fn quotes_and_tags_decide_before_the_text_does() {
        let read = |text, plain, tag| resolve(text, plain, tag).map(|s| s.into_json().unwrap());
        assert_eq!(read("yes", false, ""), Ok(json!("yes")));
        assert_eq!(read("12", true, "str"), Ok(json!("12")));
        assert_eq!(read("12", false, "int"), Ok(json!(12)));
        assert_eq!(read("3", true, "float"), Ok(json!(3)));
        assert_eq!(read("12", true, "!mine"), Ok(json!("12")));
        assert_eq!(read("aGk=", true, "binary"), Ok(json!("hi")));
        assert_eq!(read("4oJh", true, "binary"), Ok(json!("\u{fffd}\u{fffd}a")));
        let error = read("x", true, "int").unwrap_err();
        assert_eq!(error.to_string(), "cannot read `x` as `!!int`");
    }

    #[test]
    fn keys_are_texts() {
        for (text, expected) in [
            ("yes", "true"),
            ("010", "8"),
            ("1.5", "1.5"),
            ("1e6", "1e+06"),
            ("1e5", "100000"),
            ("0.00001", "1e-05"),
            ("-1e39", "-.inf"),
            ("2001-01-01", "2001-01-01"),
        ] {
            assert_eq!(untagged(text).into_key().unwrap(), expected, "{text}");
        }
        assert_eq!(untagged("~").into_key(), None);
    }
}
