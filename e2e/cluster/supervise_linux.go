package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// superviseCommand is what the supervisor is called by; nobody else calls it.
const superviseCommand = "supervise"

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

// supervise is the first process of the cluster's namespaces: it arranges them,
// starts the programs, and starts again whichever ends. When it ends, the kernel
// ends all the others.
func supervise(args []string) error {
	if len(args) != 3 || os.Getpid() != 1 {
		return errors.New("this is `cluster start`'s own business")
	}
	place := place{name: args[0], state: args[1], bin: args[2]}
	options, err := place.readOptions()
	if err != nil {
		return err
	}
	if err := arrangeMounts(place); err != nil {
		return err
	}
	if err := arrangeNetwork(); err != nil {
		return err
	}
	if err := syscall.Sethostname([]byte(place.nodeName())); err != nil {
		return err
	}
	nursery := newNursery()
	for _, stage := range stages(place.nodeName(), options) {
		for _, program := range stage {
			go nursery.keep(program)
		}
		for _, program := range stage {
			program.awaitReady()
		}
	}
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
func arrangeMounts(p place) error {
	mounts := &mounter{}
	// Nothing that is mounted here is to be seen outside.
	mounts.mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	// Either may be below what is hidden next: keep hold of them.
	state, bin := mounts.open(p.state), mounts.open(p.bin)
	for _, directory := range []string{"/run", "/var/lib", "/var/log"} {
		mounts.mount("tmpfs", directory, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, "mode=755")
	}
	mounts.bind(state, stateInside)
	mounts.bind(bin, binInside)
	for from, to := range map[string]string{
		"containerd": "/var/lib/containerd",
		"etcd":       "/var/lib/etcd",
		"kubelet":    "/var/lib/kubelet",
		"pod-logs":   "/var/log/pods",
		"volumes":    volumesOnNode,
	} {
		mounts.bind(filepath.Join(stateInside, from), to)
	}
	mounts.mount("proc", "/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	// The kubelet tunes the whole machine's kernel, and would leave it so. Let it tune files.
	for _, name := range []string{
		"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
		"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	} {
		mounts.decoy(filepath.Join("/proc/sys", name), filepath.Join(stateInside, "sysctl", filepath.Base(name)))
	}
	// The kernel lets a user namespace mount /proc only where it can see one with nothing mounted
	// on it. Without this, no pod with `hostUsers: false`.
	mounts.mkdir("/run/proc")
	mounts.mount("proc", "/run/proc", "proc", syscall.MS_NOSUID|syscall.MS_NODEV|syscall.MS_NOEXEC, "")
	// What is mounted in a pod's volume must be seen by the kubelet, and the other way round.
	mounts.mount("", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
	return mounts.err
}

// mounter mounts until something fails.
type mounter struct{ err error }

func (m *mounter) mount(source, target, kind string, flags uintptr, data string) {
	if m.err == nil {
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			m.err = fmt.Errorf("mounting %s at %s: %w", source, target, err)
		}
	}
}

func (m *mounter) mkdir(path string) {
	if m.err == nil {
		m.err = os.MkdirAll(path, 0o755)
	}
}

func (m *mounter) bind(source, target string) {
	m.mkdir(target)
	m.mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, "")
}

// open gives a path to a directory that holds even when something is mounted over it.
func (m *mounter) open(path string) string {
	fd, err := syscall.Open(path, syscall.O_DIRECTORY|syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil && m.err == nil {
		m.err = fmt.Errorf("opening %s: %w", path, err)
	}
	return "/proc/self/fd/" + strconv.Itoa(fd)
}

// decoy puts a file with the same content in a kernel setting's place.
func (m *mounter) decoy(setting, file string) {
	content, err := os.ReadFile(setting)
	if m.err != nil || errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.WriteFile(file, content, 0o644)
	}
	if err != nil {
		m.err = err
		return
	}
	m.mount(file, setting, "", syscall.MS_BIND, "")
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

// program is one of the cluster's programs.
type program struct {
	name  string
	args  []string
	ready func() error // nil: ready when started
}

// A program that has not come up by then has its successors started all the
// same: its log, or theirs, will say why.
const readyPatience = time.Minute

func (p program) awaitReady() {
	if p.ready == nil {
		return
	}
	for deadline := time.Now().Add(readyPatience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if p.ready() == nil {
			return
		}
	}
	say("%s is not ready after %s", p.name, readyPatience)
}

func dials(network, address string) func() error {
	return func() error {
		connection, err := net.DialTimeout(network, address, time.Second)
		if err == nil {
			connection.Close()
		}
		return err
	}
}

func answersReady() error {
	client := http.Client{
		Timeout: 2 * time.Second,
		// Only whether it is up; whoever talks to it in earnest verifies its certificate.
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	response, err := client.Get(fmt.Sprintf("https://127.0.0.1:%d/readyz", apiServerPort))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-apiserver is not ready: %s", response.Status)
	}
	return nil
}
