package build

import (
	"os"
	"path/filepath"

	"ironhull.dev/e2e/cluster/version"
)

// Builder builds the programs of one Kubernetes, and those that go with every one.
type Builder struct {
	Modules    string             // directory of the Go modules
	Kubernetes version.Kubernetes // which of them
	Bin        string             // directory for its programs, and links to the others
	Tools      string             // directory for programs that are the same for all
}

// Node builds the programs of a node without a container engine: Kubernetes and, unless
// it is to be a control plane only, containerd and runc.
func (b Builder) Node(controlPlaneOnly bool) error {
	if err := b.KubernetesPrograms(); err != nil {
		return err
	}
	if controlPlaneOnly {
		return nil
	}
	containerd := b.containerd()
	if err := b.run(containerd); err != nil {
		return err
	}
	return b.share(containerd.results)
}

// KubernetesPrograms builds the programs of Kubernetes and etcd: one binary, and a link
// to it for each name.
func (b Builder) KubernetesPrograms() error {
	if err := os.MkdirAll(b.Bin, 0o755); err != nil {
		return err
	}
	if err := b.run(b.kubernetes()); err != nil {
		return err
	}
	for _, name := range kubernetesNames {
		link := filepath.Join(b.Bin, name)
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

// Kind builds kind.
func (b Builder) Kind() error { return b.run(b.kind()) }

// kubernetesNames are what the one Kubernetes binary can be called.
var kubernetesNames = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl",
}

// toolsModule is the module of all that is not Kubernetes.
const toolsModule = "tools"

func (b Builder) kubernetes() goBuild {
	return goBuild{
		module:  b.Kubernetes.Module(),
		bin:     b.Bin,
		results: []string{"kubernetes"},
		// A static binary, and a third less to compile.
		env:  []string{"CGO_ENABLED=0"},
		args: []string{"-o", filepath.Join(b.Bin, "kubernetes"), "."},
	}
}

// runc enters namespaces in C, and filters system calls by libseccomp.
func (b Builder) containerd() goBuild {
	return goBuild{
		module:  toolsModule,
		bin:     b.Tools,
		results: []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc"},
		env:     []string{"CGO_ENABLED=1"},
		args: []string{
			"-tags", "seccomp", "-o", b.Tools + "/",
			"github.com/containerd/containerd/v2/cmd/containerd",
			"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2",
			"github.com/containerd/containerd/v2/cmd/ctr",
			"github.com/opencontainers/runc",
		},
	}
}

func (b Builder) kind() goBuild {
	return goBuild{
		module:  toolsModule,
		bin:     b.Tools,
		results: []string{"kind"},
		env:     []string{"CGO_ENABLED=0"},
		args:    []string{"-o", filepath.Join(b.Tools, "kind"), "sigs.k8s.io/kind"},
	}
}

// share gives an older Kubernetes the programs that are the same for all: what
// the supervisor mounts is one directory. Hard links, for outside of it is nothing
// inside.
func (b Builder) share(programs []string) error {
	for _, name := range programs {
		ours, theirs := filepath.Join(b.Bin, name), filepath.Join(b.Tools, name)
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
