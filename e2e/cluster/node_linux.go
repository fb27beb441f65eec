package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

//go:embed config audit-policy.yaml
var configuration embed.FS

// nodeCluster is a cluster without a container engine, seen from outside. All
// its processes, mounts and network interfaces live in namespaces that end with
// one process, the supervisor: to kill that is to remove everything but files
// and cgroups.
type nodeCluster struct{ place }

func newNode(p place) (cluster, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("without a container engine (docker, podman or nerdctl that answers to `info`) one must be root")
	}
	return nodeCluster{p}, nil
}

func (c nodeCluster) start(options startOptions) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	options.On = "node"
	if err := c.checkHost(options.ControlPlaneOnly); err != nil {
		return err
	}
	if err := c.buildNode(options.ControlPlaneOnly); err != nil {
		return err
	}
	if old, err := c.readOptions(); err == nil && c.supervisor() != 0 && old == options && c.ready() == nil {
		say("%s is already running", c.name)
		return nil
	}
	if err := c.remove(); err != nil {
		return err
	}

	began := time.Now()
	if err := checkSpace(filepath.Dir(c.tools)); err != nil {
		return err
	}
	if err := c.prepare(options); err != nil {
		return err
	}
	if err := c.makeCgroups(); err != nil {
		return err
	}
	if err := c.spawnSupervisor(); err != nil {
		return err
	}
	if err := c.await(startPatience); err != nil {
		say("%s did not become ready; the ends of its logs:", c.name)
		_ = c.logs(nil, 10)
		return errors.Join(err, c.remove())
	}
	if !options.ControlPlaneOnly {
		if err := c.loadBaseImages(); err != nil {
			return errors.Join(err, c.remove())
		}
	}
	say("%s is ready after %.1f s; KUBECONFIG is %s, to be used by `cluster exec -- CMD…`",
		c.name, time.Since(began).Seconds(), c.kubeconfig())
	return nil
}

func (c nodeCluster) stop() error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return c.remove()
}

// checkHost says at once, and all together, what a fresh machine lacks.
func (c nodeCluster) checkHost(controlPlaneOnly bool) error {
	var missing []string
	need := func(what string, found bool) {
		if !found {
			missing = append(missing, what)
		}
	}
	installed := func(program string) bool {
		_, err := exec.LookPath(program)
		return err == nil
	}
	need("iproute2", installed("ip"))
	if !controlPlaneOnly {
		need("a C compiler", installed("cc") || installed("gcc"))
		need("pkg-config", installed("pkg-config"))
		need("libseccomp-dev", exec.Command("pkg-config", "--exists", "libseccomp").Run() == nil)
		need("busybox-static", exists(busyboxPath()))
		need("containernetworking-plugins", exists("/usr/lib/cni/bridge") || exists("/opt/cni/bin/bridge"))
	}
	if len(missing) > 0 {
		return fmt.Errorf("the node needs %s; on Debian e2e/setup installs them", strings.Join(missing, ", "))
	}
	return nil
}

// spaceNeeded is for etcd, the images laid out, and logs: in bytes.
const spaceNeeded = 1 << 30

// checkSpace says at once what would come as pods that stay pending.
func checkSpace(directory string) error {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(directory, &disk); err != nil {
		return &os.PathError{Op: "statfs", Path: directory, Err: err}
	}
	if free := disk.Bavail * uint64(disk.Bsize); free < spaceNeeded {
		return fmt.Errorf("the node needs %d MiB of disk in %s, and %d MiB are free: "+
			"`cargo clean` and `go clean -cache` give most", spaceNeeded>>20, directory, free>>20)
	}
	return nil
}

