//! Dates in UTC, by which exemptions end.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Today.
pub fn today() -> Date {
    TimeZone::UTC.to_datetime(Timestamp::now()).date()
}

/// Parses a date that somebody typed.
///
/// # Errors
/// When it is not a date.
pub fn parse(text: &str) -> Result<Date, String> {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => {
            text.parse().map_err(|_error| "no such day".to_owned())
        }
        _ => Err("write a date as YYYY-MM-DD, such as 2027-03-01".to_owned()),
    }
}
