#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use super::*;

fn pod(json: &str) -> Pod<'_> {
    Pod::from_json(json).unwrap()
}

#[test]
fn null_is_missing_everywhere() {
    let pod = pod(
        r#"{"metadata":{"annotations":null,"name":null},"spec":{"securityContext":null,"hostNetwork":null,
        "volumes":null,"containers":[{"name":"a","securityContext":{"capabilities":null,"runAsUser":null},"ports":null}]}}"#,
    );
    assert!(!pod.spec.security_context.has_members);
    assert!(pod.spec.containers[0].security_context.has_members);
    assert!(!pod.spec.containers[0].security_context.capabilities.has_members);
    assert_eq!(pod.spec.containers[0].security_context.run_as_user, None);
}

#[test]
fn an_object_with_only_unknown_members_is_not_empty() {
    let pod = pod(r#"{"spec":{"securityContext":{"fromTheFuture":[{}]},"containers":[]}}"#);
    assert!(pod.spec.security_context.has_members);
}

#[test]
fn the_last_duplicate_wins() {
    let pod = pod(
        r#"{"spec":{"hostNetwork":true,"hostNetwork":false},"metadata":{"annotations":{"a":"1","a":"2"}}}"#,
    );
    assert!(!pod.spec.host_network);
    assert_eq!(pod.annotation("a"), Some("2"));
}

#[test]
fn windows_is_told_by_what_kubelets_enforce() {
    for spec in [
        r#"{"os":{"name":"windows"}}"#,
        r#"{"nodeSelector":{"kubernetes.io/os":"windows"}}"#,
        r#"{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":
            [{"matchExpressions":[{"key":"kubernetes.io/os","operator":"In","values":["windows"]}]}]}}}}"#,
    ] {
        assert!(pod(&format!(r#"{{"spec":{spec}}}"#)).is_windows(), "{spec}");
    }
    for spec in [
        r#"{"os":{"name":"linux"},"nodeSelector":{"kubernetes.io/os":"windows"}}"#,
        r#"{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":
            [{"matchExpressions":[{"key":"kubernetes.io/os","operator":"In","values":["windows","linux"]}]}]}}}}"#,
        r#"{"securityContext":{"windowsOptions":{"runAsUserName":"x"}}}"#,
        r#"{"containers":[{"name":"a","securityContext":{"windowsOptions":{"hostProcess":false}}}]}"#,
        r#"{"nodeSelector":{"kubernetes.io/os":"linux"},
            "securityContext":{"windowsOptions":{"hostProcess":true}}}"#,
        r#"{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
            {"matchExpressions":[{"key":"kubernetes.io/os","operator":"In","values":["windows"]}]},{}]}}}}"#,
    ] {
        assert!(!pod(&format!(r#"{{"spec":{spec}}}"#)).is_windows(), "{spec}");
    }
}

#[test]
fn paths_are_compared_after_normalisation() {
    for (path, normal) in [
        ("/tmp", "/tmp"),
        ("/tmp/", "/tmp"),
        ("//tmp", "/tmp"),
        ("/./tmp", "/tmp"),
        ("tmp", "/tmp"),
        ("/a/../tmp", "/tmp"),
        ("/../..", "/"),
        ("/", "/"),
        ("", "/"),
    ] {
        assert_eq!(normalise_path(path), normal);
    }
}

#[test]
fn the_deepest_mount_decides() {
    let pod = pod(r#"{"spec":{"containers":[{"name":"a","volumeMounts":[
            {"name":"root","mountPath":"/"},{"name":"var","mountPath":"/var"},
            {"name":"log","mountPath":"/var/log/","readOnly":true},{"name":"x","mountPath":"/tmp/x"},{"name":"v","mountPath":"/va"},
            {"name":"up","mountPath":"/x/../opt"}]}],
            "volumes":[{"name":"var","configMap":{"defaultMode":256}}]}}"#);
    let container = &pod.spec.containers[0];
    let cover = |path| container.covering_mount(path).map(|(m, exact)| (m.name.to_string(), exact));
    assert_eq!(cover("/var/log/app"), Some(("log".into(), false)));
    assert_eq!(cover("/var/log"), Some(("log".into(), true)));
    assert_eq!(cover("/var/cache"), Some(("var".into(), false)));
    assert_eq!(cover("/tmp"), None);
    assert_eq!(cover("/opt/app"), Some(("up".into(), false)));
    assert!(container.covering_mount("/var/x").unwrap().0.is_read_only(&Volumes::of(&pod, &[])));
    assert_eq!(pod.spec.volumes[0].file_modes().collect::<Vec<_>>(), [0o400]);
}

#[test]
fn of_a_duplicate_key_nothing_of_the_first_one_stays() {
    let pod = Pod::from_json(
        r#"{
            "metadata": {"name": "a", "annotations": {"k": "1", "l": "2"}},
            "metadata": {"namespace": "b", "annotations": {"m": "3"}, "annotations": {"n": "4"}},
            "spec": {
                "hostUsers": false, "hostUsers": null,
                "volumes": [{"name": "v", "secret": {"defaultMode": 256}, "emptyDir": {}}],
                "containers": [{"name": "x"}, {"name": "y"}],
                "containers": [{"name": "z", "securityContext": {"runAsUser": 1},
                                "securityContext": {"runAsGroup": 2}}]
            }
        }"#,
    )
    .unwrap();
    assert_eq!((&*pod.metadata.name, &*pod.metadata.namespace), ("", "b"));
    assert_eq!(pod.metadata.annotations.iter().collect::<Vec<_>>(), [("n", "4")]);
    assert_eq!(pod.spec.host_users, None);
    let volumes: Vec<_> =
        pod.spec.volumes.iter().map(|it| (&*it.kind, it.source.default_mode)).collect();
    assert_eq!(volumes, [("emptyDir", None)]);
    let names: Vec<_> = pod.containers().map(|placed| &*placed.container.name).collect();
    assert_eq!(names, ["z"]);
    let context = &pod.spec.containers[0].security_context;
    assert_eq!((context.run_as_user, context.run_as_group), (None, Some(2)));
}

#[test]
fn what_has_another_type_is_refused() {
    for (pod, why) in [
        (r#"{"spec": {"containers": [null]}}"#, "invalid type: null, expected a map"),
        (r#"{"spec": {"containers": {}}}"#, "invalid type: map, expected a sequence"),
        (r#"{"spec": []}"#, "invalid type: sequence, expected a map"),
        (r#"{"spec": {"hostPID": "yes"}}"#, "invalid type: string \"yes\", expected a boolean"),
        (r#"{"metadata": {"name": 7}}"#, "invalid type: integer `7`, expected a string"),
    ] {
        let error = Pod::from_json(pod).unwrap_err().to_string();
        assert!(error.starts_with(why), "{error}");
    }
}