// prepare fills a fresh state directory.
func (c nodeCluster) prepare(options startOptions) error {
	for _, directory := range []string{
		"audit", "config/cni", "containerd", "etcd", "kubelet", "logs", "pod-logs", "sysctl", "volumes",
	} {
		if err := os.MkdirAll(filepath.Join(c.state, directory), 0o755); err != nil {
			return err
		}
	}
	// etcd insists.
	if err := os.Chmod(filepath.Join(c.state, "etcd"), 0o700); err != nil {
		return err
	}
	if err := c.writeOptions(options); err != nil {
		return err
	}
	if err := writePKI(c.state, c.nodeName()); err != nil {
		return err
	}
	values := map[string]any{
		"CgroupName":          c.cgroupName(),
		"RestrictOOMScoreAdj": !haveCapability(capSysResource),
		"Snapshotter":         snapshotter(c.state),
	}
	for file, target := range map[string]string{
		"config/cni.conflist":    "config/cni/10-pods.conflist",
		"config/containerd.toml": "config/containerd.toml",
		"config/kubelet.yaml":    "config/kubelet.yaml",
		"config/resolv.conf":     "config/resolv.conf",
		"audit-policy.yaml":      "config/audit-policy.yaml",
	} {
		parsed, err := template.ParseFS(configuration, file)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, values); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.state, target), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// spawnSupervisor starts this same program as the first process of namespaces of its own.
func (c nodeCluster) spawnSupervisor() error {
	log, err := os.OpenFile(filepath.Join(c.state, "logs", "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self, superviseCommand, c.name, c.state, c.bin)
	command.Dir = "/"
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
		Setsid:     true,
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting the supervisor in new namespaces, which in a container takes --privileged: %w", err)
	}
	pid := []byte(strconv.Itoa(command.Process.Pid))
	if err := os.WriteFile(c.pidFile(), pid, 0o644); err != nil {
		_ = command.Process.Kill()
		return err
	}
	// Whoever reaps it: it may well outlive this process.
	go func() { _ = command.Wait() }()
	return nil
}

func (c nodeCluster) pidFile() string { return filepath.Join(c.state, "pid") }

// supervisor is the recorded process's id if it still is the supervisor of this
// state directory, and 0 if not: ids are used again.
func (c nodeCluster) supervisor() int {
	content, err := os.ReadFile(c.pidFile())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || !c.isSupervisor(pid) {
		return 0
	}
	return pid
}

func (c nodeCluster) isSupervisor(pid int) bool {
	argv := commandLine(pid)
	return len(argv) == 5 && argv[1] == superviseCommand && argv[3] == c.state
}

// await returns when pods can be made and run.
func (c nodeCluster) await(patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := c.ready()
		if err == nil {
			return nil
		}
		if c.supervisor() == 0 {
			return errors.New("the supervisor has ended")
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %s: %w", patience, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (c nodeCluster) ready() error {
	options, err := c.readOptions()
	if err != nil {
		return err
	}
	if _, err := c.kubectl("get", "--raw", "/readyz"); err != nil {
		return err
	}
	// Pods are refused before the controller manager has made this.
	if _, err := c.kubectl("--namespace", "default", "get", "serviceaccount", "default"); err != nil {
		return err
	}
	if options.ControlPlaneOnly {
		return nil
	}
	const conditions = `{.status.conditions[?(@.type=="Ready")].status}{.spec.taints}`
	out, err := c.kubectl("get", "node", c.nodeName(), "-o", "jsonpath="+conditions)
	if err == nil && out != "True" {
		err = fmt.Errorf("the node is not ready: %s", out)
	}
	return err
}

// load gives containerd an image archive (OCI or Docker's).
func (c nodeCluster) load(archive string) error {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return fmt.Errorf("%s is not running", c.name)
	}
	socket := fmt.Sprintf("/proc/%d/root%s", supervisor, containerdSocket)
	command := exec.Command(filepath.Join(c.bin, "ctr"), "--address", socket, "--namespace", "k8s.io",
		"images", "import", "--all-platforms=false", archive)
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("loading %s: %w: %s", archive, err, out)
	}
	return nil
}

// loadBaseImages gives the node what every pod needs, and what is smallest to test with.
func (c nodeCluster) loadBaseImages() error {
	for _, name := range []string{"pause", "busybox"} {
		archive, err := c.make(name)
		if err != nil {
			return err
		}
		if err := c.load(archive); err != nil {
			return err
		}
	}
	return nil
}
