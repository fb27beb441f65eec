//! Serving certificates: PEM parsed into a consistent [`Identity`], and self-signed ones.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate chain with the key that belongs to it.
#[derive(Debug)]
pub struct Identity {
    /// Chain and key, in the form rustls serves.
    pub key: Arc<CertifiedKey>,
    /// The leaf's subject.
    pub subject: String,
    /// Start of the leaf's validity.
    pub not_before: Timestamp,
    /// End of the leaf's validity.
    pub not_after: Timestamp,
}

/// Why a certificate and a key do not form an [`Identity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {error}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        error: String,
    },
    /// The certificate file holds none.
    #[error("the certificate file holds no PEM certificate")]
    NoCertificate,
    /// The certificate file's PEM is damaged.
    #[error("the certificate file is not valid PEM: {0}")]
    CertificatePem(String),
    /// The leaf is not an X.509 certificate.
    #[error("the certificate is not valid X.509: {0}")]
    X509(String),
    /// The key file's PEM is damaged, or holds no private key.
    #[error("the key file holds no usable PEM private key: {0}")]
    KeyPem(String),
    /// rustls cannot use the key.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The key belongs to another certificate.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// The certificate has expired.
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
}

impl Identity {
    /// Reads a certificate chain, leaf first, and its key.
    ///
    /// # Errors
    /// When either cannot be used, or the key does not belong to the leaf.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, Problem> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| Problem::CertificatePem(error.to_string()))?;
        let leaf = chain.first().ok_or(Problem::NoCertificate)?;
        let (_, leaf) =
            X509Certificate::from_der(leaf).map_err(|error| Problem::X509(error.to_string()))?;
        let subject = leaf.subject().to_string();
        let validity = leaf.validity();
        let not_before = timestamp(validity.not_before.timestamp())?;
        let not_after = timestamp(validity.not_after.timestamp())?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| Problem::KeyPem(error.to_string()))?;
        let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(
            |error| match error {
                rustls::Error::InconsistentKeys(_) => Problem::Mismatch,
                other => Problem::Key(other.to_string()),
            },
        )?;
        Ok(Self { key: Arc::new(key), subject, not_before, not_after })
    }

    /// Refuses a certificate that has expired at `now`.
    ///
    /// # Errors
    /// [`Problem::Expired`].
    pub fn valid_at(self, now: Timestamp) -> Result<Self, Problem> {
        if self.not_after < now { Err(Problem::Expired(self.not_after)) } else { Ok(self) }
    }
}

fn timestamp(seconds: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_second(seconds).map_err(|error| Problem::X509(error.to_string()))
}

/// Paths of a certificate and its key.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// PEM certificates, leaf first.
    pub certificate: PathBuf,
    /// The PEM private key.
    pub key: PathBuf,
}

/// Contents of the two files.
#[derive(Clone, PartialEq, Eq)]
pub struct PemPair {
    /// The certificates, as PEM.
    pub certificate: Vec<u8>,
    /// The key, as PEM.
    pub key: Vec<u8>,
}

/// Maximum number of further reads when the certificate changed while the key was being read. A
/// rotation takes one swap of a symlink, or two writes.
const READ_AGAIN: usize = 3;

impl CertificateFiles {
    /// Reads both files, from the same moment if at all possible.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn read(&self) -> Result<PemPair, Problem> {
        let mut certificate = read(&self.certificate)?;
        let mut key = read(&self.key)?;
        for _ in 0..READ_AGAIN {
            let again = read(&self.certificate)?;
            if again == certificate {
                break;
            }
            certificate = again;
            key = read(&self.key)?;
        }
        Ok(PemPair { certificate, key })
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Problem> {
    fs::read(path)
        .map_err(|error| Problem::Unreadable { path: path.clone(), error: error.to_string() })
}

/// Makes a self-signed certificate for `names` (host names and addresses), for the demo and for
/// tests. No cluster ever trusts it.
///
/// # Errors
/// When a name is not valid in a certificate.
pub fn self_signed(names: &[&str]) -> Result<PemPair, rcgen::Error> {
    let mut params = CertificateParams::new(
        names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>(),
    )?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "ironhull");
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(PemPair {
        certificate: certificate.pem().into_bytes(),
        key: key.serialize_pem().into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn accepts_a_pair_that_belongs_together() {
        let pair = self_signed(&["localhost"]).unwrap();
        let identity = Identity::from_pem(&pair.certificate, &pair.key).unwrap();
        assert_eq!(identity.subject, "CN=ironhull");
        assert!(identity.not_before < identity.not_after);
    }

    #[test]
    fn rejects_what_is_not_whole() {
        let pair = self_signed(&["localhost"]).unwrap();
        let other = self_signed(&["localhost"]).unwrap();
        let problem = |certificate: &[u8], key: &[u8]| {
            Identity::from_pem(certificate, key).map(|_| ()).unwrap_err()
        };
        assert_eq!(problem(&pair.certificate, &other.key), Problem::Mismatch);
        assert_eq!(problem(b"", &pair.key), Problem::NoCertificate);
        assert_eq!(problem(&pair.key, &pair.key), Problem::NoCertificate);
        assert!(matches!(problem(&pair.certificate, b""), Problem::KeyPem(_)));
        assert!(matches!(problem(&pair.certificate, &pair.certificate), Problem::KeyPem(_)));
        let torn = pair.certificate.get(..200).unwrap();
        assert!(
            matches!(problem(torn, &pair.key), Problem::CertificatePem(_)),
            "{:?}",
            problem(torn, &pair.key)
        );
    }

    #[test]
    fn rejects_one_that_is_over() {
        let pair = self_signed(&["localhost"]).unwrap();
        let read = || Identity::from_pem(&pair.certificate, &pair.key).unwrap();
        let end = read().not_after;
        assert!(read().valid_at(Timestamp::now()).is_ok());
        let later = end + jiff::SignedDuration::from_secs(1);
        assert_eq!(read().valid_at(later).map(|_| ()).unwrap_err(), Problem::Expired(end));
    }
}
