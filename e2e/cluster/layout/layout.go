package layout

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"ironhull.dev/e2e/cluster/build"
	"ironhull.dev/e2e/cluster/catalogue"
	"ironhull.dev/e2e/cluster/version"
)

// Layout is where everything of one cluster is on disk. All paths are absolute.
type Layout struct {
	Name   string
	Root   string // the repository
	Tools  string // programs that are the same for every Kubernetes, shared by all clusters
	Images string // image archives, shared by all clusters
	State  string // what is this cluster's own

	Kubernetes version.Kubernetes
	Bin        string // programs of this Kubernetes, shared by all its clusters, with those of the node
}

// Options are what a cluster was started with. They are kept in the state directory
// for as long as the cluster is.
type Options struct {
	On               string             `json:"on"` // node or kind
	Kubernetes       version.Kubernetes `json:"kubernetes"`
	ControlPlaneOnly bool               `json:"controlPlaneOnly"`
	NoAudit          bool               `json:"noAudit"`
}

// VolumesOnNode is a directory on the node for tests' volumes.
const VolumesOnNode = "/var/lib/volumes"

// A name becomes part of file names, cgroups and a node's name.
var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

// ValidName says whether a cluster or an image can be called this.
func ValidName(name string) bool { return validName.MatchString(name) }

// New is the layout of the cluster with this name, below $CLUSTER_DIR. It is of the
// Kubernetes that the cluster was started with, and of the current one if there is no
// such cluster.
func New(name string) (Layout, error) {
	if !ValidName(name) {
		return Layout{}, fmt.Errorf("`%s` is no name for a cluster: at most 32 of a-z, 0-9 and -", name)
	}
	root, base := os.Getenv("CLUSTER_ROOT"), os.Getenv("CLUSTER_DIR")
	if root == "" || base == "" {
		return Layout{}, errors.New("CLUSTER_ROOT and CLUSTER_DIR are not set: call e2e/cluster/cluster, which sets them")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return Layout{}, err
	}
	l := Layout{
		Name:   name,
		Root:   root,
		Tools:  filepath.Join(base, "bin"),
		Images: filepath.Join(base, "images"),
		State:  filepath.Join(base, "state", name),
	}
	// A cluster that exists stays what it is.
	options, _ := l.ReadOptions()
	return l.WithKubernetes(options.Kubernetes), nil
}

// WithKubernetes is the same layout for a cluster of that Kubernetes.
func (l Layout) WithKubernetes(kubernetes version.Kubernetes) Layout {
	l.Kubernetes = kubernetes
	l.Bin = filepath.Join(filepath.Dir(l.Tools), kubernetes.Bin())
	return l
}

// Modules is the directory of the Go modules that the programs are built from.
func (l Layout) Modules() string { return filepath.Join(l.Root, "e2e", "cluster") }

// Builder builds the cluster's programs.
func (l Layout) Builder() build.Builder {
	return build.Builder{Modules: l.Modules(), Kubernetes: l.Kubernetes, Bin: l.Bin, Tools: l.Tools}
}

// Store has the image archives.
func (l Layout) Store() catalogue.Store { return catalogue.Store{Directory: l.Images} }

// Kubeconfig is the path of the administrator's kubeconfig.
func (l Layout) Kubeconfig() string { return filepath.Join(l.State, "kubeconfig") }

// NodeName is the name of the cluster's one node, as kind calls it.
func (l Layout) NodeName() string { return l.Name + "-control-plane" }

// ReadOptions are those of the cluster that exists, an error if none does.
func (l Layout) ReadOptions() (Options, error) {
	var options Options
	content, err := os.ReadFile(l.optionsFile())
	if err == nil {
		err = json.Unmarshal(content, &options)
	}
	return options, err
}

// WriteOptions keeps options in the state directory, which must be there.
func (l Layout) WriteOptions(options Options) error {
	content, err := json.Marshal(options)
	if err != nil {
		return err
	}
	return os.WriteFile(l.optionsFile(), content, 0o644)
}

func (l Layout) optionsFile() string { return filepath.Join(l.State, "cluster.json") }
