//! Who asks: challenges (RFC 9110), and tokens (distribution, `spec/auth/token.md` and `oauth.md`).

use std::fmt;

use ::http::{Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;

use super::connect::Origin;

/// What a registry wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password with each request.
    Basic,
    /// A token from `realm`.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// The best of those in the headers `WWW-Authenticate`: tokens rather than passwords.
    pub(super) fn best<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let mut basic = None;
        for header in headers {
            let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
            if scheme.eq_ignore_ascii_case("bearer") {
                let mut parameters = parameters(rest);
                let mut take = |name: &str| {
                    let at = parameters.iter().position(|(key, _)| key == name)?;
                    Some(parameters.swap_remove(at).1)
                };
                if let Some(realm) = take("realm") {
                    return Some(Self::Bearer { realm, service: take("service") });
                }
            } else if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic
    }
}

/// `key="value",key=value`. A comma within quotes belongs to the value.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let key = key.trim_matches([' ', ',']).to_ascii_lowercase();
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        found.push((key, value.trim().to_owned()));
        rest = after;
    }
    found
}

/// What a person is known by. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    Password {
        user: String,
        password: String,
    },
    /// A token that is good for other tokens.
    Identity(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a credential")
    }
}

impl Credential {
    /// The value of the header `Authorization`, if it is of the kind that goes there.
    pub(super) fn basic(&self) -> Option<String> {
        match self {
            Self::Password { user, password } => {
                Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
            }
            Self::Identity(_) => None,
        }
    }
}

/// A token server's answer.
#[derive(Deserialize)]
pub(super) struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Token {
    /// The value of the header `Authorization`.
    pub(super) fn bearer(self) -> Option<String> {
        let token = self.token.or(self.access_token).filter(|token| !token.is_empty())?;
        // What cannot stand in a header is no token.
        let sound = token.bytes().all(|byte| byte.is_ascii_graphic());
        sound.then(|| format!("Bearer {token}"))
    }
}

/// A request for a token that allows to read one repository.
pub(super) fn token_request(
    origin: &Origin,
    path: &str,
    service: Option<String>,
    repository: &str,
    credential: Option<&Credential>,
) -> Option<::http::Request<Bytes>> {
    let scope = escaped(&format!("repository:{repository}:pull"));
    let mut query = format!("scope={scope}");
    if let Some(service) = service {
        query.push_str(&format!("&service={}", escaped(&service)));
    }
    let builder = ::http::Request::builder().header(header::HOST, origin.authority());
    if let Some(Credential::Identity(token)) = credential {
        let form = format!(
            "grant_type=refresh_token&client_id=ironhull&refresh_token={}&{query}",
            escaped(token)
        );
        let builder = builder.method(Method::POST).uri(path);
        let builder = builder.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        return builder.body(Bytes::from(form)).ok();
    }
    let separator = if path.contains('?') { '&' } else { '?' };
    let mut builder = builder.uri(format!("{path}{separator}{query}"));
    if let Some(basic) = credential.and_then(Credential::basic) {
        builder = builder.header(header::AUTHORIZATION, basic);
    }
    builder.body(Bytes::new()).ok()
}

/// Text for a query: everything but letters, digits and a few marks is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    #[test]
    fn challenges() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
        };
        for (headers, challenge) in [
            (&["Basic realm=\"x\""][..], Some(Challenge::Basic)),
            (
                &[
                    "Bearer realm=\"https://auth.example/token\",service=\"a, b\",scope=\"repository:x:pull,push\"",
                ],
                bearer("https://auth.example/token", Some("a, b")),
            ),
            (&["basic", "bearer realm=https://a/t"], bearer("https://a/t", None)),
            (&["Bearer service=\"x\""], None),
            (&["Negotiate"], None),
            (&[""], None),
        ] {
            assert_eq!(Challenge::best(headers.iter().copied()), challenge, "{headers:?}");
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        let credential = Credential::Password { user: "me".into(), password: "hunter2".into() };
        assert_eq!(format!("{credential:?}"), "a credential");
        assert_eq!(credential.basic().as_deref(), Some("Basic bWU6aHVudGVyMg=="));
        assert_eq!(Credential::Identity("x".into()).basic(), None);
    }

    #[test]
    fn queries() {
        assert_eq!(escaped("repository:a/b:pull"), "repository:a/b:pull");
        assert_eq!(escaped("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }

    #[test]
    fn requests_for_tokens() {
        let origin = Origin::of_host("auth.example").unwrap();
        let request = |path: &str, credential: Option<Credential>| {
            token_request(&origin, path, Some("a b".into()), "team/web", credential.as_ref())
                .unwrap()
        };
        let plain = request("/token", None);
        assert_eq!(plain.uri(), "/token?scope=repository:team/web:pull&service=a%20b");
        assert_eq!(plain.headers().get("authorization"), None);
        let password = Credential::Password { user: "me".into(), password: "x".into() };
        let password = request("/token?a=b", Some(password));
        assert_eq!(password.uri(), "/token?a=b&scope=repository:team/web:pull&service=a%20b");
        assert_eq!(password.headers()["authorization"], "Basic bWU6eA==");
        let identity = request("/token", Some(Credential::Identity("s=t".into())));
        assert_eq!((identity.method(), identity.uri().path()), (&Method::POST, "/token"));
        let form = std::str::from_utf8(identity.body()).unwrap();
        assert!(
            form.starts_with(
                "grant_type=refresh_token&client_id=ironhull&refresh_token=s%3Dt&scope="
            ),
            "{form}"
        );
    }
}
