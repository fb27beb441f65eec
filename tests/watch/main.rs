//! `ironhull watch`, as a process, against an API server that is away, busy, forbidding and
//! forgetful.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]
#![allow(unreachable_pub, reason = "the modules of a test are nobody else's")]

mod api;
mod breakage;
#[path = "../server/client.rs"]
#[allow(dead_code, reason = "the server's tests ask for more")]
mod client;
#[path = "../images/fake.rs"]
#[allow(dead_code, reason = "the tests of images ask for more")]
mod fake;
#[path = "../support/image.rs"]
#[allow(dead_code, reason = "the tests of images ask for more")]
mod image;
mod images;
mod monitoring;
mod objects;
mod process;
mod reports;
#[path = "../support/tar.rs"]
#[allow(dead_code, reason = "the tests of images ask for more")]
mod tar;

use std::fs;
use std::thread;
use std::time::Duration;

use api::{Api, Crowd, Manners};
use objects::{annotated, namespace, one_of_many, opted_in, pod};
use process::Process;
use serde_json::{Value, json};

const ROOT: &str =
    r#"ironhull_watch_root_containers{namespace="shop",mode="enforce",allowed="no"}"#;
const EXEMPT: &str =
    r#"ironhull_watch_root_containers{namespace="shop",mode="enforce",allowed="exempt"}"#;

