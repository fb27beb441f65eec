//! A small HTTP/1.1 client over TLS. It sends what it is told, whole or in pieces,
//! well-formed or not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

/// No answer of a healthy server takes this long, not even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client trusts, and what it offers.
#[derive(Clone)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
    alpn: Vec<Vec<u8>>,
}

impl Trust {
    /// Trusts these PEM certificates.
    pub(crate) fn new<'p>(certificates: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut roots = RootCertStore::empty();
        for pem in certificates {
            roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        }
        Self { roots: Arc::new(roots), alpn: Vec::new() }
    }

    pub(crate) fn offering(mut self, protocol: &str) -> Self {
        self.alpn.push(protocol.as_bytes().to_vec());
        self
    }

    pub(crate) fn connect(&self, address: SocketAddr) -> io::Result<Client> {
        Client::connect(address, &Arc::new(self.config(rustls::DEFAULT_VERSIONS)))
    }

    /// What rustls needs to know, for these versions of TLS.
    pub(crate) fn config(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_no_client_auth();
        config.alpn_protocols.clone_from(&self.alpn);
        config
    }
}

/// One connection.
pub(crate) struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").unwrap();
        let tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        let tcp = TcpStream::connect(address)?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_write_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(tls, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Client { stream, unread: Vec::new() })
    }

    /// The version of TLS, and whether a session was resumed.
    pub(crate) fn tls(&self) -> (Option<ProtocolVersion>, Option<HandshakeKind>) {
        (self.stream.conn.protocol_version(), self.stream.conn.handshake_kind())
    }
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// The bytes of a POST of JSON.
pub(crate) fn post(path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

impl Client {
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    pub(crate) fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        self.send(&post(path, body))?;
        self.answer()
    }

    /// The certificate the server showed.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        self.stream.conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// Ends the sending side: of TLS, then of TCP.
    pub(crate) fn half_close(&mut self) {
        self.stream.conn.send_close_notify();
        let _ = self.stream.flush();
        self.stream.sock.shutdown(Shutdown::Write).unwrap();
    }

    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.stream, &mut self.unread)
    }

    /// Asks for new keys, which TLS 1.3 lets either side do at any time.
    pub(crate) fn update_keys(&mut self) -> io::Result<()> {
        self.stream.conn.refresh_traffic_keys().map_err(io::Error::other)?;
        while self.stream.conn.wants_write() {
            self.stream.conn.write_tls(&mut self.stream.sock)?;
        }
        Ok(())
    }

    /// Whether the server has closed or closes, with nothing more said.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.read_some() {
            Ok(count) => count == 0,
            Err(error) => {
                !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
            }
        }
    }

    /// The next bytes that come, whatever they are; says how many.
    pub(crate) fn read_some(&mut self) -> io::Result<usize> {
        self.stream.read(&mut [0; 1024])
    }

    pub(crate) fn set_patience(&self, patience: Duration) {
        self.stream.sock.set_read_timeout(Some(patience)).unwrap();
        self.stream.sock.set_write_timeout(Some(patience)).unwrap();
    }
}

/// A GET over plain HTTP.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    let mut tcp = TcpStream::connect(address).unwrap();
    tcp.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(tcp, "GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    read_answer(&mut tcp, &mut Vec::new()).unwrap()
}

fn read_answer(stream: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<Answer> {
    let end = loop {
        if let Some(end) = unread.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        fill(stream, unread)?;
    };
    let head = String::from_utf8(unread.drain(..end + 4).collect()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    if status == 100 {
        return read_answer(stream, unread);
    }
    let length = headers.iter().find(|(key, _)| key == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    while unread.len() < length {
        fill(stream, unread)?;
    }
    let body = unread.drain(..length).collect();
    Ok(Answer { status, headers, body })
}

fn fill(stream: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    let count = stream.read(&mut buffer)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    unread.extend_from_slice(&buffer[..count]);
    Ok(())
}
