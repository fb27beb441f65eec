//! What an agent said, out of its container's log.

use k8s_openapi::api::core::v1::Pod;
use kube::Error;
use kube::api::{Api, LogParams};
use tokio::time::{Instant, sleep};

use super::{FAREWELL, LOOK_EVERY, LOOKS, snapshot, state};
use crate::observe::snapshot::Snapshot;
use crate::observe::targets::Target;

/// What the agent said last, out of its log, where that may be read; what it said before if that does
/// not come.
pub(super) async fn last(pods: &Api<Pod>, target: &Target) -> Option<Snapshot> {
    let deadline = Instant::now() + FAREWELL;
    let (mut said, mut looks) = (None, 0);
    while looks < LOOKS && Instant::now() < deadline {
        match latest(pods, target).await {
            Ok(Some(snapshot)) if snapshot.last => return Some(snapshot),
            Ok(snapshot) => said = snapshot.or(said),
            Err(Error::Api(status)) if status.code == 403 => break,
            Err(_) => {}
        }
        let Ok(Some(pod)) = pods.get_opt(&target.pod).await else { break };
        match state(&pod, &target.agent_name).and_then(|it| it.terminated.as_ref()) {
            Some(ended) if ended.exit_code == 0 => looks += 1,
            // It was killed, so this is all.
            Some(_) => break,
            None => {}
        }
        sleep(LOOK_EVERY).await;
    }
    said
}

/// The last snapshot in the agent's log.
pub(super) async fn latest(pods: &Api<Pod>, target: &Target) -> Result<Option<Snapshot>, Error> {
    let parameters = LogParams {
        container: Some(target.agent_name.clone()),
        tail_lines: Some(1),
        ..LogParams::default()
    };
    let text = pods.logs(&target.pod, &parameters).await?;
    Ok(snapshot(text.trim_end().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use kube::Client;
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// What [`last`] makes of a log whose last line reads like this from one look to the next, and of
    /// an agent that ended with an exit code: the milliseconds, and whether it is the last snapshot.
    fn last_of(lines: &'static [&'static str], exit_code: i32) -> Option<(u64, bool)> {
        let looks = AtomicUsize::new(0);
        let target = Target {
            pod: "web".to_owned(),
            container: "app".to_owned(),
            image: "web".to_owned(),
            id: "4f".to_owned(),
            restarts: 0,
            started: 0,
            shared: false,
            user: None,
            agent: json!({}),
            agent_name: "agent".to_owned(),
        };
        let status = json!({
            "name": "agent", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": exit_code}},
        });
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "status": {"ephemeralContainerStatuses": [status]},
        });
        let service = tower::service_fn(move |request: http::Request<Body>| {
            let body = match request.uri().path().ends_with("/log") {
                true => {
                    let look = looks.fetch_add(1, Ordering::Relaxed);
                    lines[look.min(lines.len() - 1)].to_owned()
                }
                false => pod.to_string(),
            };
            async { Ok::<_, tower::BoxError>(http::Response::new(Body::from(body.into_bytes()))) }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let snapshot = runtime.block_on(async {
            let pods = Api::namespaced(Client::new(service, "default"), "default");
            last(&pods, &target).await
        });
        snapshot.map(|it| (it.millis, it.last))
    }

    #[test]
    fn the_last_line_may_be_late() {
        const EARLY: &str = r#"{"version":1,"millis":7}"#;
        const LAST: &str = r#"{"version":1,"millis":9,"last":true}"#;
        assert_eq!(last_of(&[EARLY, EARLY, LAST], 0), Some((9, true)));
        assert_eq!(last_of(&[EARLY, LAST], 137), Some((7, false)), "nothing comes after a kill");
        assert_eq!(last_of(&["no snapshot"], 137), None);
    }
}
