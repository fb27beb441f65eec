package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// currentModule is the directory of the Kubernetes that a cluster is of where
// nobody asks for another; older ones are beside it, `kubernetes-1.32`.
const currentModule = "kubernetes"

// kubernetes is a version, such as `1.32`, and empty where it is the current one.
type kubernetes string

func (k kubernetes) module() string {
	if k == "" {
		return currentModule
	}
	return currentModule + "-" + string(k)
}

// bin is the name of the directory for its programs.
func (k kubernetes) bin() string {
	if k == "" {
		return "bin"
	}
	return "bin-" + string(k)
}

// kubernetesNamed finds the version that somebody asks for.
func kubernetesNamed(root, asked string) (kubernetes, error) {
	modules := filepath.Join(root, "e2e", "cluster")
	current, err := moduleVersion(filepath.Join(modules, currentModule), "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	newest := minor(current)
	if asked == "" || asked == newest {
		return "", nil
	}
	entries, err := os.ReadDir(modules)
	if err != nil {
		return "", err
	}
	var older []string
	for _, entry := range entries {
		if version, ok := strings.CutPrefix(entry.Name(), currentModule+"-"); ok {
			older = append(older, version)
		}
	}
	if slices.Contains(older, asked) {
		return kubernetes(asked), nil
	}
	return "", fmt.Errorf("no Kubernetes `%s` here, but %s", asked, strings.Join(append(older, newest), ", "))
}

// minor is what a version is called here: 1.32 of v1.32.13.
func minor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

// of is the same place, for a cluster of that Kubernetes.
func (p place) of(version kubernetes) place {
	p.kubernetes = version
	p.bin = filepath.Join(filepath.Dir(p.tools), version.bin())
	return p
}
