package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// kindCluster is the same in a container engine, by kind. What it is made of
// comes from kind-config.yaml.
type kindCluster struct {
	place
	engine string
}

func (c kindCluster) start(options startOptions) error {
	options.On = "kind"
	if options.ControlPlaneOnly {
		return errors.New("kind has no control plane without a kubelet: use --on node")
	}
	if options.Kubernetes != "" {
		return fmt.Errorf("kind runs the Kubernetes of the node image that it pins, not %s: use --on node", options.Kubernetes)
	}
	if err := c.build(c.kindBuild()); err != nil {
		return err
	}
	if err := c.buildKubernetes(); err != nil { // for kubectl
		return err
	}
	if c.ready() == nil {
		say("%s is already running", c.name)
		return nil
	}
	if err := c.stop(); err != nil {
		return err
	}
	// The engine would make what kind-config.yaml mounts from here as well, but as root.
	if err := os.MkdirAll(filepath.Join(c.root, kindAudit), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(c.state, 0o755); err != nil {
		return err
	}
	if err := c.writeOptions(options); err != nil {
		return err
	}
	return c.kind("create", "cluster", "--config", "kind-config.yaml", "--kubeconfig", c.kubeconfig(), "--wait", startPatience.String())
}

// kindAudit is where kind-config.yaml has the audit log written, from the repository's root.
const kindAudit = "target/cluster/kind/audit"

func (c kindCluster) stop() error {
	if err := c.build(c.kindBuild()); err != nil {
		return err
	}
	if err := c.kind("delete", "cluster", "--kubeconfig", c.kubeconfig()); err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(c.state), os.RemoveAll(filepath.Join(c.root, kindAudit)))
}

// kind runs in the repository's root, which kind-config.yaml's paths start from.
func (c kindCluster) kind(args ...string) error {
	command := exec.Command(filepath.Join(c.tools, "kind"), append(args, "--name", c.name)...)
	command.Dir = c.root
	command.Env = append(os.Environ(), "KIND_EXPERIMENTAL_PROVIDER="+c.engine)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("kind %s: %w", strings.Join(args[:2], " "), err)
	}
	return nil
}

func (c kindCluster) ready() error {
	if !exists(c.kubeconfig()) {
		return fmt.Errorf("%s is not running", c.name)
	}
	out, err := exec.Command(filepath.Join(c.bin, "kubectl"), "--kubeconfig", c.kubeconfig(), "--request-timeout=5s",
		"get", "--raw", "/readyz").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s is not ready: %w: %s", c.name, err, out)
	}
	return nil
}

func (c kindCluster) status() error {
	if !exists(c.kubeconfig()) {
		fmt.Printf("%s is not running\n", c.name)
		return exitCode(1)
	}
	if err := c.ready(); err != nil {
		fmt.Println(err)
		return exitCode(2)
	}
	fmt.Printf("%s is ready, by kind on %s\n", c.name, c.engine)
	return nil
}

func (c kindCluster) environment() ([]string, error) {
	if !exists(c.kubeconfig()) {
		return nil, fmt.Errorf("%s is not running", c.name)
	}
	return []string{
		"KUBECONFIG=" + c.kubeconfig(),
		"PATH=" + c.bin + ":" + os.Getenv("PATH"),
		"CLUSTER_NAME=" + c.name,
		"CLUSTER_ON=kind",
		"CLUSTER_NODE=" + c.nodeName(),
		"CLUSTER_AUDIT_LOG=" + filepath.Join(c.root, kindAudit, "audit.log"),
		"CLUSTER_VOLUMES=" + volumesOnNode,
	}, nil
}

func (c kindCluster) exec(arguments []string) error {
	own, err := c.environment()
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", c.bin+":"+os.Getenv("PATH")); err != nil {
		return err
	}
	command := exec.Command(arguments[0], arguments[1:]...)
	command.Env = append(os.Environ(), own...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	err = command.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return exitCode(failed.ExitCode())
	}
	return err
}

// logs has no files to read from: the node keeps them, as a journal and as pods'.
func (c kindCluster) logs(programs []string, lines int) error {
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

// restart kills a program as a crash would: the kubelet starts a control plane's
// program again, systemd the others.
func (c kindCluster) restart(program string, down time.Duration) error {
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

func (c kindCluster) inNode(command ...string) error {
	run := exec.Command(c.engine, append([]string{"exec", c.nodeName()}, command...)...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		return fmt.Errorf("%s exec %s %s: %w", c.engine, c.nodeName(), command[0], err)
	}
	return nil
}

func (c kindCluster) load(archive string) error {
	return c.kind("load", "image-archive", archive)
}
