//! Digests: what content is known by, and the check that it is that content.

use std::fmt;
use std::io::{self, Read};

use serde::{Deserialize, Deserializer, de};
use sha2::{Digest as _, Sha256};

use super::error::ImageError;
use crate::text::hex;

/// `sha256:` and 64 hexadecimal digits. Other algorithms are in no registry's use.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(String);

impl Digest {
    /// Reads a digest; `None` if it is none of SHA-256.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("sha256:")?;
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (digits.len() == 64 && digits.bytes().all(hexadecimal)).then(|| Self(text.to_owned()))
    }

    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_hash(Sha256::digest(bytes).as_slice())
    }

    fn of_hash(hash: &[u8]) -> Self {
        Self(format!("sha256:{}", hex(hash)))
    }

    /// With its algorithm.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hexadecimal digits.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or_default()
    }

    /// Checks that these are the bytes.
    pub(super) fn check(&self, bytes: &[u8], what: &str) -> Result<(), ImageError> {
        if Self::of(bytes) == *self { Ok(()) } else { Err(self.differs(what)) }
    }

    fn differs(&self, what: &str) -> ImageError {
        ImageError::bad(format!(
            "the {what} is not the content of {self}: it was damaged or replaced"
        ))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| de::Error::custom("a digest is not `sha256:` and 64 digits"))
    }
}

/// Hashes what is read through it.
pub(super) struct Verified<R> {
    inner: R,
    hash: Sha256,
    digest: Digest,
}

impl<R: Read> Verified<R> {
    pub(super) fn new(inner: R, digest: Digest) -> Self {
        Self { inner, hash: Sha256::new(), digest }
    }

    /// Reads to the end, and checks the digest.
    pub(super) fn finish(mut self, what: &str) -> Result<(), ImageError> {
        io::copy(&mut self, &mut io::sink())?;
        let found = Digest::of_hash(self.hash.finalize().as_slice());
        if found == self.digest { Ok(()) } else { Err(self.digest.differs(what)) }
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }
}
