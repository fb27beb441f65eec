package layout

import (
	"os"
	"path/filepath"
	"testing"
)

// A cluster that exists is found with the Kubernetes that it was started with, and one
// from before there was a choice with the current one.
func TestTheKubernetesOfAClusterIsKept(t *testing.T) {
	base := t.TempDir()
	t.Setenv("CLUSTER_ROOT", "/repository")
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
		l, err := New("kept")
		if err != nil || l.Bin != filepath.Join(base, bin) || l.Tools != filepath.Join(base, "bin") {
			t.Errorf("%s: %s, %v", kept, l.Bin, err)
		}
	}
}
