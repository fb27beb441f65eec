package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Commands that run where the cluster is.

func (c nodeCluster) kubectl(args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	args = append([]string{"exec", "--name", c.name, "--on", "node", "--", "kubectl", "--request-timeout=5s"}, args...)
	var stderr bytes.Buffer
	command := exec.Command(self, args...)
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}

// exec becomes the command, in the cluster's network namespace. All else, the
// file system above all, stays what it was.
func (c nodeCluster) exec(command []string) error {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return fmt.Errorf("%s is not running", c.name)
	}
	environment, err := c.execEnvironment()
	if err != nil {
		return err
	}
	if err := os.Setenv("PATH", pathOf(environment)); err != nil {
		return err
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	// A namespace belongs to a thread, and execve keeps the thread that calls it.
	runtime.LockOSThread()
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", supervisor))
	if err != nil {
		return err
	}
	if _, _, errno := syscall.RawSyscall(sysSetns, namespace.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
		return fmt.Errorf("entering the network namespace of %s: %w", c.name, errno)
	}
	namespace.Close()
	return syscall.Exec(program, command, environment)
}

func (c nodeCluster) execEnvironment() ([]string, error) {
	own, err := c.environment()
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

func (c nodeCluster) environment() ([]string, error) {
	if c.supervisor() == 0 {
		return nil, fmt.Errorf("%s is not running", c.name)
	}
	return []string{
		"KUBECONFIG=" + c.kubeconfig(),
		"PATH=" + c.bin + ":" + os.Getenv("PATH"),
		"CLUSTER_NAME=" + c.name,
		"CLUSTER_ON=node",
		"CLUSTER_NODE=" + c.nodeName(),
		"CLUSTER_AUDIT_LOG=" + filepath.Join(c.state, "audit", "audit.log"),
		"CLUSTER_VOLUMES=" + volumesOnNode,
		"CLUSTER_VOLUMES_HERE=" + filepath.Join(c.state, "volumes"),
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
