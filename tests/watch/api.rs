//! An API server as far as a watch asks one: lists as streams and in pages, events from a
//! version on, bookmarks, versions that are forgotten, and what goes wrong with them.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

#[path = "answers.rs"]
mod answers;
#[path = "asked.rs"]
mod asked;
#[path = "../support/head.rs"]
mod head;
#[path = "reported.rs"]
mod reported;

use answers::{status, whole};
use asked::Asked;

use head::{head, target};
use reported::Reported;
use serde_json::{Value, json};

/// What is served besides single objects: so many pods, each made when it is asked for.
pub struct Crowd {
    pub count: usize,
    pub pod: fn(usize) -> String,
}

/// How it behaves.
#[derive(Clone, Copy, Default)]
pub struct Manners {
    /// Lists come in pages alone.
    pub no_streams: bool,
    /// Pods may not be read.
    pub forbidden: bool,
    /// Nothing is answered: connections are taken and closed.
    pub away: bool,
    /// Lists as streams never end.
    pub slow: bool,
}

#[derive(Default)]
struct Store {
    objects: BTreeMap<(&'static str, String), Value>,
    /// Every change: its version, the resource, the event.
    changes: Vec<(usize, &'static str, String)>,
    version: usize,
    /// Versions below this are gone.
    oldest: usize,
    manners: Manners,
    connections: Vec<TcpStream>,
    /// How often pods were listed: as a stream, in pages.
    lists: (usize, usize),
    /// Objects that are read one by one, by path.
    single: BTreeMap<String, Value>,
    /// What is asked of single pods, and written about them.
    asked: Asked,
    reported: Reported,
}

/// The server; it runs until the test ends.
#[derive(Clone)]
pub struct Api {
    pub address: SocketAddr,
    store: Arc<(Mutex<Store>, Condvar)>,
    crowd: Arc<Option<Crowd>>,
}

impl Api {
    pub fn start(crowd: Option<Crowd>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let store = Store { version: 1, ..Store::default() };
        let api = Self {
            address,
            store: Arc::new((Mutex::new(store), Condvar::new())),
            crowd: Arc::new(crowd),
        };
        let server = api.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = server.clone();
                thread::spawn(move || server.serve(stream));
            }
        });
        api
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.store.0.lock().unwrap()
    }

    /// An object is made or changed.
    pub fn put(&self, resource: &'static str, object: Value) {
        self.change(resource, object, false);
    }

    /// An object is deleted.
    pub fn delete(&self, resource: &'static str, object: Value) {
        self.change(resource, object, true);
    }

    fn change(&self, resource: &'static str, mut object: Value, gone: bool) {
        let mut store = self.lock();
        store.version += 1;
        let version = store.version;
        object["metadata"]["resourceVersion"] = version.to_string().into();
        let key = (resource, object["metadata"]["uid"].as_str().unwrap().to_owned());
        let kind = match (gone, store.objects.contains_key(&key)) {
            (true, _) => "DELETED",
            (false, true) => "MODIFIED",
            (false, false) => "ADDED",
        };
        store.changes.push((version, resource, event(kind, &object.to_string())));
        match gone {
            true => drop(store.objects.remove(&key)),
            false => drop(store.objects.insert(key, object)),
        }
        drop(store);
        self.store.1.notify_all();
    }

    /// Sets an object that is read by its path; text is the reason why it may not be.
    pub fn set(&self, path: &str, mut object: Value) {
        let mut store = self.lock();
        store.version += 1;
        if object.is_object() {
            object["metadata"]["resourceVersion"] = store.version.to_string().into();
        }
        store.single.insert(path.to_owned(), object);
    }

    /// An object that is read by its path.
    pub fn object(&self, path: &str) -> Option<Value> {
        self.lock().single.get(path).cloned()
    }

    /// Answers for an object that is read and written by its path.
    fn single(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        out: &mut TcpStream,
    ) -> std::io::Result<()> {
        let mut store = self.lock();
        let Some(held) = store.single.get(path).cloned() else {
            drop(store);
            return status(out, 404, "not found");
        };
        if held.is_string() {
            drop(store);
            return status(out, 403, held.as_str().unwrap_or_default());
        }
        if method == "GET" {
            drop(store);
            return whole(out, 200, &held.to_string());
        }
        let mut new: Value = serde_json::from_slice(body).unwrap();
        if new["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"] {
            drop(store);
            return status(out, 409, "the object has been modified");
        }
        store.version += 1;
        new["metadata"]["resourceVersion"] = store.version.to_string().into();
        store.single.insert(path.to_owned(), new.clone());
        drop(store);
        whole(out, 200, &new.to_string())
    }

    pub fn behave(&self, manners: Manners) {
        self.lock().manners = manners;
        self.cut();
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        for connection in self.lock().connections.drain(..) {
            let _gone = connection.shutdown(Shutdown::Both);
        }
        self.store.1.notify_all();
    }

    /// Forgets every version before now, and cuts all connections; what `meanwhile` changes
    /// comes in no watch.
    pub fn forget(&self, meanwhile: impl FnOnce(&Self)) {
        let manners = self.lock().manners;
        self.behave(Manners { away: true, ..manners });
        meanwhile(self);
        let mut store = self.lock();
        store.version += 1;
        store.oldest = store.version;
        drop(store);
        self.behave(manners);
    }

    /// How often pods were listed: as a stream, in pages.
    pub fn lists(&self) -> (usize, usize) {
        self.lock().lists
    }

    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().unwrap();
        self.lock().connections.push(stream.try_clone().unwrap());
        let mut reader = BufReader::new(stream);
        while let Some(head) = head(&mut reader) {
            let method = head[0].split(' ').next().unwrap().to_owned();
            let length = head.iter().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            let mut body = vec![0; length.unwrap_or(0)];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let path = target(&head).split('?').next().unwrap_or_default();
            let single = path.contains("/configmaps/") || path.contains("/secrets/");
            let away = self.lock().manners.away;
            let answered = match single && !away {
                true => self.single(&method, path, &body, &mut writer),
                false if Asked::takes(path) && !away => {
                    self.of_one(&method, target(&head), &body, &mut writer)
                }
                false if Reported::takes(path) && !away => {
                    self.of_report(&method, target(&head), &body, &mut writer)
                }
                false => self.answer(target(&head), &mut writer),
            };
            if answered.is_err() {
                let _gone = writer.shutdown(Shutdown::Both);
                return;
            }
        }
    }

    fn answer(&self, target: &str, out: &mut TcpStream) -> std::io::Result<()> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let resource = if path.ends_with("/pods") { "pods" } else { "namespaces" };
        let asked = |key: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        let manners = self.lock().manners;
        if manners.away {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        let watch = asked("watch").is_some();
        if manners.forbidden && resource == "pods" {
            let verb = if watch { "watch" } else { "list" };
            let message = format!(
                "pods is forbidden: User \"system:serviceaccount:a:b\" cannot {verb} resource \"pods\" in API group \"\" at the cluster scope"
            );
            return status(out, 403, &message);
        }
        if !watch {
            return self.page(resource, asked("continue").as_deref(), asked("limit"), out);
        }
        let listing = asked("sendInitialEvents").is_some();
        if listing && manners.no_streams {
            return status(out, 422, "sendInitialEvents is forbidden for watch");
        }
        let from = asked("resourceVersion").unwrap_or_default();
        if !listing && from.parse::<usize>().unwrap() < self.lock().oldest {
            return status(out, 410, "too old resource version");
        }
        out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let mut version = from.parse().unwrap_or_default();
        if listing {
            version = self.initial(resource, manners.slow, out)?;
        }
        self.follow(resource, version, out)
    }

    /// A list as a stream; the version it is of.
    fn initial(
        &self,
        resource: &'static str,
        slow: bool,
        out: &mut TcpStream,
    ) -> std::io::Result<usize> {
        let (version, objects) = {
            let mut store = self.lock();
            store.lists.0 += usize::from(resource == "pods");
            (store.version, of(&store, resource))
        };
        for object in objects {
            chunk(out, &event("ADDED", &object))?;
        }
        if let (Some(crowd), "pods") = (&*self.crowd, resource) {
            for number in 0..crowd.count {
                chunk(out, &event("ADDED", &(crowd.pod)(number)))?;
            }
        }
        if slow {
            thread::sleep(Duration::from_secs(600));
        }
        let end = json!({"metadata": {
            "resourceVersion": version.to_string(),
            "annotations": {"k8s.io/initial-events-end": "true"},
        }});
        chunk(out, &event("BOOKMARK", &end.to_string()))?;
        Ok(version)
    }

    /// What changes from `version` on, until the connection is cut.
    fn follow(
        &self,
        resource: &str,
        mut version: usize,
        out: &mut TcpStream,
    ) -> std::io::Result<()> {
        loop {
            let mut store = self.lock();
            let new = |store: &Store| {
                let later = store.changes.iter().filter(|(at, ..)| *at > version);
                later.filter(|(_, of, _)| *of == resource).cloned().collect::<Vec<_>>()
            };
            let mut events = new(&store);
            while events.is_empty() {
                store = self.store.1.wait_timeout(store, Duration::from_millis(200)).unwrap().0;
                if store.manners.away {
                    return Err(std::io::ErrorKind::ConnectionReset.into());
                }
                events = new(&store);
                // Whether anybody is there still.
                out.set_nonblocking(true)?;
                let gone = matches!(out.peek(&mut [0]), Ok(0));
                out.set_nonblocking(false)?;
                if gone {
                    return Err(std::io::ErrorKind::ConnectionReset.into());
                }
            }
            drop(store);
            for (at, _, line) in events {
                chunk(out, &line)?;
                version = at;
            }
        }
    }

    fn page(
        &self,
        resource: &'static str,
        token: Option<&str>,
        limit: Option<String>,
        out: &mut TcpStream,
    ) -> std::io::Result<()> {
        let mut store = self.lock();
        store.lists.1 += usize::from(resource == "pods" && token.is_none());
        let objects = of(&store, resource);
        let version = store.version;
        drop(store);
        let start: usize = token.map_or(0, |token| token.parse().unwrap());
        let limit: usize = limit.unwrap().parse().unwrap();
        let crowd = (*self.crowd).as_ref().filter(|_| resource == "pods");
        let total = objects.len() + crowd.map_or(0, |crowd| crowd.count);
        let end = total.min(start + limit);
        let items: Vec<String> = (start..end)
            .map(|at| match objects.get(at) {
                Some(object) => object.clone(),
                None => (crowd.unwrap().pod)(at - objects.len()),
            })
            .collect();
        let next = if end < total { end.to_string() } else { String::new() };
        let body = format!(
            "{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"metadata\":{{\"resourceVersion\":\"{version}\",\"continue\":\"{next}\"}},\"items\":[{}]}}",
            items.join(",")
        );
        whole(out, 200, &body)
    }
}

fn of(store: &Store, resource: &str) -> Vec<String> {
    let found = store.objects.iter().filter(|((of, _), _)| *of == resource);
    found.map(|(_, object)| object.to_string()).collect()
}

fn event(kind: &str, object: &str) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

fn chunk(out: &mut TcpStream, text: &str) -> std::io::Result<()> {
    out.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes())
}
