package version

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// modules is where the modules are, seen from this package.
const modules = ".."

func TestKubernetesIsFoundByItsName(t *testing.T) {
	current, err := Required(filepath.Join(modules, Current), "k8s.io/kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	for asked, expected := range map[string]Kubernetes{"": "", Minor(current): "", "1.30": "1.30", "1.33": "1.33"} {
		if found, err := Find(modules, asked); err != nil || found != expected {
			t.Errorf("`%s` is `%s`, %v", asked, found, err)
		}
	}
	for _, asked := range []string{"1.3", "v1.32", "1.32.13", "../kubernetes"} {
		_, err := Find(modules, asked)
		if err == nil || !strings.Contains(err.Error(), "here, but 1.30, ") || !strings.HasSuffix(err.Error(), ", "+Minor(current)) {
			t.Errorf("`%s`: %v", asked, err)
		}
	}
}

// Each older module is of the version that its directory says, and of the same program.
func TestOlderKubernetes(t *testing.T) {
	program := func(module string) []byte {
		content, err := os.ReadFile(filepath.Join(modules, module, "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		return content
	}
	all, err := Older(modules)
	if err != nil || len(all) == 0 {
		t.Fatalf("%v, %v", all, err)
	}
	for _, name := range all {
		older := Kubernetes(name)
		version, err := Required(filepath.Join(modules, older.Module()), "k8s.io/kubernetes")
		if err != nil || Minor(version) != string(older) {
			t.Errorf("%s is of Kubernetes `%s`, %v", older.Module(), version, err)
		}
		if !bytes.Equal(program(older.Module()), program(Current)) {
			t.Errorf("%s/main.go is not %s's: let it be a link", older.Module(), Current)
		}
	}
}
