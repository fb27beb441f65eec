//! Just enough of an API server's HTTP client for the demo: one TLS connection, one request after
//! another.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Timeout. A server on the same machine that takes this long has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to the webhook.
pub(super) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Client {
    /// Connects to `address`, trusting the PEM `certificate` alone.
    pub(super) fn connect(address: SocketAddr, certificate: &[u8]) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost")?)?;
        let tcp = TcpStream::connect(address).context("cannot connect to the webhook")?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).context("the TLS handshake failed")?;
        }
        Ok(Self { stream })
    }

    /// Posts a review and returns the answer's body.
    pub(super) fn post(&mut self, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request)?;
        self.stream.flush()?;
        self.answer().context("no answer from the webhook")
    }

    fn answer(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut read = Vec::new();
        let (head, mut body) = loop {
            self.fill(&mut read)?;
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let body = read.split_off(end + 4);
                break (String::from_utf8(read)?.to_ascii_lowercase(), body);
            }
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.context("an answer without a length")?.trim().parse()?;
        while body.len() < length {
            self.fill(&mut body)?;
        }
        if !head.starts_with("http/1.1 200 ") {
            bail!("{}: {}", head.lines().next().unwrap_or_default(), body.escape_ascii());
        }
        Ok(body)
    }

    fn fill(&mut self, into: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            bail!("the connection was closed");
        }
        into.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(())
    }
}
