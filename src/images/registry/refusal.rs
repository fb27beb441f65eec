//! What is said where a registry does not give what it is asked for. Nothing of it is the registry's
//! own words.

use std::time::Duration;

use ::http::StatusCode;

use super::auth::Credential;
use crate::images::error::{ErrorKind, ImageError};

/// The error for a status that is no success. `path` is what was asked for.
pub(super) fn refused(
    registry: &str,
    repository: &str,
    path: &str,
    status: StatusCode,
    asked: Option<Duration>,
) -> ImageError {
    let what = path.rsplit('/').next().unwrap_or_default();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let message = format!(
                "{registry}: it does not let these credentials read `{repository}`, or there is no such image"
            );
            ImageError::new(ErrorKind::Unauthorized, message)
        }
        StatusCode::NOT_FOUND => {
            let message = format!("{registry}: there is no `{what}` in `{repository}`");
            ImageError::new(ErrorKind::NotFound, message)
        }
        StatusCode::TOO_MANY_REQUESTS => rate_limited(registry, asked),
        status => {
            let message = format!("{registry}: it answers with status {status}");
            ImageError::new(ErrorKind::Registry, message)
        }
    }
}

/// Too many requests. `asked` is how long to wait.
pub(super) fn rate_limited(registry: &str, asked: Option<Duration>) -> ImageError {
    let when = match asked {
        Some(asked) => format!("in {} s", asked.as_secs()),
        None => "later".to_owned(),
    };
    let message = format!(
        "{registry}: too many requests; it asks to come back {when}, and may allow more after `docker login`"
    );
    ImageError::new(ErrorKind::RateLimited, message)
}

/// Why the registry does not let anybody in, by whether there was a credential.
pub(super) fn unauthorized(registry: &str, credential: &Option<Credential>) -> String {
    match credential {
        Some(_) => format!(
            "{registry}: it refuses the credentials of docker's configuration; log in again with `docker login {registry}`"
        ),
        None => format!(
            "{registry}: it wants credentials, or there is no such image; log in with `docker login {registry}`"
        ),
    }
}

/// The registry names a token server that no credential should go to.
pub(super) fn bad_realm(registry: &str) -> ImageError {
    let message = format!("{registry}: its tokens are to be had where no credentials should go");
    ImageError::new(ErrorKind::Forbidden, message)
}
