package node

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ironhull.dev/e2e/cluster/layout"
	"ironhull.dev/e2e/cluster/netns"
)

// Commands that run where the cluster is.

func (c Cluster) kubectl(args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	args = append([]string{"exec", "--name", c.Name, "--on", "node", "--", "kubectl", "--request-timeout=5s"}, args...)
	var stderr bytes.Buffer
	command := exec.Command(self, args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// Exec becomes the command, in the cluster's network namespace. All else, the
// file system above all, stays what it was. It
// returns only if that fails.
func (c Cluster) Exec(command []string) (int, error) {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return 0, fmt.Errorf("%s is not running", c.Name)
	}
	environment, err := c.execEnvironment()
	if err != nil {
		return 0, err
	}
	if err := os.Setenv("PATH", pathOf(environment)); err != nil {
		return 0, err
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return 0, err
	}
	if err := netns.Enter(supervisor); err != nil {
		return 0, fmt.Errorf("entering the network namespace of %s: %w", c.Name, err)
	}
	return 0, syscall.Exec(program, command, environment)
}

func (c Cluster) execEnvironment() ([]string, error) {
	own, err := c.Environment()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		// No proxy is reachable from inside, and not all clients spare 127.0.0.1.
		proxy := strings.HasSuffix(strings.ToLower(name), "_proxy")
		replaced := slices.ContainsFunc(own, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if !proxy && !replaced {
			all = append(all, variable)
		}
	}
	return append(all, own...), nil
}

// Environment is the variables that `exec` sets, as NAME=VALUE.
func (c Cluster) Environment() ([]string, error) {
	if c.supervisor() == 0 {
		return nil, fmt.Errorf("%s is not running", c.Name)
	}
	return []string{
		"KUBECONFIG=" + c.Kubeconfig(),
		"PATH=" + c.Bin + ":" + os.Getenv("PATH"),
		"CLUSTER_NAME=" + c.Name,
		"CLUSTER_ON=node",
		"CLUSTER_NODE=" + c.NodeName(),
		"CLUSTER_AUDIT_LOG=" + filepath.Join(c.State, "audit", "audit.log"),
		"CLUSTER_VOLUMES=" + layout.VolumesOnNode,
		"CLUSTER_VOLUMES_HERE=" + filepath.Join(c.State, "volumes"),
	}, nil
}

func pathOf(environment []string) string {
	for _, variable := range environment {
		if path, ok := strings.CutPrefix(variable, "PATH="); ok {
			return path
		}
	}
	return ""
}
