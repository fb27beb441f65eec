//! Connections: whose address, through which proxy, by which certificates.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::Settings;
use crate::images::error::{ErrorKind, ImageError};

/// Time for a connection with all that belongs to it.
const CONNECT: Duration = Duration::from_secs(15);
/// Time for one of several addresses. Where IPv6 leads nowhere, there is time for IPv4.
const ADDRESS: Duration = Duration::from_secs(4);
/// Maximum length of a proxy's answer, in bytes.
const PROXY_ANSWER: usize = 8 << 10;

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Whether TLS is spoken.
    pub(super) tls: bool,
    pub(super) host: String,
    /// `None` is the scheme's own.
    pub(super) port: Option<u16>,
}

impl Origin {
    /// The origin of a host as an image's name has it.
    pub(super) fn of_host(host: &str) -> Option<Self> {
        let uri: http::Uri = format!("https://{host}/").parse().ok()?;
        Self::of_uri(&uri)
    }

    pub(super) fn of_uri(uri: &http::Uri) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
        let plain = !uri.authority()?.as_str().contains('@');
        plain.then(|| Self { tls, host, port: uri.port_u16() })
    }

    /// The host without brackets.
    pub(super) fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }

    /// The value of the header `Host`.
    pub(super) fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }

    pub(super) fn is_loopback(&self) -> bool {
        let address = self.name().parse::<IpAddr>();
        self.host == "localhost"
            || address.is_ok_and(|address| Reach::of(address) == Reach::Loopback)
    }

    pub(super) fn uri(&self, path: &str) -> Option<http::Uri> {
        format!("{self}{path}").parse().ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// How far away an address is. Nobody is sent nearer than where they came from: a registry on the
/// internet has no business behind this machine's firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Public,
    /// A private network's.
    Private,
    /// This machine.
    Loopback,
    /// Link-local and what else is nobody's to be sent to; clouds keep credentials there.
    Special,
}

impl Reach {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => {
                let first = address.segments().first().copied().unwrap_or_default();
                match address.to_ipv4_mapped() {
                    Some(mapped) => Self::of_v4(mapped),
                    None if address.is_loopback() => Self::Loopback,
                    None if address.is_unspecified() || address.is_multicast() => Self::Special,
                    None if first & 0xffc0 == 0xfe80 => Self::Special,
                    None if first & 0xfe00 == 0xfc00 => Self::Private,
                    None => Self::Public,
                }
            }
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        // 100.64.0.0/10 is of carriers, and of clouds and overlays.
        let shared = matches!(address.octets(), [100, 64..=127, ..]);
        if address.is_loopback() {
            Self::Loopback
        } else if address.is_link_local()
            || address.is_unspecified()
            || address.is_broadcast()
            || address.is_multicast()
            || matches!(address.octets(), [0 | 240..=255, ..])
        {
            Self::Special
        } else if address.is_private() || shared {
            Self::Private
        } else {
            Self::Public
        }
    }
}

/// What bytes go through.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Makes connections.
pub(super) struct Connector {
    tls: TlsConnector,
    proxies: Matcher,
}

/// A connection, and where it leads.
pub(super) struct Connection {
    pub(super) stream: Box<dyn Stream>,
    pub(super) reach: Reach,
}

impl Connector {
    /// # Errors
    /// When the certificates to trust cannot be read.
    pub(super) fn new(settings: &Settings) -> Result<Self, ImageError> {
        let mut roots = RootCertStore::empty();
        // Reads SSL_CERT_FILE and SSL_CERT_DIR too. ironhull's own image has no certificates.
        let native = rustls_native_certs::load_native_certs().certs;
        match native.is_empty() {
            true => roots.add_parsable_certificates(
                webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().cloned(),
            ),
            false => roots.add_parsable_certificates(native),
        };
        if let Some(path) = &settings.ca_file {
            let unreadable = |why: String| {
                ImageError::new(ErrorKind::Unreadable, format!("{}: {why}", path.display()))
            };
            let certificates = CertificateDer::pem_file_iter(path);
            let certificates = certificates.map_err(|error| unreadable(error.to_string()))?;
            let mut count = 0;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
                roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
                count += 1;
            }
            if count == 0 {
                return Err(unreadable("there is no certificate in it".to_owned()));
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| ImageError::new(ErrorKind::Tls, error.to_string()))?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), proxies: Matcher::from_env() })
    }

    /// Connects. The address must be no nearer than `nearest`.
    pub(super) async fn connect(
        &self,
        origin: &Origin,
        nearest: Reach,
    ) -> Result<Connection, ImageError> {
        timeout(CONNECT, self.connect_in_time(origin, nearest)).await.unwrap_or_else(|_| {
            let message =
                format!("{}: no connection within {} s", origin.authority(), CONNECT.as_secs());
            Err(ImageError::new(ErrorKind::Unreachable, message))
        })
    }

    async fn connect_in_time(
        &self,
        origin: &Origin,
        nearest: Reach,
    ) -> Result<Connection, ImageError> {
        let literal = origin.name().parse::<IpAddr>().ok();
        if let Some(address) = literal {
            check(origin, Reach::of(address), nearest)?;
        }
        let proxy = origin.uri("/").and_then(|uri| self.proxies.intercept(&uri));
        let (stream, reach) = match proxy.filter(|_| origin.tls) {
            // Where a name leads is the proxy's knowledge.
            Some(proxy) => {
                let proxy_origin =
                    Origin::of_host(proxy.uri().authority().map_or("", |it| it.as_str()));
                let unusable = || {
                    let message = "the proxy in HTTPS_PROXY is not of the form http://HOST:PORT";
                    ImageError::new(ErrorKind::Unreachable, message)
                };
                let plain = proxy.uri().scheme_str() == Some("http");
                let proxy_origin = proxy_origin.filter(|_| plain).ok_or_else(unusable)?;
                let proxy_origin = Origin { tls: false, ..proxy_origin };
                let (stream, _) = tcp(&proxy_origin, Reach::Special).await?;
                let secret = proxy.basic_auth().map(|value| value.as_bytes());
                let stream = tunnel(stream, origin, secret).await?;
                (stream, literal.map_or(Reach::Public, Reach::of))
            }
            None => tcp(origin, nearest).await?,
        };
        if !origin.tls {
            return Ok(Connection { stream: Box::new(stream), reach });
        }
        let name = ServerName::try_from(origin.name().to_owned());
        let name = name.map_err(|error| ImageError::new(ErrorKind::Tls, error.to_string()))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| tls(origin, &error))?;
        Ok(Connection { stream: Box::new(stream), reach })
    }
}

