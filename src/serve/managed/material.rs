//! Content of the Secret of self-managed certificates, and its renewal. Pure except for the
//! randomness of new keys.
//!
//! | key | content |
//! |---|---|
//! | `ca.crt` | the authorities to be trusted: the present one first, then those before it |
//! | `ca.key` | the present authority's key |
//! | `tls.crt`, `tls.key` | the serving certificate, signed by the present authority |

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::serve::certs::{Identity, PemPair, Problem};

/// Data keys of the Secret.
const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Certificates are backdated by this much, because the clocks of API servers and nodes differ.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// Maximum number of trusted CAs: the present one, the one before it, and two more for a Secret
/// that is emptied again and again. A configuration has its limits.
const MAX_TRUSTED: usize = 4;

/// Lifetimes of the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Lifetime of a serving certificate.
    pub certificate: SignedDuration,
    /// Lifetime of an authority.
    pub authority: SignedDuration,
    /// Time before its end at which each is replaced.
    pub rotate_before: SignedDuration,
}

impl Default for Lifetimes {
    /// 90 days for a certificate and a year for an authority, each replaced 30 days early. That is
    /// often enough for rotation to be routine, and leaves a month to notice that it fails.
    fn default() -> Self {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        Self { certificate: days(90), authority: days(365), rotate_before: days(30) }
    }
}

impl Lifetimes {
    /// Refuses lifetimes with which renewal would never come to rest.
    ///
    /// # Errors
    /// What is wrong, as text for people.
    pub fn check(&self) -> Result<(), String> {
        let Self { certificate, authority, rotate_before } = self;
        if !rotate_before.is_positive() {
            return Err(
                "the time to rotate certificates before their expiry must be above zero".to_owned()
            );
        }
        if certificate <= rotate_before {
            return Err(format!(
                "a certificate with a lifetime of {certificate:#} cannot be rotated \
                 {rotate_before:#} before its expiry"
            ));
        }
        if authority < certificate {
            return Err(format!(
                "the lifetime of the CA ({authority:#}) must not be shorter than that \
                 of its certificates ({certificate:#})"
            ));
        }
        Ok(())
    }
}

/// Names and lifetimes of the certificates to make.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The host names; API servers use the first.
    pub names: Vec<String>,
    /// Lifetimes of the certificates.
    pub lifetimes: Lifetimes,
}

/// A complete and consistent content of the Secret.
#[derive(Clone)]
pub struct Material {
    trusted: Vec<Authority>,
    authority_key: String,
    /// Certificate and key to be served.
    pub pair: PemPair,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// An authority's certificate.
#[derive(Clone)]
struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    not_before: Timestamp,
    not_after: Timestamp,
}

