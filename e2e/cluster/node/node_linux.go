package node

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"

	"ironhull.dev/e2e/cluster/cgroup"
	"ironhull.dev/e2e/cluster/layout"
	"ironhull.dev/e2e/cluster/lockfile"
	"ironhull.dev/e2e/cluster/pki"
	"ironhull.dev/e2e/cluster/proc"
)

// Both are generous: on an idle machine it takes half a minute.
const (
	startPatience   = 5 * time.Minute
	restartPatience = 2 * time.Minute
)

//go:embed config
var configuration embed.FS

// Cluster is a cluster without a container engine, seen from outside. All
// its processes, mounts and network interfaces live in namespaces that end with
// one process, the supervisor: to kill that is to remove everything but files
// and cgroups.
type Cluster struct{ layout.Layout }

// New is the cluster with this layout, running or not.
func New(l layout.Layout) (Cluster, error) {
	if os.Geteuid() != 0 {
		return Cluster{}, errors.New("without a container engine (docker, podman or nerdctl that answers to `info`) one must be root")
	}
	return Cluster{l}, nil
}

// Start builds what is missing, starts the cluster, and returns when pods can run. A
// cluster that is ready and has the same options is left as it is; any other of that
// name is removed first, and so is one that does not become ready.
func (c Cluster) Start(options layout.Options) error {
	unlock, err := lockfile.Lock(c.State + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	options.On = "node"
	if err := checkHost(options.ControlPlaneOnly); err != nil {
		return err
	}
	if err := c.Builder().Node(options.ControlPlaneOnly); err != nil {
		return err
	}
	if old, err := c.ReadOptions(); err == nil && c.supervisor() != 0 && old == options && c.ready() == nil {
		log.Printf("%s is already running", c.Name)
		return nil
	}
	if err := c.remove(); err != nil {
		return err
	}

	began := time.Now()
	if err := checkSpace(filepath.Dir(c.Tools)); err != nil {
		return err
	}
	if err := c.prepare(options); err != nil {
		return err
	}
	if err := cgroup.Make(c.cgroupName()); err != nil {
		return err
	}
	if err := c.spawnSupervisor(); err != nil {
		return err
	}
	if err := c.await(startPatience); err != nil {
		log.Printf("%s did not become ready; the ends of its logs:", c.Name)
		_ = c.Logs(nil, 10)
		return errors.Join(err, c.remove())
	}
	if !options.ControlPlaneOnly {
		if err := c.loadBaseImages(); err != nil {
			return errors.Join(err, c.remove())
		}
	}
	log.Printf("%s is ready after %.1f s; KUBECONFIG is %s, to be used by `cluster exec -- CMD…`",
		c.Name, time.Since(began).Seconds(), c.Kubeconfig())
	return nil
}

// Stop removes the cluster, whatever condition it is in.
func (c Cluster) Stop() error {
	unlock, err := lockfile.Lock(c.State + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	return c.remove()
}

// prepare fills a fresh state directory.
func (c Cluster) prepare(options layout.Options) error {
	for _, directory := range []string{
		"audit", "config/cni", "containerd", "etcd", "kubelet", "logs", "pod-logs", "sysctl", "volumes",
	} {
		if err := os.MkdirAll(filepath.Join(c.State, directory), 0o755); err != nil {
			return err
		}
	}
	// etcd insists.
	if err := os.Chmod(filepath.Join(c.State, "etcd"), 0o700); err != nil {
		return err
	}
	if err := c.WriteOptions(options); err != nil {
		return err
	}
	if err := pki.Write(filepath.Join(c.State, "pki"), c.Kubeconfig(), pki.Node{
		Name: c.NodeName(), IP: nodeIP, ServiceIP: kubernetesServiceIP, Port: apiServerPort,
	}); err != nil {
		return err
	}
	values := map[string]any{
		"CgroupName":          c.cgroupName(),
		"RestrictOOMScoreAdj": !proc.HasCapability(proc.CapSysResource),
		"Snapshotter":         snapshotter(c.State),
	}
	for file, target := range map[string]string{
		"config/cni.conflist":      "config/cni/10-pods.conflist",
		"config/containerd.toml":   "config/containerd.toml",
		"config/kubelet.yaml":      "config/kubelet.yaml",
		"config/resolv.conf":       "config/resolv.conf",
		"config/audit-policy.yaml": "config/audit-policy.yaml",
	} {
		parsed, err := template.ParseFS(configuration, file)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := parsed.Execute(&out, values); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.State, target), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// spawnSupervisor starts this same program as the first process of namespaces of its own.
func (c Cluster) spawnSupervisor() error {
	output, err := os.OpenFile(filepath.Join(c.State, "logs", "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer output.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	command := exec.Command(self, SuperviseCommand, c.Name, c.State, c.Bin)
	command.Dir = "/"
	command.Stdout, command.Stderr = output, output
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

func (c Cluster) pidFile() string { return filepath.Join(c.State, "pid") }

// supervisor is the recorded process's id if it still is the supervisor of this
// state directory, and 0 if not: ids are used again.
func (c Cluster) supervisor() int {
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

func (c Cluster) isSupervisor(pid int) bool {
	argv := proc.CommandLine(pid)
	return len(argv) == 5 && argv[1] == SuperviseCommand && argv[3] == c.State
}

// await returns when pods can be made and run.
func (c Cluster) await(patience time.Duration) error {
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

func (c Cluster) ready() error {
	options, err := c.ReadOptions()
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
	out, err := c.kubectl("get", "node", c.NodeName(), "-o", "jsonpath="+conditions)
	if err == nil && out != "True" {
		err = fmt.Errorf("the node is not ready: %s", out)
	}
	return err
}

// Load gives containerd an image archive (OCI or Docker's). What is unpacked is not kept as an archive
// besides: that is a third of all the space that the node takes.
func (c Cluster) Load(archive string) error {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return fmt.Errorf("%s is not running", c.Name)
	}
	socket := fmt.Sprintf("/proc/%d/root%s", supervisor, containerdSocket)
	command := exec.Command(filepath.Join(c.Bin, "ctr"), "--address", socket, "--namespace", "k8s.io",
		"images", "import", "--local", "--discard-unpacked-layers", archive)
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("loading %s: %w: %s", archive, err, out)
	}
	return nil
}

// loadBaseImages gives the node what every pod needs, and what is smallest to test with.
func (c Cluster) loadBaseImages() error {
	for _, name := range []string{"pause", "busybox"} {
		archive, err := c.Store().Archive(name)
		if err != nil {
			return err
		}
		if err := c.Load(archive); err != nil {
			return err
		}
	}
	return nil
}
