//! A registry that does what a test wants: HTTP/1.1 without TLS, on loopback.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ironhull::images::digest::Digest;
use serde_json::Value;

/// A request, as the registry saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
}

/// What to do with a request.
pub enum Reply {
    /// Answer with status, headers and body.
    With(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The same, but break off after so many bytes of the body.
    Cut(Vec<u8>, usize),
    /// The same, at a byte a while.
    Drip(Vec<u8>, Duration),
    /// Do what the content asks for.
    Usual,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::With(status, Vec::new(), Vec::new())
    }

    pub fn redirect(to: impl Into<String>) -> Self {
        Self::With(307, vec![("Location", to.into())], Vec::new())
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A registry with the content of a layout, under the repository `app`.
pub struct Fake {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// The most requests that were under way at once.
    pub most: Arc<AtomicUsize>,
}

/// Something that a registry has.
#[derive(Clone)]
struct Blob {
    media_type: String,
    digest: String,
    bytes: Arc<Vec<u8>>,
}

struct Served {
    content: HashMap<String, Blob>,
    handler: Box<Handler>,
    seen: Arc<Mutex<Vec<Seen>>>,
    now: AtomicUsize,
    most: Arc<AtomicUsize>,
}

impl Fake {
    pub fn start(
        layout: Option<&Path>,
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, most) = (Arc::default(), Arc::default());
        let served = Arc::new(Served {
            content: layout.map(content).unwrap_or_default(),
            handler: Box::new(handler),
            seen: Arc::clone(&seen),
            now: AtomicUsize::new(0),
            most: Arc::clone(&most),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                thread::spawn(move || served.serve(stream));
            }
        });
        Self { address, seen, most }
    }

    /// The name of an image in it.
    pub fn image(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.address)
    }

    /// What it was asked, each as `METHOD kind`.
    pub fn asked(&self) -> Vec<String> {
        let seen = self.seen();
        let kind = |seen: &Seen| seen.path.split('/').rev().nth(1).unwrap_or_default().to_owned();
        seen.iter().map(|seen| format!("{} {}", seen.method, kind(seen))).collect()
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

/// Everything of a layout: blobs by digest, manifests by tag too.
fn content(layout: &Path) -> HashMap<String, Blob> {
    let mut content = HashMap::new();
    for entry in std::fs::read_dir(layout.join("blobs/sha256")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let media_type = serde_json::from_slice::<Value>(&bytes).ok();
        let media_type = media_type.and_then(|it| Some(it.get("mediaType")?.as_str()?.to_owned()));
        let media_type = media_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        let digest = Digest::of(&bytes).as_str().to_owned();
        let blob = Blob { media_type, digest: digest.clone(), bytes: Arc::new(bytes) };
        content.insert(digest, blob);
    }
    let index = std::fs::read(layout.join("index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    for manifest in index["manifests"].as_array().unwrap() {
        let name = manifest["annotations"]["org.opencontainers.image.ref.name"].as_str();
        let digest = manifest["digest"].as_str().unwrap();
        if let (Some(name), Some(found)) = (name, content.get(digest).cloned()) {
            content.insert(name.to_owned(), found);
        }
    }
    content
}

impl Served {
    fn serve(&self, stream: TcpStream) {
        let mut first = [0];
        let mut stream = stream;
        // A greeting in TLS is not understood, and answered as Go does.
        if !stream.peek(&mut first).is_ok_and(|read| read == 1) || first[0] == 0x16 {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n");
            return;
        }
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some(seen) = request(&mut reader) {
            self.seen.lock().unwrap().push(seen.clone());
            let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            let kept = self.answer(&seen, &mut stream);
            self.now.fetch_sub(1, Ordering::SeqCst);
            if !kept {
                return;
            }
        }
    }

    /// Answers. Returns whether the connection stays.
    fn answer(&self, seen: &Seen, stream: &mut TcpStream) -> bool {
        let (status, headers, body) = match (self.handler)(seen) {
            Reply::With(status, headers, body) => (status, headers, body),
            Reply::Cut(body, after) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes());
                let _ = stream.write_all(&body[..after]);
                return false;
            }
            Reply::Drip(body, pause) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(head.as_bytes());
                for byte in body {
                    if stream.write_all(&[byte]).is_err() {
                        return false;
                    }
                    thread::sleep(pause);
                }
                return true;
            }
            Reply::Usual => return self.usual(seen, stream),
        };
        self.reply(seen, stream, status, &headers, &body)
    }

    fn reply(
        &self,
        seen: &Seen,
        stream: &mut TcpStream,
        status: u16,
        headers: &[(&'static str, String)],
        body: &[u8],
    ) -> bool {
        let mut head = format!("HTTP/1.1 {status} X\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let sized = headers.iter().any(|(name, _)| *name == "Content-Length");
        if !sized {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        let _ = stream.write_all(format!("{head}\r\n").as_bytes());
        if seen.method != "HEAD" {
            let _ = stream.write_all(body);
        }
        true
    }

    fn usual(&self, seen: &Seen, stream: &mut TcpStream) -> bool {
        let key = seen.path.rsplit('/').next().unwrap();
        let Some(Blob { media_type, digest, bytes }) = self.content.get(key) else {
            return self.reply(seen, stream, 404, &[], &[]);
        };
        let mut headers =
            vec![("Content-Type", media_type.clone()), ("Docker-Content-Digest", digest.clone())];
        let range = seen.headers.get("range").and_then(|range| range.strip_prefix("bytes="));
        if let Some(from) = range.and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok()) {
            let all = bytes.len();
            headers.push(("Content-Range", format!("bytes {from}-{}/{all}", all - 1)));
            return self.reply(seen, stream, 206, &headers, &bytes[from..]);
        }
        self.reply(seen, stream, 200, &headers, bytes)
    }
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    if let Some(length) = headers.get("content-length").and_then(|it| it.parse().ok()) {
        reader.take(length).read_to_end(&mut Vec::new()).ok()?;
    }
    Some(Seen { method, path, headers })
}
