use super::*;
use serde_json::json;

const ID: &str = "5f1e8a";

fn image() -> AgentImage {
    AgentImage { name: "ironhull:1".to_owned(), pull_policy: Some("IfNotPresent".to_owned()) }
}

/// A pod whose container runs, with these members of its spec, its status and its container.
fn pod(spec: &Value, status: &Value, container: &Value) -> Pod {
    let mut pod = json!({
        "metadata": {"name": "web"},
        "spec": {"containers": [{"name": "app", "image": "nginx:1.27"}]},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "app", "ready": true, "restartCount": 2, "image": "nginx", "imageID": "x",
            "containerID": format!("containerd://{ID}"),
            "state": {"running": {"startedAt": "2026-11-30T08:00:00Z"}},
        }]},
    });
    let places = [
        ("/spec", spec),
        ("/status/containerStatuses/0", status),
        ("/spec/containers/0", container),
    ];
    for (place, more) in places {
        let target = pod.pointer_mut(place).unwrap().as_object_mut().unwrap();
        target.extend(more.as_object().unwrap().clone());
    }
    serde_json::from_value(pod).unwrap()
}

fn only(pod: &Pod, named: &[&str]) -> Result<Target, NotObserved> {
    let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
    let mut found = targets(pod, &named, &image(), Duration::from_secs(120), "x");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

fn linux(uid: i64, gid: i64) -> Value {
    json!({"user": {"linux": {"uid": uid, "gid": gid, "supplementalGroups": [gid]}}})
}

#[test]
fn the_agent_of_a_root_container_has_what_it_has() {
    let own = json!({"securityContext": {"capabilities": {"add": ["NET_ADMIN", "CAP_SYS_ADMIN"], "drop": ["MKNOD"]}}});
    let target = only(&pod(&json!({}), &linux(0, 0), &own), &[]).unwrap();
    assert_eq!((target.id.as_str(), target.restarts, target.started), (ID, 2, 1_796_025_600));
    assert_eq!(target.agent["name"], "ironhull-observe-x0");
    assert_eq!(target.agent["targetContainerName"], "app");
    assert_eq!(target.agent["args"], json!(["observe-agent", "120", ID, "1796025600", "false"]));
    assert_eq!(target.agent["imagePullPolicy"], "IfNotPresent");
    assert_eq!(
        target.agent["securityContext"],
        json!({
            "runAsUser": 0, "runAsGroup": 0, "runAsNonRoot": false,
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "seccompProfile": {"type": "RuntimeDefault"},
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["MKNOD"]},
        })
    );
}

#[test]
fn the_kubelets_word_comes_before_the_manifests() {
    let spec = json!({"securityContext": {"runAsUser": 5, "runAsGroup": 6}});
    let target = only(&pod(&spec, &linux(999, 998), &json!({})), &[]).unwrap();
    assert_eq!(target.user, Some((999, 998)));
    let security = &target.agent["securityContext"];
    assert_eq!((&security["runAsUser"], &security["runAsGroup"]), (&json!(999), &json!(998)));
    assert_eq!(
        (&security["runAsNonRoot"], &security["capabilities"]),
        (&json!(true), &json!({"drop": ["ALL"]}))
    );
}

#[test]
fn without_the_kubelets_word_the_manifest_counts() {
    let spec = json!({"securityContext": {"runAsUser": 5, "runAsGroup": 6}});
    let own = json!({"securityContext": {"runAsUser": 7}});
    assert_eq!(only(&pod(&spec, &json!({}), &own), &[]).unwrap().user, Some((7, 6)));
    assert_eq!(only(&pod(&json!({}), &json!({}), &own), &[]).unwrap().user, Some((7, 0)));
    let unknown = only(&pod(&json!({}), &json!({}), &json!({})), &[]).unwrap();
    assert_eq!(unknown.user, None);
    assert_eq!(unknown.agent["securityContext"]["runAsUser"], 0);
    assert_eq!(unknown.agent["securityContext"]["capabilities"], Value::Null);
}

#[test]
fn processes_that_a_pod_shares_are_told_apart() {
    for shared in ["shareProcessNamespace", "hostPID"] {
        let target = only(&pod(&json!({shared: true}), &json!({}), &json!({})), &[]).unwrap();
        assert_eq!(target.agent["args"][4], "true", "{shared}");
    }
}

#[test]
fn what_cannot_be_observed_says_why() {
    let why = |pod: &Pod| only(pod, &[]).unwrap_err().why;
    let waiting = json!({"state": {"waiting": {"reason": "CrashLoopBackOff"}}});
    assert_eq!(why(&pod(&json!({}), &waiting, &json!({}))), "does not run");
    let windows = json!({"os": {"name": "windows"}});
    assert!(why(&pod(&windows, &json!({}), &json!({}))).contains("Windows"));
    let privileged = json!({"securityContext": {"privileged": true}});
    assert!(why(&pod(&json!({}), &linux(0, 0), &privileged)).contains("privileged"));
    let missing = only(&pod(&json!({}), &json!({}), &json!({})), &["ap"]).unwrap_err();
    assert_eq!(missing.container, "ap");
    assert!(missing.why.ends_with("it has: app"), "{}", missing.why);
}

#[test]
fn sidecars_are_among_them_and_init_containers_are_not() {
    let spec = json!({"initContainers": [
        {"name": "once", "image": "x"},
        {"name": "proxy", "image": "x", "restartPolicy": "Always"},
    ]});
    let found =
        targets(&pod(&spec, &json!({}), &json!({})), &[], &image(), Duration::from_secs(1), "x");
    let names: Vec<&str> = found
        .iter()
        .map(|it| {
            it.as_ref()
                .map_or_else(|not| not.container.as_str(), |target| target.container.as_str())
        })
        .collect();
    assert_eq!(names, ["app", "proxy"]);
}

#[test]
fn selectors_are_written_as_requests_have_them() {
    let of = |selector: Value| selector_of(&json!({"spec": {"selector": selector}}));
    fn selector_of(object: &Value) -> Option<String> {
        super::selector(object)
    }
    assert_eq!(of(json!({"matchLabels": {"a": "1", "b": "2"}})).as_deref(), Some("a=1,b=2"));
    assert_eq!(of(json!({"a": "1"})).as_deref(), Some("a=1"));
    let expressions = json!([
        {"key": "t", "operator": "In", "values": ["x", "y"]},
        {"key": "u", "operator": "DoesNotExist"},
    ]);
    let both = json!({"matchLabels": {"a": "1"}, "matchExpressions": expressions});
    assert_eq!(of(both).as_deref(), Some("a=1,t in (x,y),!u"));
    // Never everything.
    assert_eq!(of(json!({})), None);
    assert_eq!(of(json!({"matchLabels": {}})), None);
    assert_eq!(of(json!({"matchExpressions": [{"key": "t", "operator": "Near"}]})), None);
}
