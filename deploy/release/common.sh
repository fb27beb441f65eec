# What the scripts of a release have in common. To be sourced, in the repository's root.

# The one place where the version stands.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
platforms=(linux/amd64 linux/arm64)
dist=${RELEASE_DIST:-target/dist}

fail() { echo "${0##*/}: $*" >&2; exit 1; }

need() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || fail "needs $tool"; done
}

# Rust's name for a platform.
triple() {
  case $1 in
    linux/amd64) echo x86_64-unknown-linux-gnu ;;
    linux/arm64) echo aarch64-unknown-linux-gnu ;;
    *) fail "no target for $1" ;;
  esac
}

# The name of an archive without its ending, which is that of the directory in it too.
archive() { echo "ironhull-$version-${1//\//-}"; }

# Where others will find it. They are part of what is built, so there is no default.
published() {
  [ -n "${RELEASE_REGISTRY:-}" ] || fail "RELEASE_REGISTRY is to say where the images will be, such as ghcr.io/OWNER"
  [ -n "${RELEASE_REPOSITORY:-}" ] || fail "RELEASE_REPOSITORY is to say where this repository is, such as https://github.com/OWNER/ironhull"
  registry=${RELEASE_REGISTRY%/} repository=${RELEASE_REPOSITORY%/}
  download=$repository/releases/download/v$version
}

# Links from a page of this repository, in the directory $1, made to lead there from elsewhere.
absolute_links() {
  sed -E -e "s#\]\(\.\./#](@/#g" -e "s#\]\(([^)@:\#][^):]*)\)#](@/${1:+$1/}\1)#g" -e "s#\]\(@/#]($repository/blob/v$version/#g"
}

# Text as a member of a YAML mapping: a block scalar below annotations.
annotation() { printf '  artifacthub.io/%s: |\n' "$1"; sed 's/^/    /'; }

# The section of the change log: that of the version, or before it has one, what is not released yet.
section() {
  if deploy/release/notes "$@" "$version" 2>/dev/null; then return; fi
  echo "CHANGELOG.md has no section [$version]: taken is [Unreleased]" >&2
  deploy/release/notes "$@" Unreleased
}

# The checksum of the file $1 according to $2.
checksum() {
  awk -v name="$1" '$2 == name || $2 == "*" name { print $1; found++ } END { exit found != 1 }' "$2" ||
    fail "$2 has not one checksum of $1"
}

# This machine's platform, in the words of images.
native_arch() {
  case $(uname -m) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname -m ;;
  esac
}
