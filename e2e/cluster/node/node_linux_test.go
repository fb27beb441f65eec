package node

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ironhull.dev/e2e/cluster/layout"
	"ironhull.dev/e2e/cluster/proc"
)

// The node itself: what pods see on it, and that nothing of it is left behind. It
// takes minutes and root, so it runs only when asked to: `make cluster-check`.

func TestNode(t *testing.T) {
	if os.Getenv("CLUSTER_CHECK") == "" {
		t.Skip("NOT RUN: needs root and minutes; `make cluster-check` runs it")
	}
	before := machine(t)
	a, b := testCluster{t, "check-a"}, testCluster{t, "check-b"}
	t.Cleanup(func() {
		a.cluster("stop")
		b.cluster("stop")
		after := machine(t)
		for what, was := range before {
			if was != after[what] {
				t.Errorf("%s changed, from\n%s\nto\n%s", what, was, after[what])
			}
		}
		for _, c := range []testCluster{a, b} {
			if directory := c.state(); exists(directory) || exists(directory+".lock") {
				t.Errorf("%s is still there", directory)
			}
		}
	})

	// A part is judged by itself, and those after it run all the same.
	check := func(name string, part func(t *testing.T, a, b testCluster)) {
		t.Run(name, func(t *testing.T) { part(t, testCluster{t, a.name}, testCluster{t, b.name}) })
	}

	a.must("start")
	check("an unhardened pod is root with the default capabilities", func(t *testing.T, a, b testCluster) {
		a.pod("plain", "")
		expect(t, a.inPod("plain", "id"), "uid=0(root) gid=0(root)")
		expect(t, a.inPod("plain", "cat /proc/self/status"), "CapEff:\t00000000a80425fb", "NoNewPrivs:\t0", "Seccomp:\t0")
		a.inPod("plain", "touch /here")
	})
	check("a hardened pod is what it says", func(t *testing.T, a, b testCluster) {
		a.pod("hardened", `
  securityContext: { runAsUser: 1000, runAsGroup: 1000, runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
`, `
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
`)
		expect(t, a.inPod("hardened", "id; touch /here 2>&1 || true"), "uid=1000 gid=1000", "Read-only file system")
		expect(t, a.inPod("hardened", "cat /proc/self/status"), "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2")
	})
	check("ports below 1024 are root's", func(t *testing.T, a, b testCluster) {
		expect(t, a.inPod("plain", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start"), "1024")
	})
	// Before 1.33 the API server drops the field, and root is the node's.
	asked := os.Getenv("CLUSTER_KUBERNETES")
	check("it is of the version that was asked for", func(t *testing.T, a, b testCluster) {
		expect(t, a.kubectl("version"), "Client Version: v"+asked, "Server Version: v"+asked)
		expect(t, a.kubectl("get", "nodes"), "v"+asked)
	})
	check("a pod can be root in a user namespace", func(t *testing.T, a, b testCluster) {
		a.pod("userns", "\n  hostUsers: false\n")
		expect(t, a.inPod("userns", "id"), "uid=0(root)")
		uids := strings.Fields(a.inPod("userns", "cat /proc/self/uid_map"))
		if len(uids) != 3 || (uids[1] == "0") != (asked != "" && asked < "1.33") {
			t.Errorf("whether its user ids are the node's: %v", uids)
		}
	})
	check("kubectl debug, logs, and the API server by its Service", func(t *testing.T, a, b testCluster) {
		a.kubectl("debug", "plain", "--image=localhost/busybox:local", "--container=look", "--target=main", "--", "sh", "-c", "echo looked; sleep 3600")
		a.eventually("looked", "logs", "plain", "--container=look")
		expect(t, a.inPod("plain", "nc -w 5 $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT </dev/null && echo reached"), "reached")
	})
	check("the kubelet refuses root where it must not be", func(t *testing.T, a, b testCluster) {
		a.apply("refused", "\n  securityContext: { runAsNonRoot: true }\n")
		a.eventually("container has runAsNonRoot and image will run as root", "get", "pod", "refused", "-o", "yaml")
	})
	check("the audit log has the writes", func(t *testing.T, a, b testCluster) {
		log := a.cluster("exec", "--", "sh", "-c", `grep -c '"resource":"pods","namespace":"default","name":"plain"' "$CLUSTER_AUDIT_LOG"`)
		if count, _ := strconv.Atoi(strings.TrimSpace(log)); count < 1 {
			t.Errorf("no such lines: %s", log)
		}
	})
	check("a program killed comes back, and pods stay", func(t *testing.T, a, b testCluster) {
		for _, program := range []string{"kubelet", "containerd", "kube-apiserver", "etcd"} {
			a.must("restart", program)
		}
		expect(t, a.inPod("plain", "ls /here"), "/here")
	})
	check("a second cluster beside it", func(t *testing.T, a, b testCluster) {
		b.must("start")
		b.pod("plain", "")
		expect(t, b.inPod("plain", "id"), "uid=0(root)")
		expect(t, a.inPod("plain", "ls /here"), "/here")
	})
	check("kill -9 of everything, and start again", func(t *testing.T, a, b testCluster) {
		b.kill()
		b.must("start")
		if pods := b.kubectl("get", "pods", "--no-headers"); strings.Contains(pods, "plain") {
			t.Errorf("pods of the one before: %s", pods)
		}
		b.pod("plain", "")
		expect(t, b.inPod("plain", "id"), "uid=0(root)")
	})
	check("kill -9 of the supervisor alone", func(t *testing.T, a, b testCluster) {
		if err := syscall.Kill(b.node().supervisor(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		b.must("start")
	})
}

// testCluster is a cluster by its command line.
type testCluster struct {
	t    *testing.T
	name string
}

func (c testCluster) node() Cluster {
	return Cluster{layout.Layout{Name: c.name, State: c.state()}}
}

func (c testCluster) state() string {
	return filepath.Join(root(c.t), "target", "cluster", "state", c.name)
}

func (c testCluster) run(args ...string) (string, error) {
	args = slices.Insert(args, 1, "--on", "node", "--name", c.name)
	command := exec.Command(filepath.Join(root(c.t), "e2e", "cluster", "cluster"), args...)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	return out.String(), err
}

func (c testCluster) cluster(args ...string) string {
	out, err := c.run(args...)
	if err != nil {
		c.t.Errorf("cluster %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

func (c testCluster) must(args ...string) {
	c.t.Helper()
	began := time.Now()
	if out, err := c.run(args...); err != nil {
		c.t.Fatalf("cluster %s: %v: %s", strings.Join(args, " "), err, out)
	}
	c.t.Logf("%s: cluster %s: %.1f s", c.name, strings.Join(args, " "), time.Since(began).Seconds())
}

func (c testCluster) kubectl(args ...string) string {
	c.t.Helper()
	return c.cluster(append([]string{"exec", "--", "kubectl"}, args...)...)
}

// apply makes a pod of busybox that sleeps; the first extra goes into its spec,
// the second into its container.
func (c testCluster) apply(name string, extra ...string) {
	c.t.Helper()
	extra = append(extra, "", "")
	manifest := fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: { name: %s }
spec:
  terminationGracePeriodSeconds: 0
%s
  containers:
  - name: main
    image: localhost/busybox:local
    command: [sleep, "3600"]
%s
`, name, extra[0], extra[1])
	// Not in the test's own directory: its name has commas, which separate files for kubectl.
	file, err := os.CreateTemp("", "*.yaml")
	if err != nil {
		c.t.Fatal(err)
	}
	defer os.Remove(file.Name())
	if _, err := file.WriteString(manifest); err != nil {
		c.t.Fatal(err)
	}
	file.Close()
	c.kubectl("apply", "-f", file.Name())
}

func (c testCluster) pod(name string, extra ...string) {
	c.t.Helper()
	c.apply(name, extra...)
	c.kubectl("wait", "--for=condition=Ready", "--timeout=120s", "pod/"+name)
}

func (c testCluster) inPod(name, script string) string {
	c.t.Helper()
	return c.kubectl("exec", name, "--container=main", "--", "sh", "-c", script)
}

// eventually waits for kubectl to say something.
func (c testCluster) eventually(expected string, args ...string) {
	c.t.Helper()
	var out string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) {
		if out, _ = c.run(append([]string{"exec", "--", "kubectl"}, args...)...); strings.Contains(out, expected) {
			return
		}
	}
	c.t.Errorf("kubectl %s never says %q: %s", strings.Join(args, " "), expected, out)
}

// kill kills each of its processes, children first.
func (c testCluster) kill() {
	c.t.Helper()
	processes := c.node().processes()
	if len(processes) < 8 {
		c.t.Fatalf("only %d processes: %v", len(processes), processes)
	}
	for _, process := range slices.Backward(processes) {
		_ = syscall.Kill(process.PID, syscall.SIGKILL)
	}
}

// machine is what a cluster must leave as it was.
func machine(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range []string{
		"/proc/sys/vm/overcommit_memory", "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops",
		"/proc/sys/kernel/keys/root_maxkeys", "/proc/sys/net/ipv4/ip_forward",
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[file] = string(content)
	}
	for _, pattern := range []string{
		"/sys/class/net/*", "/run/netns/*", "/run/containerd/*", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods",
		"/var/log/containers", "/sys/fs/cgroup/*/ironhull-cluster-check-*", "/sys/fs/cgroup/ironhull-cluster-check-*", "/sys/fs/cgroup/*/k8s.io",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all[pattern] = strings.Join(found, "\n")
	}
	// Of what may change for other reasons too, only what can be a cluster's.
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, "cluster/") || strings.Contains(line, "kubelet") || strings.Contains(line, "containerd") {
			all["mounts"] += line
		}
	}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && strings.Contains(strings.Join(proc.CommandLine(pid), " "), "cluster/state/check-") {
			all["processes"] += entry.Name() + "\n"
		}
	}
	return all
}

func expect(t *testing.T, out string, all ...string) {
	t.Helper()
	for _, expected := range all {
		if !strings.Contains(out, expected) {
			t.Errorf("lacks %q: %s", expected, out)
		}
	}
}

func root(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}