fn check(origin: &Origin, reach: Reach, nearest: Reach) -> Result<(), ImageError> {
    if reach <= nearest {
        return Ok(());
    }
    let host = origin.authority();
    let message =
        format!("the registry leads to `{host}`, which is an address of this network or machine");
    Err(ImageError::new(ErrorKind::Forbidden, message))
}

async fn tcp(origin: &Origin, nearest: Reach) -> Result<(TcpStream, Reach), ImageError> {
    let unreachable = |error: &io::Error| {
        let message = format!("{}: {error}", origin.authority());
        ImageError::new(ErrorKind::Unreachable, message)
    };
    let addresses = lookup_host((origin.name(), origin.port())).await;
    let addresses: Vec<SocketAddr> = addresses.map_err(|error| unreachable(&error))?.collect();
    let mut last = io::Error::other("the name has no address");
    let mut left = addresses.len();
    for address in addresses {
        left -= 1;
        let reach = Reach::of(address.ip());
        // One address that is forbidden is a reason to try none: the next answer may differ.
        check(origin, reach, nearest)?;
        // The last one has all the time that is left.
        let patience = if left > 0 { ADDRESS } else { CONNECT };
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok((stream, reach));
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(unreachable(&last))
}

/// Asks a proxy for a tunnel (RFC 9110, CONNECT).
async fn tunnel(
    mut stream: TcpStream,
    origin: &Origin,
    secret: Option<&[u8]>,
) -> Result<TcpStream, ImageError> {
    let refused = |why: &str| {
        let host = origin.authority();
        ImageError::new(
            ErrorKind::Unreachable,
            format!("{host}: the proxy does not lead there: {why}"),
        )
    };
    let target = format!("{}:{}", origin.host, origin.port());
    let mut head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(secret) = secret {
        head.extend(b"Proxy-Authorization: ");
        head.extend(secret);
        head.extend(b"\r\n");
    }
    head.extend(b"\r\n");
    stream.write_all(&head).await.map_err(|error| refused(&error.to_string()))?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // What comes behind the head is the other end's.
        let byte = stream.read_u8().await.map_err(|error| refused(&error.to_string()))?;
        answer.push(byte);
        if answer.len() > PROXY_ANSWER {
            return Err(refused("its answer is too long"));
        }
    }
    let line = String::from_utf8_lossy(&answer);
    let status = line.split(' ').nth(1).unwrap_or_default();
    if status == "200" { Ok(stream) } else { Err(refused(&format!("status {status}"))) }
}

/// Why a handshake failed.
fn tls(origin: &Origin, error: &io::Error) -> ImageError {
    let host = origin.authority();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let ended =
        matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset);
    let (kind, message) = match inner {
        Some(rustls::Error::InvalidCertificate(why)) => (
            ErrorKind::Tls,
            format!(
                "{host}: its certificate is not trusted ({why:?}); name its authority with --ca-file or SSL_CERT_FILE"
            ),
        ),
        Some(rustls::Error::InvalidMessage(_)) => (ErrorKind::NoTls, no_tls(&host)),
        Some(error) => (ErrorKind::Tls, format!("{host}: TLS failed: {error}")),
        None if ended => (ErrorKind::NoTls, no_tls(&host)),
        None => (ErrorKind::Unreachable, format!("{host}: {error}")),
    };
    ImageError::new(kind, message)
}

fn no_tls(host: &str) -> String {
    format!("{host}: it does not speak TLS; if it should not, use --plain-http")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use super::*;

    #[test]
    fn where_addresses_are() {
        for (addresses, reach) in [
            ("8.8.8.8 2606:4700::1111 172.32.0.1", Reach::Public),
            ("10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 fd00::1 ::ffff:10.0.0.1", Reach::Private),
            ("127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1", Reach::Loopback),
            (
                "169.254.169.254 0.0.0.0 224.0.0.1 255.255.255.255 fe80::1 :: ff02::1",
                Reach::Special,
            ),
            ("::ffff:169.254.169.254 240.0.0.1 0.1.2.3", Reach::Special),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(Reach::of(address.parse().unwrap()), reach, "{address}");
            }
        }
    }

    #[test]
    fn origins() {
        let origin = Origin::of_host("Registry.example:5000").unwrap();
        assert_eq!(origin.to_string(), "https://registry.example:5000");
        assert_eq!(Origin::of_host("[::1]:5000").unwrap().name(), "::1");
        assert!(Origin::of_host("localhost:5000").unwrap().is_loopback());
        assert!(Origin::of_host("[::1]").unwrap().is_loopback());
        assert!(!Origin::of_host("example.com").unwrap().is_loopback());
        for uri in ["https://user:secret@example.com/", "ftp://example.com/", "/v2/"] {
            assert_eq!(Origin::of_uri(&uri.parse().unwrap()), None, "{uri}");
        }
    }
}
