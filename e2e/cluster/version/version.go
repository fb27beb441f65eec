package version

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Current is the module of the Kubernetes that a cluster is of where nobody asks for
// another. Older ones are beside it: kubernetes-1.32.
const Current = "kubernetes"

// Kubernetes is a minor version, such as 1.32, or empty for the current one.
type Kubernetes string

// Module is the name of the directory with its Go module.
func (k Kubernetes) Module() string {
	if k == "" {
		return Current
	}
	return Current + "-" + string(k)
}

// Bin is the name of the directory for its programs.
func (k Kubernetes) Bin() string {
	if k == "" {
		return "bin"
	}
	return "bin-" + string(k)
}

// Find returns the version that is asked for. modules is the directory with the
// modules; asked is a minor version without a `v`, or empty. The error for a version
// that is not there lists those that are.
func Find(modules, asked string) (Kubernetes, error) {
	current, err := Required(filepath.Join(modules, Current), "k8s.io/kubernetes")
	if err != nil {
		return "", err
	}
	newest := Minor(current)
	if asked == "" || asked == newest {
		return "", nil
	}
	older, err := Older(modules)
	if err != nil {
		return "", err
	}
	if slices.Contains(older, asked) {
		return Kubernetes(asked), nil
	}
	return "", fmt.Errorf("no Kubernetes `%s` here, but %s", asked, strings.Join(append(older, newest), ", "))
}

// Older are the minor versions that have a module beside the current one's, in the order of
// their names.
func Older(modules string) ([]string, error) {
	entries, err := os.ReadDir(modules)
	if err != nil {
		return nil, err
	}
	var older []string
	for _, entry := range entries {
		if version, ok := strings.CutPrefix(entry.Name(), Current+"-"); ok {
			older = append(older, version)
		}
	}
	return older, nil
}

// Minor is the minor version of a full one: 1.32 of v1.32.13.
func Minor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	return strings.Join(parts[:min(len(parts), 2)], ".")
}

// Required reads from a directory's go.mod which version of a module it requires,
// with its `v`.
func Required(directory, module string) (string, error) {
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
