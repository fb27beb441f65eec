//! Who a container runs as, and where that is known from.

use serde_json::{Value, json};

use super::document::{Source, State, User};
use super::stated::{Stated, Subject};
use crate::facts::By;
use crate::foresight::status::ContainerStatus;
use crate::pod::Placed;
use crate::policy::Policy;
use crate::user::Author;

/// Who the container runs as. What the kubelet reports of the running container comes first, then
/// numbers in its spec, then what the kubelet has checked, then facts of the very image that runs.
pub(super) fn of(
    subject: Subject<'_>,
    placed: Placed<'_, '_>,
    status: Option<&ContainerStatus<'_>>,
    policy: &Policy,
) -> User {
    let Subject { pod, windows, .. } = subject;
    let author = Author::of(pod, placed);
    let started = status.is_some_and(ContainerStatus::has_started);
    // The kubelet would not have started it otherwise (`verifyRunAsNonRoot`).
    let checked = author.non_root == Some(true) && started;
    let user_namespace = pod.asks_to_be_nobody();
    let unknown = User {
        uid: None,
        gid: None,
        groups: None,
        source: Source::None,
        non_root: None,
        user_namespace,
        why: "".into(),
    };
    if windows {
        return match checked {
            true => User {
                source: Source::PodSpec,
                non_root: Some(true),
                why: "Windows has no uids; the kubelet has checked runAsNonRoot".into(),
                ..unknown
            },
            false => User { why: "Windows has no uids".into(), ..unknown },
        };
    }
    let linux = status.and_then(|status| status.user.linux.as_ref());
    if let Some((uid, linux)) = linux.and_then(|linux| Some((linux.uid?, linux))) {
        return User {
            uid: Some(uid),
            gid: linux.gid,
            groups: Some(linux.supplemental_groups.clone()),
            source: Source::Kubelet,
            non_root: Some(uid > 0),
            ..unknown
        };
    }
    let silent = "the kubelet does not report users";
    if let Some(uid) = author.uid {
        let (non_root, why) = (Some(uid > 0), silent.into());
        return User {
            uid: Some(uid),
            gid: author.gid,
            source: Source::PodSpec,
            non_root,
            why,
            ..unknown
        };
    }
    let facts = status.and_then(|status| {
        let found = policy.facts.find(&status.image_id, "")?;
        found.known.user.as_ref().filter(|_| found.by == By::Digest)
    });
    if let Some((uid, user)) = facts.and_then(|user| Some((user.uid?, user))) {
        return User {
            uid: Some(uid),
            gid: author.gid.or(user.gid),
            source: Source::ImageFacts,
            non_root: Some(uid > 0),
            why: silent.into(),
            ..unknown
        };
    }
    match (checked, started) {
        (true, _) => User {
            gid: author.gid,
            source: Source::PodSpec,
            non_root: Some(true),
            why: "the kubelet has checked that its image's user is a number above 0, and does not \
                  report which"
                .into(),
            ..unknown
        },
        (false, true) => User {
            gid: author.gid,
            why: "its image decides, and the kubelet does not report users".into(),
            ..unknown
        },
        (false, false) => User {
            gid: author.gid,
            why: "its image decides, and it has not started".into(),
            ..unknown
        },
    }
}

/// The check of the uid. A user namespace makes root nobody on the node; it is root all the same.
pub(super) fn non_root(user: &User) -> Stated {
    let why = match (user.non_root, user.user_namespace) {
        (Some(false), true) => "root inside the user namespace that its pod asks for".into(),
        _ => user.why.clone(),
    };
    let state = state(user.non_root);
    let value = match (user.uid, user.non_root) {
        (Some(uid), _) => uid.into(),
        (None, Some(true)) => "non-root".into(),
        (None, _) => Value::Null,
    };
    Stated { state, value, why, source: user.source }
}

/// The check of the gid, where more is known than the spec says.
pub(super) fn group(user: &User, spec: &Stated) -> Stated {
    let Some(gid) = user.gid.filter(|_| spec.state != State::NotApplicable) else {
        return spec.clone();
    };
    let source = match spec.value.is_null() || user.source == Source::Kubelet {
        true => user.source,
        false => Source::PodSpec,
    };
    Stated { state: state(Some(gid > 0)), value: gid.into(), why: "".into(), source }
}

/// The check of the supplementary groups, where the kubelet reports them.
pub(super) fn groups(user: &User, spec: &Stated) -> Stated {
    match &user.groups {
        Some(groups) if spec.state != State::NotApplicable => Stated {
            state: state(Some(!groups.contains(&0))),
            value: json!(groups),
            why: "".into(),
            source: Source::Kubelet,
        },
        _ => spec.clone(),
    }
}

fn state(holds: Option<bool>) -> State {
    match holds {
        Some(true) => State::Pass,
        Some(false) => State::Fail,
        None => State::Unknown,
    }
}
