package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"ironhull.dev/e2e/cluster/layout"
	"ironhull.dev/e2e/cluster/mount"
	"ironhull.dev/e2e/cluster/supervisor"
)

// SuperviseCommand is the command that [Cluster.Start] starts the supervisor by; nobody
// else calls it.
const SuperviseCommand = "supervise"

// Where things are inside. Fixed places, above which every directory may be
// entered by everybody: user namespaces need that, and a repository below /root
// does not have it. Unix sockets also want short paths.
const (
	stateInside      = "/var/lib/cluster"
	binInside        = "/var/lib/cluster-bin"
	containerdSocket = "/run/containerd/containerd.sock"
)

// Addresses inside. The Service range's first address is the API server's; with
// that address on the loopback device and the API server at the Service's own
// port, pods reach it with no kube-proxy.
const (
	nodeIP              = "10.10.0.1"
	serviceRange        = "10.96.0.0/16"
	kubernetesServiceIP = "10.96.0.1"
	apiServerPort       = 443
)

// Supervise is the first process of the cluster's namespaces: it arranges them,
// starts the programs, and starts again whichever ends. When it ends, the kernel
// ends all the others. It returns only an error.
func Supervise(args []string) error {
	if len(args) != 3 || os.Getpid() != 1 {
		return errors.New("this is `cluster start`'s own business")
	}
	l := layout.Layout{Name: args[0], State: args[1], Bin: args[2]}
	options, err := l.ReadOptions()
	if err != nil {
		return err
	}
	if err := arrangeMounts(l); err != nil {
		return err
	}
	if err := arrangeNetwork(); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(l.NodeName())); err != nil {
		return err
	}
	supervisor.New(binInside, stateInside).Start(stages(l.NodeName(), options))
	// Somebody who removes the state directory wants no cluster any more.
	for {
		time.Sleep(5 * time.Second)
		if !exists(filepath.Join(stateInside, "pid")) {
			return errors.New("the state directory is gone, and so am I")
		}
	}
}

// arrangeMounts hides the places that the programs insist on writing to, and
// puts the state directory there instead.
func arrangeMounts(l layout.Layout) error {
	var mounts mount.Sequence
	// Nothing that is mounted here is to be seen outside.
	mounts.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	// Either may be below what is hidden next: keep hold of them.
	state, bin := mounts.Open(l.State), mounts.Open(l.Bin)
	for _, directory := range []string{"/run", "/var/lib", "/var/log"} {
		mounts.Mount("tmpfs", directory, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755")
	}
	mounts.Bind(state, stateInside)
	mounts.Bind(bin, binInside)
	for from, to := range map[string]string{
		"containerd": "/var/lib/containerd",
		"etcd":       "/var/lib/etcd",
		"kubelet":    "/var/lib/kubelet",
		"pod-logs":   "/var/log/pods",
		"volumes":    layout.VolumesOnNode,
	} {
		mounts.Bind(filepath.Join(stateInside, from), to)
	}
	mounts.Mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	// The kubelet tunes the whole machine's kernel, and would leave it so. Let it tune files.
	for _, name := range []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	} {
		mounts.Decoy(filepath.Join("/proc/sys", name), filepath.Join(stateInside, "sysctl", filepath.Base(name)))
	}
	// The kernel lets a user namespace mount /proc only where it can see one with nothing mounted
	// on it. Without this, no pod with `hostUsers: false`.
	mounts.Mkdir("/run/proc")
	mounts.Mount("proc", "/run/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	// What is mounted in a pod's volume must be seen by the kubelet, and the other way round.
	mounts.Mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
	return mounts.Err()
}

// arrangeNetwork gives the namespace an address and a default route: kube-apiserver
// stops without the one, the kubelet without the other. Both ends of the pair stay
// in here, so nothing outside has to be named or removed.
func arrangeNetwork() error {
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"address", "add", kubernetesServiceIP + "/32", "dev", "lo"},
		{"link", "add", "uplink", "type", "veth", "peer", "name", "nowhere"},
		{"address", "add", nodeIP + "/24", "dev", "uplink"},
		{"link", "set", "uplink", "up"},
		{"link", "set", "nowhere", "up"},
		{"route", "add", "default", "dev", "uplink"},
	} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}
