#!/bin/sh
# container.sh WORK TARGET AGENT…: a container as a runtime makes it, without one. WORK has `lower`, the image.
# It runs in namespaces of its own for mounts, processes and the network, and is their first process, which
# becomes the target: a shell with TARGET. The agent is beside it in the same process namespace, with a root
# of its own, and reads its standard input from descriptor 3 and writes to 4. Both have the capabilities
# that container runtimes give by default. The fourth of AGENT, when the target was started, is said here.
set -eu
work=$1 target=$2
shift 2
capabilities=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap
mkdir -p "$work/upper" "$work/over" "$work/root" "$work/agent/proc"
# The agent of a test is linked dynamically.
for directory in lib lib64 usr; do
  [ -e "/$directory" ] || continue
  mkdir -p "$work/agent/$directory"
  mount --bind "/$directory" "$work/agent/$directory"
done
touch "$work/agent/ironhull"
mount --bind "$IRONHULL" "$work/agent/ironhull"
mount -t overlay -o "lowerdir=$work/lower,upperdir=$work/upper,workdir=$work/over" overlay "$work/root"
mkdir -p "$work/root/proc" "$work/root/mounted/here" "$work/root/dev" "$work/agent/dev"
mount -t tmpfs tmpfs "$work/root/mounted/here"
for root in "$work/root" "$work/agent"; do
  mount -t tmpfs tmpfs "$root/dev"
  mknod -m 666 "$root/dev/null" c 1 3
done
mount -t proc proc "$work/root/proc"
mount -t proc proc "$work/agent/proc"
ip link set lo up 2>/dev/null || true
started=$(date +%s)
(
  sleep "${AGENT_AFTER:-1}"
  exec setpriv --bounding-set "$capabilities" chroot "$work/agent" /ironhull "$1" "$2" "$3" "$started" "$5" <&3 >&4
) &
exec setpriv --bounding-set "$capabilities" chroot "$work/root" /bin/sh -c "$target" 3<&- 4>&-
