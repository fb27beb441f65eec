//! Refusals: why a request gets no review, and how it is told.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, RETRY_AFTER};

use crate::text::printable;

/// Why a request gets no review.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no such path; there are /enforce, /enforce/NAME, /audit, /audit/NAME and /advise")]
    NotFound,
    #[error("only POST is allowed here")]
    Method,
    #[error("the content type must be application/json")]
    ContentType,
    #[error("a body with a content encoding is not supported")]
    ContentEncoding,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the body came too slowly")]
    SlowBody,
    #[error("the body ended early or is not well-formed")]
    BrokenBody,
    #[error("too many request bodies at once, try again")]
    NoBudget,
    #[error("too many connections, try again")]
    NoConnection,
    #[error("{0}")]
    NotAReview(String),
    #[error("ironhull failed to answer this review")]
    Panicked,
}

impl Refusal {
    /// What is wrong with a body that is not a review, on one line.
    pub(super) fn not_a_review(why: &str) -> Self {
        Self::NotAReview(one_line(why))
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType | Self::ContentEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BrokenBody | Self::NotAReview(_) => StatusCode::BAD_REQUEST,
            Self::NoBudget | Self::NoConnection => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the request was read to its end, so that another may follow on its connection.
    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::NotAReview(_) | Self::Panicked)
    }

    /// The answer: one line of text.
    pub(super) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        match self {
            Self::Method => {
                response.insert_header((ALLOW, "POST"));
            }
            Self::NoBudget | Self::NoConnection => {
                response.insert_header((RETRY_AFTER, "1"));
            }
            _ => {}
        }
        response.content_type("text/plain; charset=utf-8").body(format!("{self}\n"))
    }
}

/// Maximum length of an error line that repeats a part of the request.
const MAX_LINE: usize = 500;

fn one_line(text: &str) -> String {
    printable(text, MAX_LINE).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_short_line() {
        assert_eq!(one_line("a\r\nb\u{1b}c"), "a  b c");
        assert_eq!(one_line(&"é".repeat(1000)).chars().count(), MAX_LINE);
    }
}
