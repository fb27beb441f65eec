//! `ironhull image` as people call it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use super::example::PATH;
use super::image::LayoutDirectory;
use super::tar::Tar;

/// The program, with a home of its own and nothing of the caller's environment.
pub fn ironhull(home: &Path, arguments: &[&str]) -> Command {
    let binary = std::env::var_os("IRONHULL_BINARY");
    let mut command = Command::new(binary.unwrap_or(env!("CARGO_BIN_EXE_ironhull").into()));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_clear();
    command.env("HOME", home).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(home: &Path, arguments: &[&str]) -> (i32, String, String) {
    said(&ironhull(home, arguments).output().unwrap())
}

pub fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

const INSPECTED: &str = "\
registry.example/shop/web:1.4.2
  digest        DIGEST
  platforms     linux/amd64
  runs as       node: uid 1000, gid 1000, groups 33
  home          /home/node
  runs          /docker-entrypoint.sh caddy run
  in            /app
  ports         80/tcp
  volumes       /data
  may write     /app/cache (empty)
  has files in  /tmp
  needs         NET_BIND_SERVICE to execute /usr/bin/caddy
  script        /docker-entrypoint.sh changes the owner of /data, as root only
  script        /docker-entrypoint.sh becomes another user: gosu node, as root only
  script        /docker-entrypoint.sh writes /var/cache/web
  hardened      as uid 1000, gid 1000
  hardened      capabilities: drop ALL, add NET_BIND_SERVICE
  hardened      read-only, but for /tmp, /app/cache
  hardened      may bind ports below 1024
  verdict       breaks
  because       `/docker-entrypoint.sh` writes to `/var/cache/web`, which becomes read-only
  what helps    app.ironhull.dev/writable-paths: \"/var/cache\"
  what helps    app: annotate the pod with `app.ironhull.dev/writable-paths: \"/tmp=seed\"`, if the program needs that content
";

#[test]
fn an_image_for_a_person() {
    let home = tempfile::tempdir().unwrap();
    let (code, out, err) = run(home.path(), &["image", "inspect", &format!("oci:{PATH}")]);
    let digest = out.lines().nth(1).unwrap().trim_start().trim_start_matches("digest").trim();
    let expected = INSPECTED.replace("DIGEST", digest);
    assert_eq!((code, out.as_str(), err.as_str()), (0, expected.as_str(), ""));
    assert!(home.path().join(".cache/ironhull/images").is_dir());
}

#[test]
fn a_document_and_its_update() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("layout");
    let mut directory = LayoutDirectory::new(&path);
    let layer =
        |uid: u32| Tar::new().file("etc/passwd", format!("app:x:{uid}:{uid}::/:\n")).finish();
    directory.image("one", json!({ "User": "app" }), vec![layer(1)]);
    let one = format!("oci:{}:one", path.display());
    let manifest = home.path().join("pod.yaml");
    let container = |name: &str, image: &str| json!({ "name": name, "image": image });
    let pod = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "template": { "spec": {
            "initContainers": [container("init", &one)],
            "containers": [container("web", &one), container("bad", "No Such Name")],
        } } },
    });
    fs::write(&manifest, pod.to_string()).unwrap();
    let manifest = manifest.to_str().unwrap();
    let (code, out, err) = run(home.path(), &["image", "facts", "-f", manifest]);
    assert!(
        out.starts_with(
            "apiVersion: ironhull.dev/v1alpha1\nkind: ImageFacts\nimages:\n- image: oci:"
        ),
        "{out}"
    );
    assert!(out.contains("\n  uid: 1\n") && out.matches("- image:").count() == 1, "{out}");
    let why = "error: `No Such Name` is not the name of an image: a repository is of lower-case letters, digits, `.`, `_` and `-`\n";
    assert_eq!((code, err.as_str()), (1, why));

    let facts = home.path().join("facts.yaml");
    let update = |more: &[&str]| {
        let arguments = [&["image", "facts", "--update", facts.to_str().unwrap()], more].concat();
        let (code, out, err) = run(home.path(), &arguments);
        assert_eq!(out, "", "the file is the answer");
        (code, err, fs::read_to_string(&facts).unwrap())
    };
    let (code, err, first) = update(&[&one]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(update(&[]), (0, String::new(), first.clone()));
    // A new image of that name.
    let mut directory = LayoutDirectory::new(&path);
    directory.image("one", json!({ "User": "app" }), vec![layer(2)]);
    let (code, _, second) = update(&[]);
    assert_eq!((code, second.contains("\n  uid: 2\n")), (0, true), "{second}");
    // What cannot be read any more stays as it was.
    LayoutDirectory::new(&path);
    let (code, err, third) = update(&[]);
    assert_eq!((code, third), (1, second));
    assert!(err.contains("there is no `one` in it"), "{err}");

    for (content, why) in [
        ("kind: List\n", "unknown kind `List`"),
        ("apiVersion: v1\nkind: ImageFacts\nimages: []\n", "unknown apiVersion `v1`"),
    ] {
        fs::write(&facts, content).unwrap();
        let (code, out, err) =
            run(home.path(), &["image", "facts", "--update", facts.to_str().unwrap()]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains(why), "{err}");
        assert_eq!(fs::read_to_string(&facts).unwrap(), content, "it is left alone");
    }
    let (code, _, err) = run(home.path(), &["image", "facts"]);
    assert_eq!(
        (code, err.as_str()),
        (
            2,
            "error: no images are named: name some, manifests with -f, or namespaces with -n or -A\n"
        )
    );
}

#[test]
fn what_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let image = format!("oci:{PATH}");
    let files = || {
        let entries = fs::read_dir(home.path().join("kept")).into_iter().flatten();
        entries.count()
    };
    let kept = home.path().join("kept");
    let (code, ..) = run(home.path(), &["image", "inspect", &image, "--no-cache"]);
    assert_eq!((code, files(), home.path().join(".cache").exists()), (0, 0, false));
    let (code, ..) =
        run(home.path(), &["image", "inspect", &image, "--cache", kept.to_str().unwrap()]);
    assert_eq!((code, files()), (0, 2));
}
