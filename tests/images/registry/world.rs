//! The registry that the tests start, and what it needs: an authority, passwords, a token server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, SigningKey as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::commands::{ironhull, said};

pub const USER: &str = "puller";
pub const PASSWORD: &str = "hunter2-s3cret";

/// The registry: where `e2e/setup` puts it, or else what is installed.
fn docker_registry() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/docker-registry");
    if unpacked.exists() { unpacked } else { PathBuf::from("docker-registry") }
}

/// Whether the programs are there. In CI they must be.
pub fn programs() -> bool {
    let registry = docker_registry().display().to_string();
    let missing = [registry.as_str(), "skopeo", "htpasswd"].into_iter().find(|program| {
        let found = Command::new("which").arg(program).stdout(Stdio::null()).status();
        !found.is_ok_and(|status| status.success())
    });
    let Some(missing) = missing else { return true };
    assert!(std::env::var_os("CI").is_none(), "{missing} is missing: run e2e/setup");
    eprintln!("NOT RUN: {missing} is missing: run e2e/setup");
    false
}

/// How a registry asks who somebody is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    Nobody,
    ForPassword,
    ForToken,
}

/// What registries of one test have in common: the authority, the passwords, the storage.
pub struct World {
    pub home: TempDir,
    issuer: Arc<CertifiedIssuer<'static, KeyPair>>,
    token_key: KeyPair,
    running: Vec<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl World {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(home.path().join("ca.crt"), issuer.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        fs::write(home.path().join("tls.crt"), leaf.pem()).unwrap();
        fs::write(home.path().join("tls.key"), key.serialize_pem()).unwrap();
        let arguments = ["-Bbn", USER, PASSWORD];
        let passwords = Command::new("htpasswd").args(arguments).output().unwrap();
        fs::write(home.path().join("htpasswd"), passwords.stdout).unwrap();
        let token_key = KeyPair::generate().unwrap();
        Self { home, issuer: Arc::new(issuer), token_key, running: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Starts a registry. Returns its host and port.
    pub fn registry(&mut self, asks: Asks, tls: bool) -> String {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut config = json!({
            "version": 0.1, "log": { "level": "error" },
            "storage": { "filesystem": { "rootdirectory": self.path("storage") } },
            "http": { "addr": format!("127.0.0.1:{port}"), "secret": "for-tests" },
        });
        if tls {
            let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
            config["http"]["tls"] = json!({ "certificate": certificate, "key": key });
        }
        match asks {
            Asks::Nobody => {}
            Asks::ForPassword => {
                let path = self.path("htpasswd");
                config["auth"] = json!({ "htpasswd": { "realm": "test", "path": path } });
            }
            Asks::ForToken => {
                config["auth"] = json!({ "token": {
                    "realm": self.token_server(), "service": "registry", "issuer": "issuer",
                    "rootcertbundle": self.path("ca.crt"),
                } });
            }
        }
        let file = self.path(&format!("{port}.yml"));
        fs::write(&file, serde_yaml::to_string(&config).unwrap()).unwrap();
        let log = fs::File::create(self.path(&format!("{port}.log"))).unwrap();
        let child = Command::new(docker_registry())
            .arg("serve")
            .arg(&file)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.running.push(child.unwrap());
        let address = format!("127.0.0.1:{port}");
        let start = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(start.elapsed() < Duration::from_secs(20), "the registry does not start");
            thread::sleep(Duration::from_millis(20));
        }
        address
    }

    /// Starts a token server, over TLS. Returns its address.
    fn token_server(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let certificate = CertificateParams::new(vec!["issuer".to_owned()])
            .unwrap()
            .signed_by(&self.token_key, &*self.issuer)
            .unwrap();
        let header = json!({
            "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(certificate.der())],
        });
        let key = KeyPair::from_pem(&self.token_key.serialize_pem()).unwrap();
        let tls = server_tls(&self.path("tls.crt"), &self.path("tls.key"));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = rustls::ServerConnection::new(Arc::clone(&tls)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream);
                let mut reader = BufReader::new(&mut stream);
                let (mut path, mut authorised) = (String::new(), false);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                        break;
                    }
                    if let Some(rest) = line.strip_prefix("GET ") {
                        path = rest.split(' ').next().unwrap().to_owned();
                    }
                    let basic = STANDARD.encode(format!("{USER}:{PASSWORD}"));
                    let line = line.to_ascii_lowercase();
                    authorised |=
                        line.trim() == format!("authorization: basic {basic}").to_ascii_lowercase();
                }
                let body = match authorised {
                    true => token(&header, &path, &key),
                    false => String::new(),
                };
                let status = if authorised { "200 OK" } else { "401 Unauthorized" };
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.flush();
            }
        });
        format!("https://{address}/token")
    }

    /// Copies an image from a layout with skopeo.
    pub fn push(&self, layout: &Path, tag: &str, registry: &str, more: &[&str]) {
        let certificates = self.path("certs.d");
        fs::create_dir_all(&certificates).unwrap();
        fs::copy(self.path("ca.crt"), certificates.join("ca.crt")).unwrap();
        let output = Command::new("skopeo")
            .args(["--insecure-policy", "copy", "--all", "--dest-creds"])
            .arg(format!("{USER}:{PASSWORD}"))
            .arg("--dest-cert-dir")
            .arg(&certificates)
            .args(more)
            .arg(format!("oci:{}:{tag}", layout.display()))
            .arg(format!("docker://{registry}/app:{tag}"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// What `image facts` says, with docker's configuration or without.
    pub fn facts(
        &self,
        image: &str,
        credentials: Option<&str>,
        more: &[&str],
    ) -> (i32, String, String) {
        let ca = self.path("ca.crt");
        let arguments = ["image", "facts", "--no-cache", image];
        let mut command = ironhull(self.home.path(), &[&arguments, more].concat());
        command.arg("--ca-file").arg(ca);
        if let Some(credentials) = credentials {
            let registry = image.split('/').next().unwrap();
            let directory = self.path("docker");
            fs::create_dir_all(&directory).unwrap();
            let auths = json!({ registry: { "auth": STANDARD.encode(credentials) } });
            let config = json!({ "auths": auths }).to_string();
            fs::write(directory.join("config.json"), config).unwrap();
            command.env("DOCKER_CONFIG", directory);
        }
        said(&command.output().unwrap())
    }
}

fn server_tls(certificate: &Path, key: &Path) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

/// A token for what a path asks for (distribution, `spec/auth/jwt.md`).
fn token(header: &Value, path: &str, key: &KeyPair) -> String {
    let scope = path.split(['?', '&']).find_map(|part| part.strip_prefix("scope=")).unwrap();
    let name = scope.split(':').nth(1).unwrap();
    let now = Timestamp::now().as_second();
    let claims = json!({
        "iss": "issuer", "sub": USER, "aud": "registry", "iat": now, "nbf": now - 10, "exp": now + 300,
        "access": [{ "type": "repository", "name": name, "actions": ["pull"] }],
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(raw_signature(&key.sign(signed.as_bytes()).unwrap()));
    json!({ "token": format!("{signed}.{signature}") }).to_string()
}

/// The two numbers of an ECDSA signature in DER, 32 bytes each, as a JWT has them.
fn raw_signature(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut raw = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let number = &number[number.len().saturating_sub(32)..];
        raw.extend(std::iter::repeat_n(0, 32 - number.len()));
        raw.extend(number);
        rest = &rest[2 + length..];
    }
    raw
}