fn errors(resource: &str, reason: &str) -> String {
    format!(r#"ironhull_watch_errors_total{{resource="{resource}",reason="{reason}"}}"#)
}

/// A shop with a root pod.
fn shop() -> Api {
    let api = Api::start(None);
    api.put("namespaces", opted_in("shop"));
    api.put("pods", pod("shop", "a", 0));
    api
}

#[test]
fn what_changes_is_seen() {
    let api = shop();
    let watch = Process::start(api.address, &[]);
    watch.ready();
    assert_eq!(watch.metric(ROOT), Some(1));
    assert_eq!(api.lists(), (1, 0), "the list came as a stream");
    // A second one that is exempt, and until when.
    let exempt =
        annotated(pod("shop", "b", 0), "exempt.ironhull.dev/runAsNonRoot", "until=2099-12-31 old");
    api.put("pods", exempt);
    watch.reaches(EXEMPT, 1);
    let ends = r#"ironhull_watch_exemption_end_timestamp_seconds{namespace="shop",mode="enforce"}"#;
    watch.reaches(ends, 4_102_444_800);
    // The container of the first is made anew as another user.
    api.put("pods", pod("shop", "a", 1000));
    watch.reaches(ROOT, 0);
    let unhardened = r#"ironhull_watch_pods{namespace="shop",mode="enforce",state="unhardened"}"#;
    watch.reaches(unhardened, 2);
    let mut over = pod("shop", "a", 1000);
    over["status"]["phase"] = "Succeeded".into();
    api.put("pods", over);
    watch.reaches(unhardened, 1);
    api.delete("pods", pod("shop", "b", 0));
    watch.reaches(unhardened, 0);
    assert_eq!(watch.metric(ends), None, "no exemption, no end");
    watch.reaches("ironhull_watch_pods_kept", 0);
    // A namespace opts in, changes its mind, and opts out.
    api.put("namespaces", namespace("late", &[]));
    api.put("pods", pod("late", "c", 0));
    watch.reaches("ironhull_watch_pods_kept", 1);
    let late = |mode: &str| {
        format!(r#"ironhull_watch_root_containers{{namespace="late",mode="{mode}",allowed="no"}}"#)
    };
    assert_eq!(watch.metric(&late("enforce")), None);
    api.put("namespaces", opted_in("late"));
    watch.reaches(&late("enforce"), 1);
    api.put("namespaces", namespace("late", &[("ironhull.dev/harden", "audit")]));
    watch.reaches(&late("audit"), 1);
    assert_eq!(watch.metric(&late("enforce")), None);
    api.delete("namespaces", namespace("late", &[]));
    watch.eventually("it is gone", || watch.metric(&late("audit")).is_none());
    assert_eq!(api.lists(), (1, 0), "nothing of this needs another list");
}

#[test]
fn it_is_not_ready_and_says_no_numbers_before_the_first_list_is_through() {
    let api = shop();
    api.behave(Manners { slow: true, ..Manners::default() });
    let watch = Process::start(api.address, &[]);
    watch.reaches("ironhull_watch_pods_kept", 1);
    let (status, report) = watch.get("/readyz");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((status, &report["pods"]["synced"]), (503, &json!(false)), "{report}");
    assert_eq!(watch.metric(ROOT), None);
    assert_eq!(watch.metric(r#"ironhull_watch_synced{resource="pods"}"#), Some(0));
    assert_eq!(watch.get("/healthz").0, 200);
    assert_eq!(watch.get("/elsewhere").0, 404);
}

#[test]
fn an_api_server_without_streams_is_asked_for_pages() {
    let api = Api::start(Some(Crowd { count: 1200, pod: one_of_many }));
    api.behave(Manners { no_streams: true, ..Manners::default() });
    api.put("namespaces", opted_in("crowd-0"));
    let watch = Process::start(api.address, &[]);
    watch.ready();
    assert_eq!(api.lists(), (0, 1));
    watch.reaches("ironhull_watch_pods_kept", 1200);
    let root = r#"ironhull_watch_root_containers{namespace="crowd-0",mode="enforce",allowed="no"}"#;
    assert_eq!(watch.metric(root), Some(12));
    assert_eq!(watch.metric(&errors("pods", "no_stream")), Some(1));
    api.put("pods", pod("crowd-0", "another", 0));
    watch.reaches(root, 13);
}

#[test]
fn what_went_unseen_while_it_was_away_comes_to_light() {
    let api = shop();
    let watch = Process::start(api.address, &[]);
    watch.ready();
    // Connections that end are gone on from.
    api.cut();
    api.put("pods", pod("shop", "b", 0));
    watch.reaches(ROOT, 2);
    // A version that is gone is not.
    api.forget(|api| {
        api.delete("pods", pod("shop", "a", 0));
        api.delete("pods", pod("shop", "b", 0));
        api.put("pods", pod("shop", "c", 0));
        thread::sleep(Duration::from_secs(1));
        assert_eq!(watch.metric(ROOT), Some(2), "the last that is known");
    });
    watch.reaches(ROOT, 1);
    watch.eventually("it is counted", || watch.metric(&errors("pods", "gone")) >= Some(1));
    assert!(watch.metric(&errors("pods", "unreachable")) >= Some(1));
    let (status, report) = watch.get("/readyz");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((status, &report["pods"]["trouble"]), (200, &Value::Null), "{report}");
}

#[test]
fn numbers_that_may_be_old_can_be_told() {
    let api = shop();
    let watch = Process::start(api.address, &[]);
    watch.ready();
    api.behave(Manners { away: true, ..Manners::default() });
    watch.eventually("it notices", || watch.metric(&errors("pods", "unreachable")) >= Some(2));
    let last = r#"ironhull_watch_last_sync_timestamp_seconds{resource="pods"}"#;
    let then = watch.metric(last).unwrap();
    assert!(then > 1_700_000_000);
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(watch.metric(last), Some(then), "nobody has confirmed anything since");
    let report = watch.get("/readyz").1;
    assert!(report.contains("breaks off") || report.contains("cannot reach"), "{report}");
    assert!(watch.log().contains("cannot watch"), "{}", watch.log());
    api.behave(Manners::default());
    watch.eventually("well again", || watch.metric(last) > Some(then));
    watch.eventually("it is said", || watch.log().contains("up to date again"));
}

#[test]
fn a_right_that_is_missing_is_named() {
    let api = shop();
    api.behave(Manners { forbidden: true, ..Manners::default() });
    let watch = Process::start(api.address, &[]);
    watch.eventually("it says which", || {
        let (status, report) = watch.get("/readyz");
        status == 503
            && report.contains("it needs `watch` on pods in all namespaces")
            && report.contains("cannot watch resource")
    });
    assert!(watch.metric(&errors("pods", "forbidden")) >= Some(1));
    api.behave(Manners::default());
    watch.ready();
    assert_eq!(watch.metric(ROOT), Some(1));
}

#[test]
fn other_policies_judge_all_pods_again() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.yaml");
    let policy = |rules: &str, more: &str| {
        format!(
            "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {{name: shop}}\n\
             spec:\n  namespaces: [shop]\n  rules: {rules}\n{more}"
        )
    };
    fs::write(&file, policy("{capabilities: off}", "")).unwrap();
    let api = shop();
    let watch = Process::start(api.address, &["--policy", directory.path().to_str().unwrap()]);
    watch.ready();
    let finding = |rule: &str, result: &str| {
        let labels = r#"namespace="shop",mode="enforce""#;
        format!(r#"ironhull_watch_findings{{{labels},rule="{rule}",result="{result}"}}"#)
    };
    assert_eq!(watch.metric(&finding("capabilities", "would_change")), None);
    assert_eq!(watch.metric(&finding("seccompProfile", "would_change")), Some(1));
    fs::write(&file, policy("{capabilities: enforce}", "")).unwrap();
    watch.reaches(&finding("capabilities", "would_change"), 1);
    // A grant.
    let grant = "  exempt: [{images: [\"docker.io/library/web:*\"], rules: [runAsNonRoot], reason: r, until: 2098-12-31}]\n";
    fs::write(&file, policy("{capabilities: enforce}", grant)).unwrap();
    watch.reaches(EXEMPT, 1);
    assert_eq!(watch.metric(ROOT), Some(0));
    // What is bad is refused, and said.
    fs::write(&file, policy("{runAsRoot: enforce}", "")).unwrap();
    watch.reaches("ironhull_policy_reload_failing", 1);
    assert!(watch.get("/readyz").1.contains("runAsRoot"));
    assert_eq!(watch.metric(EXEMPT), Some(1), "the last good ones are in force");
    // A namespace chooses another.
    let chosen = "apiVersion: ironhull.dev/v1alpha1\nkind: HardeningPolicy\nmetadata: {name: quiet}\n\
                  spec: {namespaces: [none], byLabel: true, rules: {seccompProfile: off}}\n";
    fs::write(&file, policy("{}", "") + "---\n" + chosen).unwrap();
    watch.reaches("ironhull_policies", 2);
    let labels = [("ironhull.dev/harden", "enforce"), ("ironhull.dev/policy", "quiet")];
    watch.reaches(&finding("seccompProfile", "would_change"), 1);
    api.put("namespaces", namespace("shop", &labels));
    watch.eventually("the label's policy", || {
        watch.metric(&finding("seccompProfile", "would_change")).is_none()
    });
}

#[test]
fn a_pod_that_is_too_large_or_odd_is_left_out() {
    let api = shop();
    let watch = Process::start(api.address, &[]);
    watch.ready();
    api.put("pods", annotated(pod("shop", "large", 0), "x", &"x".repeat(5 << 20)));
    let mut odd = pod("shop", "odd", 0);
    odd["status"] = json!("none");
    api.put("pods", odd);
    api.put("pods", pod("shop", "b", 0));
    watch.reaches(ROOT, 2);
    watch.reaches(r#"ironhull_watch_unreadable_total{resource="pods"}"#, 2);
}

#[test]
fn it_ends_as_soon_as_it_is_told_to() {
    let watch = Process::start(shop().address, &[]);
    watch.ready();
    let (code, took) = watch.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
    // Also while it waits for an API server that is away.
    let api = shop();
    api.behave(Manners { away: true, ..Manners::default() });
    let watch = Process::start(api.address, &[]);
    watch.eventually("it waits", || watch.metric(&errors("pods", "unreachable")) >= Some(2));
    let (code, took) = watch.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// The chart's limit is 64 MiB. `IRONHULL_BINARY` names another binary, such as a release's, to
/// be measured; `WATCH_PAGES` has the pods listed in pages.
#[test]
fn fifty_thousand_pods_need_little_memory() {
    let no_streams = std::env::var_os("WATCH_PAGES").is_some();
    let api = Api::start(Some(Crowd { count: 50_000, pod: one_of_many }));
    api.behave(Manners { no_streams, ..Manners::default() });
    for number in 0..50 {
        api.put("namespaces", opted_in(&format!("crowd-{number}")));
    }
    let watch = Process::start(api.address, &[]);
    watch.reaches(r#"ironhull_watch_synced{resource="namespaces"}"#, 1);
    watch.eventually("ready", || watch.get("/readyz").0 == 200);
    watch.reaches(r#"ironhull_watch_namespaces{mode="enforce"}"#, 50);
    assert_eq!(watch.metric("ironhull_watch_pods_kept"), Some(50_000));
    let text = watch.get("/metrics").1;
    let root = |line: &&str| line.starts_with("ironhull_watch_root") && line.contains(r#""no""#);
    let root = text.lines().filter(root);
    let root: i64 = root.map(|l| l.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum();
    assert_eq!(root, 500);
    let (peak, file) = watch.peak();
    println!(
        "50,000 pods of {} bytes: peak resident memory {peak} KiB, {file} KiB of it the program's file, {:.1} s of processor time; {} KiB of metrics",
        one_of_many(1).len(),
        watch.seconds(),
        text.len() / 1024,
    );
    assert!(peak - file < 16 << 10, "{peak} KiB, {file} KiB of it the program's file");
}