/// Why the Secret's content is not [`Material`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// The Secret is empty, as when it is created.
    #[error("it is empty")]
    Empty,
    /// A key is missing.
    #[error("it has no `{0}`")]
    Missing(&'static str),
    /// An authority cannot be read.
    #[error("its `ca.crt` is not usable: {0}")]
    Authority(String),
    /// The serving certificate cannot be used.
    #[error("its `tls.crt` and `tls.key` are not usable: {0}")]
    Leaf(#[from] Problem),
    /// API servers would not accept the serving certificate.
    #[error("its `tls.crt` would not be trusted: {0}")]
    Untrusted(String),
}

/// What has to be renewed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The serving certificate.
    Leaf(&'static str),
    /// The authority, and the serving certificate with it.
    Authority(&'static str),
}

impl Due {
    /// The reason, as text for people.
    pub fn why(self) -> &'static str {
        match self {
            Self::Leaf(why) | Self::Authority(why) => why,
        }
    }
}

impl Material {
    /// Reads the content of the Secret. An expired certificate or authority is no flaw, nor is an
    /// authority that can no longer sign: see [`Material::due`].
    ///
    /// # Errors
    /// When clients that trust its authorities would not accept its certificate.
    pub fn read(data: &BTreeMap<String, ByteString>, terms: &Terms) -> Result<Self, Flaw> {
        let known = [CA_CERTIFICATE, CA_KEY, CERTIFICATE, KEY];
        let field = |key: &'static str| {
            data.get(key).map(|value| value.0.as_slice()).filter(|value| !value.is_empty())
        };
        if known.into_iter().all(|key| field(key).is_none()) {
            return Err(Flaw::Empty);
        }
        let needed = |key| field(key).ok_or(Flaw::Missing(key));
        let trusted = Authority::read_all(needed(CA_CERTIFICATE)?).map_err(Flaw::Authority)?;
        let pair =
            PemPair { certificate: needed(CERTIFICATE)?.to_vec(), key: needed(KEY)?.to_vec() };
        let leaf = Identity::from_pem(&pair.certificate, &pair.key)?;
        verify(&leaf, &trusted, terms).map_err(Flaw::Untrusted)?;
        // A key that cannot sign leads to a new authority when the time comes, and no sooner.
        let authority_key = field(CA_KEY).unwrap_or_default();
        Ok(Self {
            trusted,
            authority_key: String::from_utf8_lossy(authority_key).into_owned(),
            pair,
            not_before: leaf.not_before,
            not_after: leaf.not_after,
        })
    }

    /// A new authority and certificate. What `former` trusts stays trusted, so that a replica that
    /// still serves its certificate can do so until it has seen this one.
    ///
    /// # Errors
    /// When a name is not valid in a certificate.
    pub fn new(
        terms: &Terms,
        former: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = common_name(&format!("ironhull authority {now:.0}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = SystemTime::from(now - BACKDATED).into();
        params.not_after = SystemTime::from(now + terms.lifetimes.authority).into();
        let present = Authority::read(&params.self_signed(&key)?.pem())?;
        let former = former.into_iter().flat_map(|former| &former.trusted);
        let still = former.filter(|authority| authority.not_after > now).cloned();
        let trusted = std::iter::once(present).chain(still).take(MAX_TRUSTED).collect();
        Self::signed(trusted, key.serialize_pem(), terms, now)
    }

    /// Renews what is due.
    ///
    /// # Errors
    /// When a name is not valid in a certificate.
    pub fn renewed(
        &self,
        due: Due,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        match due {
            Due::Authority(_) => Self::new(terms, Some(self), now),
            Due::Leaf(_) => {
                Self::signed(self.trusted.clone(), self.authority_key.clone(), terms, now)
            }
        }
    }

    /// A new certificate, signed by the first of `trusted`, whose key is `authority_key`.
    fn signed(
        trusted: Vec<Authority>,
        authority_key: String,
        terms: &Terms,
        now: Timestamp,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let authority = trusted.first().ok_or("there is no CA")?;
        let issuer = Issuer::from_ca_cert_pem(&authority.pem, KeyPair::from_pem(&authority_key)?)?;
        let not_after = (now + terms.lifetimes.certificate).min(authority.not_after);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(terms.names.clone())?;
        params.distinguished_name = common_name("ironhull");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.not_before = SystemTime::from((now - BACKDATED).max(authority.not_before)).into();
        params.not_after = SystemTime::from(not_after).into();
        let pair = PemPair {
            certificate: params.signed_by(&key, &issuer)?.pem().into_bytes(),
            key: key.serialize_pem().into_bytes(),
        };
        let leaf = Identity::from_pem(&pair.certificate, &pair.key)?;
        let (not_before, not_after) = (leaf.not_before, leaf.not_after);
        Ok(Self { trusted, authority_key, pair, not_before, not_after })
    }

    /// What has to be renewed at `now`, by the wall clock. `None` if nothing has to.
    pub fn due(&self, lifetimes: &Lifetimes, now: Timestamp) -> Option<Due> {
        let near = |end: Timestamp| end.duration_since(now) <= lifetimes.rotate_before;
        let Some(authority) = self.trusted.first() else {
            return Some(Due::Authority("there is no CA"));
        };
        if near(authority.not_after) {
            return Some(Due::Authority("the CA expires soon"));
        }
        if authority.not_before > now {
            return Some(Due::Authority("the CA is not valid yet"));
        }
        let why = if self.not_before > now {
            "the certificate is not valid yet"
        } else if near(self.not_after) {
            "the certificate expires soon"
        } else {
            return None;
        };
        if authority.signs_with(&self.authority_key) {
            Some(Due::Leaf(why))
        } else {
            Some(Due::Authority("the certificate has to be renewed, and the CA's key is lost"))
        }
    }

    /// Authorities that the API servers are to trust, as PEM.
    pub fn bundle(&self) -> String {
        self.trusted.iter().map(|authority| authority.pem.as_str()).collect()
    }

    /// Data to be stored in the Secret.
    pub fn data(&self) -> BTreeMap<&'static str, ByteString> {
        BTreeMap::from([
            (CA_CERTIFICATE, ByteString(self.bundle().into_bytes())),
            (CA_KEY, ByteString(self.authority_key.clone().into_bytes())),
            (CERTIFICATE, ByteString(self.pair.certificate.clone())),
            (KEY, ByteString(self.pair.key.clone())),
        ])
    }
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Material").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Authority {
    fn read_all(pem: &[u8]) -> Result<Vec<Self>, String> {
        let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .map(|der| Self::from_der(der.map_err(|error| error.to_string())?))
            .collect::<Result<_, _>>()?;
        if all.is_empty() { Err("it holds no PEM certificate".to_owned()) } else { Ok(all) }
    }

    fn read(pem: &str) -> Result<Self, String> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes());
        Self::from_der(der.map_err(|error| error.to_string())?)
    }

    fn from_der(der: CertificateDer<'static>) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| error.to_string())?;
        let at = |seconds| Timestamp::from_second(seconds).map_err(|error| error.to_string());
        let not_before = at(parsed.validity().not_before.timestamp())?;
        let not_after = at(parsed.validity().not_after.timestamp())?;
        let pem = pem_of(&der);
        Ok(Self { pem, der, not_before, not_after })
    }

    fn signs_with(&self, key: &str) -> bool {
        let Ok(key) = KeyPair::from_pem(key) else { return false };
        X509Certificate::from_der(&self.der)
            .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info())
    }
}

/// Encodes a certificate as PEM anew, so that nothing but certificates gets into a bundle.
fn pem_of(der: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, c) in text.chars().enumerate() {
        if index > 0 && index % 64 == 0 {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem + "\n-----END CERTIFICATE-----\n"
}

/// Checks that clients which trust `trusted` accept the certificate for the first name, as the API
/// server will. The validity is not checked here: [`Material::due`] judges it.
fn verify(leaf: &Identity, trusted: &[Authority], terms: &Terms) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for authority in trusted {
        roots.add(authority.der.clone()).map_err(|error| error.to_string())?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())?;
    let name = terms.names.first().cloned().unwrap_or_default();
    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
    let middle = leaf.not_before + leaf.not_after.duration_since(leaf.not_before) / 2;
    let middle = Duration::from_secs(u64::try_from(middle.as_second()).unwrap_or_default());
    let at = UnixTime::since_unix_epoch(middle);
    let (end_entity, chain) = leaf.key.cert.split_first().ok_or("there is no certificate")?;
    verifier
        .verify_server_cert(end_entity, chain, &name, &[], at)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

#[cfg(test)]
mod tests;
