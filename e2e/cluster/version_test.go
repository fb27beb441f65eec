package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKubernetesIsFoundByItsName(t *testing.T) {
	current, err := moduleVersion(filepath.Join(root(t), "e2e", "cluster", currentModule), "k8s.io/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	for asked, expected := range map[string]kubernetes{"": "", minor(current): "", "1.32": "1.32", "1.33": "1.33"} {
		if found, err := kubernetesNamed(root(t), asked); err != nil || found != expected {
			t.Errorf("`%s` is `%s`, %v", asked, found, err)
		}
	}
	for _, asked := range []string{"1.3", "v1.32", "1.32.13", "../kubernetes"} {
		_, err := kubernetesNamed(root(t), asked)
		if err == nil || !strings.HasSuffix(err.Error(), "here, but 1.32, 1.33, "+minor(current)) {
			t.Errorf("`%s`: %v", asked, err)
		}
	}
}

// Each older module is of the version that its directory says, and of the same program.
func TestOlderKubernetes(t *testing.T) {
	modules := filepath.Join(root(t), "e2e", "cluster")
	program := func(module string) []byte {
		content, err := os.ReadFile(filepath.Join(modules, module, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	for _, older := range []kubernetes{"1.32", "1.33"} {
		version, err := moduleVersion(filepath.Join(modules, older.module()), "k8s.io/kubernetes")
		if err != nil || minor(version) != string(older) {
			t.Errorf("%s is of Kubernetes `%s`, %v", older.module(), version, err)
		}
		if !bytes.Equal(program(older.module()), program(currentModule)) {
			t.Errorf("%s/main.go is not %s's: let it be a link", older.module(), currentModule)
		}
	}
}

// A cluster that exists is found with the Kubernetes that it was started with, and one
// from before there was a choice with the current one.
func TestTheKubernetesOfAClusterIsKept(t *testing.T) {
	base := t.TempDir()
	t.Setenv("CLUSTER_ROOT", root(t))
	t.Setenv("CLUSTER_DIR", base)
	t.Setenv("CLUSTER_KUBERNETES", "1.33")
	for kept, bin := range map[string]string{
		`{"on":"node","kubernetes":"1.32"}`: "bin-1.32",
		`{"on":"node"}`:                     "bin",
	} {
		state := filepath.Join(base, "state", "kept")
		if err := os.MkdirAll(state, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(state, "cluster.json"), []byte(kept), 0o644); err != nil {
			t.Fatal(err)
		}
		p, err := newPlace("kept")
		if err != nil || p.bin != filepath.Join(base, bin) || p.tools != filepath.Join(base, "bin") {
			t.Errorf("%s: %s, %v", kept, p.bin, err)
		}
	}
}

func TestKindHasNoOlderKubernetes(t *testing.T) {
	err := kindCluster{place: place{name: "check"}}.start(startOptions{Kubernetes: "1.32"})
	if err == nil || !strings.Contains(err.Error(), "not 1.32: use --on node") {
		t.Errorf("%v", err)
	}
}
