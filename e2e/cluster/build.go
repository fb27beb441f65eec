package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// kubernetesNames are what the one Kubernetes binary can be called.
var kubernetesNames = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl",
}

// toolsModule is the module of all that is not Kubernetes.
const toolsModule = "tools"

// A build is one `go build` in a module of its own, below this one's directory.
type build struct {
	module  string   // directory
	bin     string   // where to
	results []string // files there
	env     []string
	args    []string
}

func (p place) kubernetesBuild() build {
	return build{
		module:  p.kubernetes.module(),
		bin:     p.bin,
		results: []string{"kubernetes"},
		// A static binary, and a third less to compile.
		env:  []string{"CGO_ENABLED=0"},
		args: []string{"-o", filepath.Join(p.bin, "kubernetes"), "."},
	}
}

// runc enters namespaces in C, and filters system calls by libseccomp.
func (p place) containerdBuild() build {
	return build{
		module:  toolsModule,
		bin:     p.tools,
		results: []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc"},
		env:     []string{"CGO_ENABLED=1"},
		args: []string{
			"-tags", "seccomp", "-o", p.tools + "/",
			"github.com/containerd/containerd/v2/cmd/containerd",
			"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"github.com/containerd/containerd/v2/cmd/ctr",
			"github.com/opencontainers/runc",
		},
	}
}

func (p place) kindBuild() build {
	return build{
		module:  toolsModule,
		bin:     p.tools,
		results: []string{"kind"},
		env:     []string{"CGO_ENABLED=0"},
		args:    []string{"-o", filepath.Join(p.tools, "kind"), "sigs.k8s.io/kind"},
	}
}

// buildNode makes what a node without an engine consists of.
func (p place) buildNode(controlPlaneOnly bool) error {
	if err := p.buildKubernetes(); err != nil {
		return err
	}
	if controlPlaneOnly {
		return nil
	}
	build := p.containerdBuild()
	if err := p.build(build); err != nil {
		return err
	}
	return p.share(build.results)
}

// share gives an older Kubernetes the programs that are the same for all: what
// the supervisor mounts is one directory. Hard links, for outside of it is nothing
// inside.
func (p place) share(programs []string) error {
	for _, name := range programs {
		ours, theirs := filepath.Join(p.bin, name), filepath.Join(p.tools, name)
		if sameFile(ours, theirs) {
			continue
		}
		_ = os.Remove(ours)
		if err := os.Link(theirs, ours); err != nil {
			return err
		}
	}
	return nil
}

func sameFile(one, other string) bool {
	a, err := os.Stat(one)
	if err != nil {
		return false
	}
	b, err := os.Stat(other)
	return err == nil && os.SameFile(a, b)
}

func (p place) buildKubernetes() error {
	if err := os.MkdirAll(p.bin, 0o755); err != nil {
		return err
	}
	if err := p.build(p.kubernetesBuild()); err != nil {
		return err
	}
	for _, name := range kubernetesNames {
		link := filepath.Join(p.bin, name)
		if target, err := os.Readlink(link); err == nil && target == "kubernetes" {
			continue
		}
		_ = os.Remove(link)
		if err := os.Symlink("kubernetes", link); err != nil {
			return err
		}
	}
	return nil
}

// build runs `go build` unless its results were made from just these sources,
// by just this toolchain: even with nothing to do, Go takes seconds to see it.
func (p place) build(b build) error {
	directory := filepath.Join(p.root, "e2e", "cluster", b.module)
	flags, err := linkerFlags(directory, b.module)
	if err != nil {
		return err
	}
	args := append([]string{"build", "-trimpath", "-ldflags", flags}, b.args...)
	inputs, err := fingerprint(directory, args, b.env)
	if err != nil {
		return err
	}
	stamp := filepath.Join(b.bin, "."+b.results[0]+".built")
	if old, err := os.ReadFile(stamp); err == nil && string(old) == inputs && b.done() {
		return nil
	}

	say("building %s of %s (minutes the first time)", strings.Join(b.results, ", "), b.module)
	began := time.Now()
	_ = os.Remove(stamp)
	command := exec.Command("go", args...)
	command.Dir = directory
	command.Env = append(os.Environ(), append(b.env, "GOFLAGS=-buildvcs=false", "GOWORK=off")...)
	command.Stdout, command.Stderr = os.Stderr, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("building %s: %w", b.module, err)
	}
	say("built in %s", time.Since(began).Round(time.Second))
	return os.WriteFile(stamp, []byte(inputs), 0o644)
}

func (b build) done() bool {
	return !slices.ContainsFunc(b.results, func(name string) bool { return !exists(filepath.Join(b.bin, name)) })
}

// linkerFlags make each program report the version it was made from, which Go
// knows and Kubernetes and containerd expect from their own build scripts.
func linkerFlags(directory, module string) (string, error) {
	flags := []string{"-s", "-w"}
	switch module {
	case toolsModule:
		version, err := moduleVersion(directory, "github.com/containerd/containerd/v2")
		if err != nil {
			return "", err
		}
		flags = append(flags, "-X", "github.com/containerd/containerd/v2/version.Version="+strings.TrimPrefix(version, "v"))
	default:
		version, err := moduleVersion(directory, "k8s.io/kubernetes")
		if err != nil {
			return "", err
		}
		parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
		if len(parts) != 3 {
			return "", fmt.Errorf("k8s.io/kubernetes: unexpected version `%s`", version)
		}
		for _, info := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
			flags = append(flags, "-X", info+".gitVersion="+version,
				"-X", info+".gitMajor="+parts[0], "-X", info+".gitMinor="+parts[1])
		}
	}
	return strings.Join(flags, " "), nil
}

// moduleVersion reads a required module's version from go.mod.
func moduleVersion(directory, module string) (string, error) {
	content, err := os.ReadFile(filepath.Join(directory, "go.mod"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("%s/go.mod does not require %s", directory, module)
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
