#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use super::*;

fn patch(json: &str, edit: impl FnOnce(&mut Plan<'_>)) -> String {
    let pod = Pod::from_json(json).unwrap();
    let containers: Vec<_> = pod.containers().collect();
    let mut plan = Plan::default();
    plan.containers.resize_with(containers.len(), ContainerPlan::default);
    edit(&mut plan);
    build(&pod, containers.into_iter(), &plan, "").as_json().to_owned()
}

#[test]
fn nothing_planned_is_an_empty_patch() {
    assert_eq!(patch(r#"{"spec":{"containers":[{}]}}"#, |_| ()), "[]");
}

#[test]
fn a_missing_parent_is_added_whole() {
    let plan = |plan: &mut Plan<'_>| {
        plan.pod.run_as_user = Some(1000);
        plan.pod.sysctl = Some(("a.b", "0"));
        let container = plan.containers.first_mut().unwrap();
        container.allow_privilege_escalation = Some(false);
        container.capabilities.drop_all = true;
        container.mounts.push(NewMount { volume: 0, path: "/tmp".into() });
        plan.volumes.push(NewVolume { name: "v".into(), medium: Medium::Disk, size_limit: None });
        plan.annotations.push(("a/b", "\"x\"".into()));
    };
    let whole = concat!(
        r#"[{"op":"add","path":"/spec/securityContext","value":{"runAsUser":1000,"sysctls":[{"name":"a.b","value":"0"}]}},"#,
        r#"{"op":"add","path":"/spec/containers/0/securityContext","value":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}},"#,
        r#"{"op":"add","path":"/spec/containers/0/volumeMounts","value":[{"name":"v","mountPath":"/tmp"}]},"#,
        r#"{"op":"add","path":"/spec/volumes","value":[{"name":"v","emptyDir":{}}]},"#,
    );
    let metadata = r#"{"op":"add","path":"/metadata","value":{"annotations":{"a/b":"\"x\""}}}]"#;
    assert_eq!(patch(r#"{"spec":{"containers":[{}]}}"#, plan), format!("{whole}{metadata}"));
    let annotations = r#"{"op":"add","path":"/metadata/annotations","value":{"a/b":"\"x\""}}]"#;
    let json = r#"{"metadata":{"name":"x","annotations":null},"spec":{"securityContext":{},"volumes":[],
        "containers":[{"securityContext":null,"volumeMounts":null}]}}"#;
    assert_eq!(patch(json, plan), format!("{whole}{annotations}"));
}

#[test]
fn what_is_there_is_changed_in_place() {
    let json = r#"{"metadata":{"annotations":{"a/b":"1"}},"spec":{"securityContext":{"runAsUser":0,"sysctls":[{}]},
        "volumes":[{"name":"x"}],"containers":[{"volumeMounts":[{}],"securityContext":{"capabilities":{"drop":["NET_RAW"],"add":["SYS_ADMIN"]}}}]}}"#;
    let made = patch(json, |plan| {
        plan.pod.run_as_user = Some(1000);
        plan.pod.sysctl = Some(("a.b", "0"));
        let container = plan.containers.first_mut().unwrap();
        container.capabilities.drop_all = true;
        container.capabilities.rewrite_add = Some(vec![]);
        container.mounts.push(NewMount { volume: 0, path: "/tmp".into() });
        plan.volumes.push(NewVolume {
            name: "v".into(),
            medium: Medium::Memory,
            size_limit: Some("1Mi"),
        });
        plan.annotations.push(("a/b", "2".into()));
    });
    assert_eq!(
        made,
        concat!(
            r#"[{"op":"replace","path":"/spec/securityContext/runAsUser","value":1000},"#,
            r#"{"op":"add","path":"/spec/securityContext/sysctls/-","value":{"name":"a.b","value":"0"}},"#,
            r#"{"op":"replace","path":"/spec/containers/0/securityContext/capabilities/add","value":[]},"#,
            r#"{"op":"add","path":"/spec/containers/0/securityContext/capabilities/drop/-","value":"ALL"},"#,
            r#"{"op":"add","path":"/spec/containers/0/volumeMounts/-","value":{"name":"v","mountPath":"/tmp"}},"#,
            r#"{"op":"add","path":"/spec/volumes/-","value":{"name":"v","emptyDir":{"medium":"Memory","sizeLimit":"1Mi"}}},"#,
            r#"{"op":"replace","path":"/metadata/annotations/a~1b","value":"2"}]"#,
        )
    );
}
