package kind

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ironhull.dev/e2e/cluster/layout"
)

// What kind makes of kind-config.yaml, by kind itself, as far as that goes without a container engine:
// everything up to the start of Kubernetes on the node, which testdata/docker plays.

func TestKindAcceptsItsConfiguration(t *testing.T) {
	for _, node := range []struct{ version, containerdConfig, plugin string }{
		{"v1.31.0", "2", "io.containerd.grpc.v1.cri"},
		{"v1.37.0", "2", "io.containerd.grpc.v1.cri"},
		{"v1.37.0", "3", "io.containerd.cri.v1.runtime"},
	} {
		t.Run(node.version+" with containerd's configuration version "+node.containerdConfig, func(t *testing.T) {
			kept := t.TempDir()
			out := createCluster(t, filepath.Join(root(t), "kind-config.yaml"), fakeEngine(t),
				"KEPT="+kept, "NODE_VERSION="+node.version, "CONTAINERD_CONFIG_VERSION="+node.containerdConfig)
			if !strings.Contains(out, "no Kubernetes here") {
				t.Fatalf("kind did not come as far as to start Kubernetes:\n%s", out)
			}
			expectAll(t, filepath.Join(kept, "run"),
				"e2e/cluster/node/config/audit-policy.yaml:/etc/kubernetes/audit-policy.yaml:ro",
				"target/cluster/kind/audit:/var/log/kubernetes")
			expectAll(t, filepath.Join(kept, "kubeadm.conf"),
				"audit-policy-file", "/var/log/kubernetes/audit.log", "mountPath: /var/log/kubernetes",
				// What kind itself says there is still there.
				"runtime-config", "syncFrequency: 10s")
			expectAll(t, filepath.Join(kept, "config.toml"),
				"version = "+node.containerdConfig, node.plugin, "enable_unprivileged_ports = false")
		})
	}
}

func TestKindWithoutAnEngineFailsAtTheEngine(t *testing.T) {
	out := createCluster(t, filepath.Join(root(t), "kind-config.yaml"), t.TempDir())
	t.Logf("kind says: %s", out)
	if strings.Contains(out, "unable to decode config") || !strings.Contains(out, "docker") {
		t.Errorf("kind fails elsewhere than at the engine:\n%s", out)
	}
}

func TestKindRefusesAMisspeltConfiguration(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root(t), "kind-config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	misspelt := strings.Replace(string(content), "extraMounts:", "extraMonuts:", 1)
	if err := os.WriteFile(bad, []byte(misspelt), 0o644); err != nil {
		t.Fatal(err)
	}
	out := createCluster(t, bad, t.TempDir())
	t.Logf("kind says: %s", out)
	if !strings.Contains(out, "unable to decode config") {
		t.Errorf("kind takes a misspelt field:\n%s", out)
	}
}

func TestKindHasNoOlderKubernetes(t *testing.T) {
	err := New(layout.Layout{Name: "check"}, "docker").Start(layout.Options{Kubernetes: "1.32"})
	if err == nil || !strings.Contains(err.Error(), "not 1.32: use --on node") {
		t.Errorf("%v", err)
	}
}

// createCluster runs kind with no engine but what is in the directory, and gives
// what it says. It must fail: there is nothing to make a cluster of.
func createCluster(t *testing.T, config, engines string, environment ...string) string {
	t.Helper()
	command := exec.Command(program(t), "create", "cluster", "--name", "check",
		"--config", config, "--kubeconfig", filepath.Join(t.TempDir(), "kubeconfig"))
	command.Dir = root(t)
	command.Env = append(environment, "HOME="+t.TempDir(), "PATH="+engines)
	out, err := command.CombinedOutput()
	if err == nil {
		t.Fatalf("kind made a cluster:\n%s", out)
	}
	return string(out)
}

// fakeEngine is a PATH with testdata/docker and what that needs.
func fakeEngine(t *testing.T) string {
	t.Helper()
	engine, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return engine + ":/usr/bin:/bin"
}

// program is kind, built once, at the version that go.mod pins.
func program(t *testing.T) string {
	t.Helper()
	directory := filepath.Join(root(t), "target", "cluster", "bin")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := (layout.Layout{Root: root(t), Tools: directory}).Builder().Kind(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(directory, "kind")
}

func root(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func expectAll(t *testing.T, file string, all ...string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, expected := range all {
		if !strings.Contains(string(content), expected) {
			t.Errorf("%s lacks %q:\n%s", filepath.Base(file), expected, content)
		}
	}
}
