//! The token of the pod's ServiceAccount, as the API server mounts it.
//!
//! The ServiceAccount admission plugin runs before any webhook. It appends one projected volume and
//! mounts it into each container that has nothing at that path (`mountServiceAccountToken` and
//! `TokenVolumeSource` in `k8s.io/kubernetes/plugin/pkg/admission/serviceaccount`). It is known here
//! by all that the plugin writes, and by nothing less: what an author wrote is the author's.

use super::{
    ContainerKind, Items, KeyToPath, Mount, Placed, Pod, Projection, TokenProjection, Volume,
    normalise_path, within,
};

/// Where clients look for the token (`DefaultAPITokenMountPath`).
pub const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The ServiceAccount of a pod that names none (`DefaultServiceAccountName`).
pub const DEFAULT_ACCOUNT: &str = "default";
/// What the name of the plugin's volume begins with (`ServiceAccountVolumeName`). A volume of the
/// author's that begins so stands in for the plugin's.
const VOLUME_PREFIX: &str = "kube-api-access-";
/// How many random characters follow, and which (`SimpleNameGenerator` in
/// `k8s.io/apiserver/pkg/storage/names`, `alphanums` in `k8s.io/apimachinery/pkg/util/rand`).
const SUFFIX: usize = 5;
const SUFFIX_LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";
/// In an audience that is the API server's: the issuer of a cluster that was not told another
/// (`--service-account-issuer`, which `--api-audiences` defaults to).
const API_AUDIENCE: &str = "kubernetes.default";
/// Lifetime that the plugin asks for (`WarnOnlyBoundTokenExpirationSeconds`).
const EXPIRATION: i64 = 60 * 60 + 7;
/// Mode of the files (`ProjectedVolumeSourceDefaultMode`).
const MODE: i64 = 0o644;

/// The token in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token<'p> {
    /// No container has one.
    None,
    /// The plugin's volume is there, and nothing else gives a token for the API.
    Injected(Injected),
    /// A volume of this name gives one, or may, and it is the author's: another volume, or the
    /// plugin's in a place where the plugin does not mount it.
    Own(&'p str),
}

/// The plugin's volume and its mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Index of the volume in `spec.volumes`.
    pub volume: usize,
    /// The mounts, in the order of the containers.
    pub mounts: Vec<InjectedMount>,
}

/// A mount of the plugin's volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectedMount {
    /// Kind of the container.
    pub kind: ContainerKind,
    /// Index of the container in its list.
    pub container: usize,
    /// Index of the mount in `volumeMounts`.
    pub mount: usize,
}

impl Pod<'_> {
    /// The name of its ServiceAccount. `serviceAccount` is the older spelling; where both are
    /// set, the API server takes `serviceAccountName` (`Convert_v1_PodSpec_To_core_PodSpec`).
    pub fn service_account(&self) -> &str {
        let names = [&*self.spec.service_account_name, &*self.spec.service_account];
        names.into_iter().find(|name| !name.is_empty()).unwrap_or(DEFAULT_ACCOUNT)
    }

    /// The token that its containers have. Every container counts, ironhull's own too: the volume
    /// cannot go while one mounts it.
    pub fn token(&self) -> Token<'_> {
        let volumes = self.spec.volumes.iter();
        let mut reserved = volumes.enumerate().filter(|(_, it)| it.name.starts_with(VOLUME_PREFIX));
        let injected = match (reserved.next(), reserved.next()) {
            (Some((index, volume)), None) if volume.is_injected_token() => Some((index, volume)),
            (_, Some((_, volume))) | (Some((_, volume)), None) => return Token::Own(&volume.name),
            (None, None) => None,
        };
        let name = injected.map(|(_, volume)| &*volume.name);
        let mut others = self.spec.volumes.iter().filter(|volume| Some(&*volume.name) != name);
        if let Some(volume) = others.find(|volume| volume.gives_api_token()) {
            return Token::Own(&volume.name);
        }
        let mut mounts = Vec::new();
        for Placed { kind, index, container } in
            self.all_containers().chain(self.ephemeral_containers())
        {
            for (at, mount) in container.volume_mounts.iter().enumerate() {
                match Some(&*mount.name) == name {
                    true if mount.is_injected_token() => {
                        mounts.push(InjectedMount { kind, container: index, mount: at });
                    }
                    false if !within(&normalise_path(&mount.mount_path), TOKEN_PATH) => {}
                    _ => return Token::Own(&mount.name),
                }
            }
        }
        // Beside `false` the plugin mounts nothing. Another webhook may have set it since, after the plugin
        // had mounted the volume everywhere; where it is in some containers alone, somebody chose them.
        let everywhere = || mounts.len() >= self.all_containers().count();
        match injected {
            None => Token::None,
            Some((_, volume))
                if self.spec.automount_service_account_token == Some(false) && !everywhere() =>
            {
                Token::Own(&volume.name)
            }
            Some((volume, _)) => Token::Injected(Injected { volume, mounts }),
        }
    }
}

