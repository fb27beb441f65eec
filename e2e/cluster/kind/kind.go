package kind

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ironhull.dev/e2e/cluster/layout"
)

// Both are generous: on an idle machine it takes half a minute.
const (
	startPatience   = 5 * time.Minute
	restartPatience = 2 * time.Minute
)

// Cluster is a kind cluster, running or not. What it is made of comes from
// kind-config.yaml.
type Cluster struct {
	layout.Layout
	engine string
}

// New is the cluster with this layout in a container engine.
func New(l layout.Layout, engine string) Cluster { return Cluster{l, engine} }

// A client whose daemon is on a machine that is not there would wait for minutes.
const enginePatience = 15 * time.Second

// Engine is the name of a container engine that answers, or empty. Being installed is
// not enough: a client without a daemon is common.
func Engine() string {
	for _, name := range []string{"docker", "podman", "nerdctl"} {
		patience, cancel := context.WithTimeout(context.Background(), enginePatience)
		err := exec.CommandContext(patience, name, "info").Run()
		cancel()
		if err == nil {
			return name
		}
	}
	return ""
}

// Start builds what is missing, makes the cluster, and returns when it is ready. It
// does nothing if the cluster is ready already; any other of that name is removed first.
func (c Cluster) Start(options layout.Options) error {
	options.On = "kind"
	if options.ControlPlaneOnly {
		return errors.New("kind has no control plane without a kubelet: use --on node")
	}
	if options.Kubernetes != "" {
		return fmt.Errorf("kind runs the Kubernetes of the node image that it pins, not %s: use --on node", options.Kubernetes)
	}
	if err := c.Builder().Kind(); err != nil {
		return err
	}
	if err := c.Builder().KubernetesPrograms(); err != nil { // for kubectl
		return err
	}
	if c.ready() == nil {
		log.Printf("%s is already running", c.Name)
		return nil
	}
	if err := c.Stop(); err != nil {
		return err
	}
	// The engine would make what kind-config.yaml mounts from here as well, but as root.
	if err := os.MkdirAll(filepath.Join(c.Root, auditDirectory), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(c.State, 0o755); err != nil {
		return err
	}
	if err := c.WriteOptions(options); err != nil {
		return err
	}
	return c.kind("create", "cluster", "--config", "kind-config.yaml", "--kubeconfig", c.Kubeconfig(), "--wait", startPatience.String())
}

// auditDirectory is where kind-config.yaml has the audit log written, from the repository's root.
const auditDirectory = "target/cluster/kind/audit"

// Stop removes the cluster, whatever condition it is in.
func (c Cluster) Stop() error {
	if err := c.Builder().Kind(); err != nil {
		return err
	}
	if err := c.kind("delete", "cluster", "--kubeconfig", c.Kubeconfig()); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(c.State), os.RemoveAll(filepath.Join(c.Root, auditDirectory)))
}

// kind runs in the repository's root, which kind-config.yaml's paths start from.
func (c Cluster) kind(args ...string) error {
	command := exec.Command(filepath.Join(c.Tools, "kind"), append(args, "--name", c.Name)...)
	command.Dir = c.Root
	command.Env = append(os.Environ(), "KIND_EXPERIMENTAL_PROVIDER="+c.engine)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("kind %s: %w", strings.Join(args[:2], " "), err)
	}
	return nil
}

func (c Cluster) exists() bool {
	_, err := os.Stat(c.Kubeconfig())
	return err == nil
}

func (c Cluster) ready() error {
	if !c.exists() {
		return fmt.Errorf("%s is not running", c.Name)
	}
	out, err := exec.Command(filepath.Join(c.Bin, "kubectl"), "--kubeconfig", c.Kubeconfig(), "--request-timeout=5s",
		"get", "--raw", "/readyz").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s is not ready: %w: %s", c.Name, err, out)
	}
	return nil
}

// Status prints whether the cluster is ready, and returns the exit code: 0 for ready, 1
// for not running, 2 for not ready.
func (c Cluster) Status() (int, error) {
	if !c.exists() {
		fmt.Printf("%s is not running\n", c.Name)
		return 1, nil
	}
	if err := c.ready(); err != nil {
		fmt.Println(err)
		return 2, nil
	}
	fmt.Printf("%s is ready, by kind on %s\n", c.Name, c.engine)
	return 0, nil
}

// Environment is the variables that `exec` sets, as NAME=VALUE.
func (c Cluster) Environment() ([]string, error) {
	if !c.exists() {
		return nil, fmt.Errorf("%s is not running", c.Name)
	}
	return []string{
		"KUBECONFIG=" + c.Kubeconfig(),
		"PATH=" + c.Bin + ":" + os.Getenv("PATH"),
		"CLUSTER_NAME=" + c.Name,
		"CLUSTER_ON=kind",
		"CLUSTER_NODE=" + c.NodeName(),
		"CLUSTER_AUDIT_LOG=" + filepath.Join(c.Root, auditDirectory, "audit.log"),
		"CLUSTER_VOLUMES=" + layout.VolumesOnNode,
	}, nil
}

// Exec runs a command with the variables of Environment, and returns its exit code.
func (c Cluster) Exec(arguments []string) (int, error) {
	own, err := c.Environment()
	if err != nil {
		return 0, err
	}
	if err := os.Setenv("PATH", c.Bin+":"+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Env = append(os.Environ(), own...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = command.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return failed.ExitCode(), nil
	}
	return 0, err
}

// Logs prints the ends of the named programs' logs, or of all. It has no files to read from: the node keeps them, as a journal and as pods'.
func (c Cluster) Logs(programs []string, lines int) error {
	tail := fmt.Sprint(lines)
	for _, unit := range []string{"kubelet", "containerd"} {
		if len(programs) > 0 && !slices.Contains(programs, unit) {
			continue
		}
		fmt.Printf("==> %s\n", unit)
		if err := c.inNode("journalctl", "--unit", unit, "--lines", tail, "--no-pager"); err != nil {
			return err
		}
	}
	for _, pod := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if len(programs) > 0 && !slices.Contains(programs, pod) {
			continue
		}
		fmt.Printf("==> %s\n", pod)
		if err := c.inNode("sh", "-c", "tail -n "+tail+" /var/log/pods/kube-system_"+pod+"-*/*/*.log"); err != nil {
			return err
		}
	}
	return nil
}

// Restart kills a program as a crash would: the kubelet starts a control plane's
// program again, systemd the others.
func (c Cluster) Restart(program string, down time.Duration) error {
	manifest := "/etc/kubernetes/manifests/" + program + ".yaml"
	held := "/etc/kubernetes/" + program + ".held"
	if down > 0 {
		if err := c.inNode("mv", manifest, held); err != nil {
			return err
		}
	}
	err := c.inNode("pkill", "-KILL", "-x", program[:min(len(program), 15)])
	if down > 0 {
		time.Sleep(down)
		err = errors.Join(err, c.inNode("mv", held, manifest))
	}
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(restartPatience); time.Now().Before(deadline); time.Sleep(time.Second) {
		if c.ready() == nil {
			return nil
		}
	}
	return fmt.Errorf("%s is not back after %s", program, restartPatience)
}

func (c Cluster) inNode(command ...string) error {
	run := exec.Command(c.engine, append([]string{"exec", c.NodeName()}, command...)...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		return fmt.Errorf("%s exec %s %s: %w", c.engine, c.NodeName(), command[0], err)
	}
	return nil
}

// Load gives an image archive to the node.
func (c Cluster) Load(archive string) error {
	return c.kind("load", "image-archive", archive)
}
