//! The value of an exemption's annotation: leading `key=value` words, then the reason.

use std::borrow::Cow;

use jiff::civil::Date;

use crate::policy::ExemptionLimits;
use crate::text::{is_deceptive, printable};

/// Maximum length of a reason, in characters. Reasons are untrusted, and end up in logs.
const MAX_REASON: usize = 200;
/// Maximum length of a ticket.
const MAX_TICKET: usize = 63;

/// The content of an annotation's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'v> {
    /// `until=`: the last day on which it holds.
    pub until: Option<Date>,
    /// `ticket=`
    pub ticket: Option<&'v str>,
    /// The rest, as the reason.
    pub reason: Cow<'v, str>,
}

impl<'v> Claim<'v> {
    /// Parses a value.
    ///
    /// # Errors
    /// Why the annotation is void: an unknown or repeated key, a bad date, an empty ticket.
    pub fn parse(value: &'v str) -> Result<Self, String> {
        let mut claim = Self { until: None, ticket: None, reason: Cow::Borrowed("") };
        let mut rest = value.trim();
        loop {
            let word = rest.split_whitespace().next().unwrap_or_default();
            let Some((key, text)) = word.split_once('=').filter(|(key, _)| is_key(key)) else {
                break;
            };
            match key {
                "until" if claim.until.is_none() => claim.until = Some(date(text)?),
                "ticket" if claim.ticket.is_none() => claim.ticket = Some(ticket(text)?),
                "until" | "ticket" => return Err(format!("`{key}=` is given twice")),
                _ => {
                    return Err(format!(
                        "unknown key `{}=`: use until= or ticket=",
                        printable(key, 32)
                    ));
                }
            }
            rest = rest.get(word.len()..).unwrap_or_default().trim_start();
        }
        let keys = ["until=", "ticket="];
        let late = |word: &str| keys.into_iter().find(|key| word.starts_with(key));
        if let Some(key) = rest.split_whitespace().find_map(late) {
            return Err(format!("`{key}` must come before the reason"));
        }
        claim.reason = match printable(rest, MAX_REASON) {
            // A reason of invisible characters is no reason.
            Cow::Owned(reason) => Cow::Owned(reason.trim().to_owned()),
            Cow::Borrowed(reason) => Cow::Borrowed(reason),
        };
        Ok(claim)
    }

    /// Checks the claim against the policy's limits on `date`.
    ///
    /// # Errors
    /// Why the limits do not allow it.
    pub fn check(&self, limits: &ExemptionLimits, date: Date) -> Result<(), String> {
        if limits.require_reason && self.reason.trim().is_empty() {
            return Err("the policy requires a reason".to_owned());
        }
        let Some(until) = self.until else {
            return if limits.require_until || limits.max_days.is_some() {
                Err("the policy requires until=YYYY-MM-DD".to_owned())
            } else {
                Ok(())
            };
        };
        if until < date {
            return Err(format!("it expired on {until}"));
        }
        let days = date.until(until).map_or(i32::MAX, |span| span.get_days());
        match limits.max_days {
            Some(max) if i64::from(days) > i64::from(max) => {
                Err(format!("until={until} is more than {max} days ahead"))
            }
            _ => Ok(()),
        }
    }
}

/// A leading word is a key when it looks like one: letters, digits, `-` and `_`.
fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A date as `YYYY-MM-DD` and nothing else.
fn date(text: &str) -> Result<Date, String> {
    let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date = shaped.then(|| text.parse::<Date>().ok()).flatten();
    date.ok_or_else(|| format!("`{}` is not a date like 2027-03-31", printable(text, 32)))
}

fn ticket(text: &str) -> Result<&str, String> {
    let fine =
        !text.is_empty() && text.chars().count() <= MAX_TICKET && !text.chars().any(is_deceptive);
    if fine { Ok(text) } else { Err(format!("`ticket=` must have 1 to {MAX_TICKET} characters")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use jiff::civil::date;

    use super::*;
    use crate::rule::RuleSet;

    fn limits() -> ExemptionLimits {
        ExemptionLimits {
            allow: RuleSet::ALL,
            require_reason: true,
            require_until: false,
            max_days: None,
            images: Vec::new(),
        }
    }

    #[test]
    fn words_then_reason() {
        let claim =
            Claim::parse("ticket=SEC-12 until=2027-03-01 chown of the data volume").unwrap();
        assert_eq!(claim.until, Some(date(2027, 3, 1)));
        assert_eq!(claim.ticket, Some("SEC-12"));
        assert_eq!(claim.reason, "chown of the data volume");
        let claim = Claim::parse("  needs a=b in /opt ").unwrap();
        assert_eq!(claim.reason, "needs a=b in /opt");
    }

    #[test]
    fn what_makes_a_value_void() {
        for (value, why) in [
            ("broken until=2027-03-01", "`until=` must come before the reason"),
            ("until=2027-03-01 x ticket=A", "`ticket=` must come before the reason"),
            ("expires=2027-03-01 x", "unknown key `expires=`: use until= or ticket="),
            ("until=2027-02-30 x", "`2027-02-30` is not a date like 2027-03-31"),
            ("until=20270301 x", "`20270301` is not a date like 2027-03-31"),
            ("until= x", "`` is not a date like 2027-03-31"),
            ("until=2027-03-01 until=2027-03-01 x", "`until=` is given twice"),
            ("ticket= x", "`ticket=` must have 1 to 63 characters"),
        ] {
            assert_eq!(Claim::parse(value).unwrap_err(), why, "{value}");
        }
    }

    #[test]
    fn limits_are_inclusive() {
        let today = date(2027, 3, 1);
        let check = |value: &str, limits: &ExemptionLimits| {
            Claim::parse(value).unwrap().check(limits, today)
        };
        assert!(check("until=2027-03-01 x", &limits()).is_ok());
        assert_eq!(check("until=2027-02-28 x", &limits()).unwrap_err(), "it expired on 2027-02-28");
        assert_eq!(
            check("until=2027-03-02", &limits()).unwrap_err(),
            "the policy requires a reason"
        );
        assert!(check("x", &limits()).is_ok());
        let dated = ExemptionLimits { require_until: true, ..limits() };
        assert_eq!(check("x", &dated).unwrap_err(), "the policy requires until=YYYY-MM-DD");
        let near = ExemptionLimits { max_days: Some(90), ..limits() };
        assert_eq!(check("x", &near).unwrap_err(), "the policy requires until=YYYY-MM-DD");
        assert!(check("until=2027-05-30 x", &near).is_ok());
        assert_eq!(
            check("until=2027-05-31 x", &near).unwrap_err(),
            "until=2027-05-31 is more than 90 days ahead"
        );
    }
}