impl Volume<'_> {
    /// Whether it is the plugin's, name, sources and all.
    fn is_injected_token(&self) -> bool {
        let source = &self.source;
        let is_projected = &*self.kind == "projected"
            && source.default_mode == Some(MODE)
            && !source.has_unknown
            && !source.read_only
            && source.items.is_empty();
        let sources = match source.sources.as_slice() {
            // OpenShift's API server adds the authority of its services.
            [sources @ .., last] if sources.len() == 3 => {
                last.is_file_of("openshift-service-ca.crt", "service-ca.crt").then_some(sources)
            }
            sources => Some(sources),
        };
        let Some([token, authority, namespace]) = sources else { return false };
        let suffix = self.name.strip_prefix(VOLUME_PREFIX).unwrap_or_default();
        is_projected
            && suffix.len() == SUFFIX
            && suffix.chars().all(|c| SUFFIX_LETTERS.contains(c))
            && token.is_token()
            && authority.is_file_of("kube-root-ca.crt", "ca.crt")
            && namespace.is_namespace()
    }

    /// Whether it projects a token that the API server accepts, as far as its audience tells.
    fn gives_api_token(&self) -> bool {
        let mut tokens = self.source.sources.iter().map(|source| &source.token);
        let of_api = |audience: &str| audience.is_empty() || audience.contains(API_AUDIENCE);
        tokens.any(|token| token.has_members && of_api(&token.audience))
    }
}

/// What a projection is of, besides what is asked for: nothing.
impl Projection<'_> {
    fn is_token(&self) -> bool {
        let Self { secret, config_map, downward_api, token, has_members: _, has_unknown } = self;
        let TokenProjection {
            audience,
            expiration_seconds,
            path,
            has_members: _,
            has_unknown: more,
        } = token;
        let others = [secret, config_map, downward_api];
        others.iter().all(|it| !it.has_members)
            && !has_unknown
            && !more
            && audience.is_empty()
            && *expiration_seconds == Some(EXPIRATION)
            && &**path == "token"
    }

    fn is_file_of(&self, name: &str, file: &str) -> bool {
        let Self { secret, config_map, downward_api, token, has_members: _, has_unknown } = self;
        let Items { name: of, items, has_members: _, has_unknown: more } = config_map;
        let [item] = items.as_slice() else { return false };
        let KeyToPath { key, path, field_ref, mode, has_members: _, has_unknown: other } = item;
        !(secret.has_members || downward_api.has_members || token.has_members)
            && !(*has_unknown || *more || *other || field_ref.has_members)
            && mode.is_none()
            && (&**of, &**key, &**path) == (name, file, file)
    }

    fn is_namespace(&self) -> bool {
        let Self { secret, config_map, downward_api, token, has_members: _, has_unknown } = self;
        let Items { name, items, has_members: _, has_unknown: more } = downward_api;
        let [item] = items.as_slice() else { return false };
        let KeyToPath { key, path, field_ref, mode, has_members: _, has_unknown: other } = item;
        !(secret.has_members || config_map.has_members || token.has_members)
            && !(*has_unknown || *more || *other || field_ref.has_unknown)
            && mode.is_none()
            && name.is_empty()
            && key.is_empty()
            && &*field_ref.api_version == "v1"
            && (&**path, &*field_ref.field_path) == ("namespace", "metadata.namespace")
    }
}

impl Mount<'_> {
    /// Whether it is as the plugin writes it.
    fn is_injected_token(&self) -> bool {
        let Self { name: _, mount_path, read_only, sub_path, sub_path_expr, has_unknown, .. } =
            self;
        *read_only
            && !has_unknown
            && sub_path.is_empty()
            && sub_path_expr.is_empty()
            && &**mount_path == TOKEN_PATH
    }
}
