package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// place is where everything of one cluster lies on disk.
type place struct {
	name   string
	root   string // the repository
	tools  string // programs that are the same whatever the Kubernetes, shared by all clusters
	images string // image archives, shared by all clusters
	state  string // all that is this cluster's own

	kubernetes kubernetes
	bin        string // programs of this Kubernetes, shared by all its clusters, with those of the node
}

// cluster is one cluster, running or not, wherever it runs.
type cluster interface {
	start(startOptions) error
	stop() error
	status() error
	exec(command []string) error
	logs(programs []string, lines int) error
	restart(program string, down time.Duration) error
	load(archive string) error
	environment() ([]string, error)
}

// startOptions are kept in the state directory for as long as the cluster is.
type startOptions struct {
	On               string     `json:"on"`
	Kubernetes       kubernetes `json:"kubernetes"`
	ControlPlaneOnly bool       `json:"controlPlaneOnly"`
	NoAudit          bool       `json:"noAudit"`
}

// A name becomes part of file names, cgroups and a node's name.
var validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)

func newPlace(name string) (place, error) {
	if !validName.MatchString(name) {
		return place{}, fmt.Errorf("`%s` is no name for a cluster: at most 32 of a-z, 0-9 and -", name)
	}
	root, base := os.Getenv("CLUSTER_ROOT"), os.Getenv("CLUSTER_DIR")
	if root == "" || base == "" {
		return place{}, errors.New("CLUSTER_ROOT and CLUSTER_DIR are not set: call e2e/cluster/cluster, which sets them")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return place{}, err
	}
	p := place{
		name:   name,
		root:   root,
		tools:  filepath.Join(base, "bin"),
		images: filepath.Join(base, "images"),
		state:  filepath.Join(base, "state", name),
	}
	// A cluster that exists stays what it is.
	options, _ := p.readOptions()
	return p.of(options.Kubernetes), nil
}

// cluster decides where: a cluster that exists stays what it is.
func (p place) cluster(on string) (cluster, error) {
	if options, err := p.readOptions(); err == nil && on == "auto" {
		on = options.On
	}
	provider := ""
	if on == "auto" || on == "kind" {
		provider = engine()
		if on == "kind" && provider == "" {
			return nil, errors.New("kind needs a container engine, and neither docker nor podman nor nerdctl answers to `info`")
		}
	}
	if provider != "" {
		return kindCluster{p, provider}, nil
	}
	return newNode(p)
}

// A client whose daemon is on a machine that is not there would wait for minutes.
const enginePatience = 15 * time.Second

// engine names the container engine that answers. Being installed is not
// enough: a client without a daemon is common.
func engine() string {
	for _, name := range []string{"docker", "podman", "nerdctl"} {
		patience, cancel := context.WithTimeout(context.Background(), enginePatience)
		err := exec.CommandContext(patience, name, "info").Run()
		cancel()
		if err == nil {
			return name
		}
	}
	return ""
}

func (p place) optionsFile() string { return filepath.Join(p.state, "cluster.json") }

func (p place) readOptions() (startOptions, error) {
	var options startOptions
	content, err := os.ReadFile(p.optionsFile())
	if err == nil {
		err = json.Unmarshal(content, &options)
	}
	return options, err
}

func (p place) writeOptions(options startOptions) error {
	content, err := json.Marshal(options)
	if err != nil {
		return err
	}
	return os.WriteFile(p.optionsFile(), content, 0o644)
}

func (p place) kubeconfig() string { return filepath.Join(p.state, "kubeconfig") }

func (p place) nodeName() string { return p.name + "-control-plane" }

// volumesOnNode is a directory on the node for tests' volumes.
const volumesOnNode = "/var/lib/volumes"

// Both are generous: on an idle machine it takes half a minute.
const (
	startPatience   = 5 * time.Minute
	restartPatience = 2 * time.Minute
)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
