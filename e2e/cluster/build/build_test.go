package build

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestABuildIsNotRepeatedForNothing(t *testing.T) {
	modules, bin := t.TempDir(), t.TempDir()
	b := Builder{Modules: modules, Bin: bin}
	program := goBuild{
		module: toolsModule, bin: bin, results: []string{"program"},
		args: []string{"-o", filepath.Join(bin, "program"), "."},
	}
	write(t, filepath.Join(modules, toolsModule, "go.mod"),
		"module check\n\ngo 1.26.0\n\nrequire github.com/containerd/containerd/v2 v2.0.0\n")
	source := filepath.Join(modules, toolsModule, "main.go")
	write(t, source, "package main\n\nfunc main() {}\n")

	built := func() time.Time {
		t.Helper()
		if err := b.run(program); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(bin, ".program.built"))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	first := built()
	if !built().Equal(first) {
		t.Error("built again, and nothing changed")
	}
	write(t, source, "package main\n\nfunc main() { println(1) }\n")
	second := built()
	if second.Equal(first) {
		t.Error("not built again, and a source changed")
	}
	program.env = []string{"CGO_ENABLED=0"}
	third := built()
	if third.Equal(second) {
		t.Error("not built again, and the environment changed")
	}
	if err := os.Remove(filepath.Join(bin, "program")); err != nil {
		t.Fatal(err)
	}
	if built().Equal(third) {
		t.Error("not built again, and the program is gone")
	}
	write(t, source, "package main\n")
	if err := b.run(program); err == nil {
		t.Error("what does not build is no error")
	}
	if _, err := os.Stat(filepath.Join(bin, ".program.built")); err == nil {
		t.Error("what did not build counts as built")
	}
}

func TestAnOlderKubernetesHasTheTools(t *testing.T) {
	b := Builder{Bin: t.TempDir(), Tools: t.TempDir()}
	write(t, filepath.Join(b.Tools, "runc"), "new")
	write(t, filepath.Join(b.Bin, "runc"), "old")
	for range 2 {
		if err := b.share([]string{"runc"}); err != nil {
			t.Fatal(err)
		}
		if !sameFile(filepath.Join(b.Bin, "runc"), filepath.Join(b.Tools, "runc")) {
			t.Error("runc is not the tools' runc")
		}
	}
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
