//! A container without a runtime, and an agent beside it: `container.sh`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ironhull::observe::agent::Task;
use ironhull::observe::snapshot::Snapshot;
use tempfile::TempDir;

/// An image of busybox.
pub struct Image(TempDir);

impl Image {
    pub fn new() -> Self {
        let image = Self(tempfile::tempdir().unwrap());
        image.directory("bin").directory("root").directory("tmp").directory("run");
        image.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        if let Some(busybox) = busybox() {
            let to = image.path("bin/busybox");
            fs::copy(busybox, &to).unwrap();
            for applet in "sh cat chown echo ln mkdir mkfifo nc printf rm sleep su touch".split(' ')
            {
                symlink("busybox", image.path(&format!("bin/{applet}"))).unwrap();
            }
        }
        image
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().join("lower").join(path)
    }

    pub fn directory(&self, path: &str) -> &Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    pub fn file(&self, path: &str, content: &str) -> &Self {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), content).unwrap();
        self
    }

    pub fn user(&self, line: &str) -> &Self {
        let passwd = fs::read_to_string(self.path("etc/passwd")).unwrap();
        self.file("etc/passwd", &format!("{passwd}{line}\n"))
    }

    pub fn owned(&self, path: &str, uid: u32, gid: u32) -> &Self {
        // Only root can, and only root gets further.
        let _denied = chown(self.path(path), Some(uid), Some(gid));
        self
    }

    pub fn restricted(&self, path: &str, uid: u32, gid: u32, mode: u32) -> &Self {
        self.file(path, "secret\n").owned(path, uid, gid);
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }
}

fn busybox() -> Option<&'static str> {
    ["/usr/bin/busybox", "/bin/busybox"].into_iter().find(|path| Path::new(path).is_file())
}

/// A container that runs, and its agent.
pub struct Container {
    child: Child,
    began: Instant,
}

impl Container {
    /// Starts a shell with this script, and an agent a second later. `None`, with a line that says so,
    /// where that cannot be.
    pub fn start(image: &Image, script: &str, time: Duration) -> Option<Self> {
        Self::start_late(image, script, time, 1)
    }

    /// The same with an agent that comes so many seconds later.
    pub fn start_late(image: &Image, script: &str, time: Duration, after: u32) -> Option<Self> {
        if let Some(missing) = missing() {
            eprintln!("NOT RUN: the agent beside real processes needs {missing}");
            return None;
        }
        // What the image has is older than the container.
        std::thread::sleep(Duration::from_millis(50));
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let started = i64::try_from(started).unwrap();
        let task = Task { time, container: String::new(), started, shared: false };
        let script_file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observe/container.sh");
        // The agent's own descriptors are this process' pipes; the target gets none of them.
        let child = Command::new("unshare")
            .args([
                "--mount",
                "--pid",
                "--net",
                "--fork",
                "--kill-child",
                "--propagation",
                "private",
            ])
            .args(["sh", "-c", r#"exec 3<&0 4>&1 </dev/null >/dev/null; exec sh "$@""#, "sh"])
            .arg(script_file)
            .arg(image.0.path())
            .arg(script)
            .args(task.arguments())
            .env("IRONHULL", env!("CARGO_BIN_EXE_ironhull"))
            .env("AGENT_AFTER", after.to_string())
            .env("HOME", "/root")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Some(Self { child, began: Instant::now() })
    }

    /// Tells the agent to end, some time after its first word; what it says last.
    pub fn stop_after(mut self, time: Duration) -> Snapshot {
        let mut lines = self.lines();
        let _first = lines.next().expect("the agent says something");
        std::thread::sleep(time);
        self.child.stdin.as_mut().unwrap().write_all(b"end\n").unwrap();
        lines.last().expect("the agent says a last word")
    }

    /// Closes the agent's standard input, some time after its first word; all that it says, and how long
    /// it took since the start.
    pub fn caller_goes(mut self, time: Duration) -> (Vec<Snapshot>, Duration) {
        let mut lines = self.lines();
        let first = lines.next();
        std::thread::sleep(time);
        drop(self.child.stdin.take());
        (first.into_iter().chain(lines).collect(), self.began.elapsed())
    }

    /// All that it says, and how long it took.
    pub fn until_it_ends(mut self) -> (Vec<Snapshot>, Duration) {
        (self.lines().collect(), self.began.elapsed())
    }

    /// What it says, up to its last word: the container goes on without it, and holds the pipe open.
    fn lines(&mut self) -> impl Iterator<Item = Snapshot> + use<> {
        let mut lines = BufReader::new(self.child.stdout.take().unwrap()).lines();
        let mut over = false;
        std::iter::from_fn(move || {
            let line = if over { None } else { lines.next() };
            let snapshot: Snapshot = serde_json::from_str(&line?.unwrap()).unwrap();
            over = snapshot.last;
            Some(snapshot)
        })
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Takes all with it, mounts and processes: it is the first process of their namespace.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

/// What is missing here.
fn missing() -> Option<&'static str> {
    let tries = "mkdir -p $0/l $0/u $0/w $0/m && mount -t overlay -o lowerdir=$0/l,upperdir=$0/u,workdir=$0/w overlay $0/m";
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--pid",
        "--net",
        "--fork",
        "--propagation",
        "private",
        "sh",
        "-c",
        tries,
    ]);
    let works = command.arg(directory.path()).stderr(Stdio::null()).status();
    if busybox().is_none() {
        Some("busybox (e2e/setup)")
    } else if !works.is_ok_and(|status| status.success()) {
        Some("root, with namespaces and overlays")
    } else if !Command::new("setpriv").arg("--version").output().is_ok_and(|it| it.status.success())
    {
        Some("setpriv")
    } else {
        None
    }
}
