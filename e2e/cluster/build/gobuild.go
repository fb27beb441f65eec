package build

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"ironhull.dev/e2e/cluster/version"
)

// goBuild is one `go build` in a module of its own.
type goBuild struct {
	module  string   // its directory's name
	bin     string   // where to
	results []string // files there
	env     []string
	args    []string
}

// run runs `go build` unless its results were made from just these sources,
// by just this toolchain: even with nothing to do, Go takes seconds to see it.
func (b Builder) run(g goBuild) error {
	directory := filepath.Join(b.Modules, g.module)
	flags, err := linkerFlags(directory, g.module)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-ldflags", flags}, g.args...)
	inputs, err := fingerprint(directory, args, g.env)
	if err != nil {
		return err
	}
	stamp := filepath.Join(g.bin, "."+g.results[0]+".built")
	if old, err := os.ReadFile(stamp); err == nil && string(old) == inputs && g.done() {
		return nil
	}

	log.Printf("building %s of %s (minutes the first time)", strings.Join(g.results, ", "), g.module)
	began := time.Now()
	_ = os.Remove(stamp)
	command := exec.Command("go", args...)
	command.Dir = directory
	command.Env = append(os.Environ(), append(g.env, "GOFLAGS=-buildvcs=false", "GOWORK=off")...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("building %s: %w", g.module, err)
	}
	log.Printf("built in %s", time.Since(began).Round(time.Second))
	return os.WriteFile(stamp, []byte(inputs), 0o644)
}

func (g goBuild) done() bool {
	return !slices.ContainsFunc(g.results, func(name string) bool { return !exists(filepath.Join(g.bin, name)) })
}

// linkerFlags make each program report the version it was made from, which Go
// knows and Kubernetes and containerd expect from their own build scripts.
func linkerFlags(directory, module string) (string, error) {
	flags := []string{"-s", "-w"}
	switch module {
	case toolsModule:
		required, err := version.Required(directory, "github.com/containerd/containerd/v2")
		if err != nil {
			return "", err
		}
		flags = append(flags, "-X", "github.com/containerd/containerd/v2/version.Version="+strings.TrimPrefix(required, "v"))
	default:
		required, err := version.Required(directory, "k8s.io/kubernetes")
		if err != nil {
			return "", err
		}
		parts := strings.SplitN(strings.TrimPrefix(required, "v"), ".", 3)
		if len(parts) != 3 {
			return "", fmt.Errorf("k8s.io/kubernetes: unexpected version `%s`", required)
		}
		for _, info := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
			flags = append(flags, "-X", info+".gitVersion="+required,
				"-X", info+".gitMajor="+parts[0], "-X", info+".gitMinor="+parts[1])
		}
	}
	return strings.Join(flags, " "), nil
}

// fingerprint says what a build is made from.
func fingerprint(directory string, args, env []string) (string, error) {
	hash := sha256.New()
	toolchain, err := exec.Command("go", "version").Output()
	if err != nil {
		return "", errors.New("the cluster is built with Go, and `go version` fails: install Go 1.26 or newer")
	}
	fmt.Fprintln(hash, string(toolchain), runtime.GOARCH, args, env)
	files, err := fs.Glob(os.DirFS(directory), "*")
	if err != nil {
		return "", err
	}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(directory, file))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, file, len(content))
		hash.Write(content)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
