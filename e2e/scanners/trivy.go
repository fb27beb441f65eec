package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing/fstest"

	checks "github.com/aquasecurity/trivy-checks"
	"github.com/aquasecurity/trivy/pkg/iac/rego"
	"github.com/aquasecurity/trivy/pkg/iac/scanners/kubernetes"
	"github.com/aquasecurity/trivy/pkg/iac/scanners/options"
)

// trivy looks at pods as `trivy config` and the trivy-operator do: by the engine and the checks that are built into this
// version. `only` are the checks' identifiers; without any, all of them are asked.
func trivy(files []file, only []string) ([][]finding, error) {
	pods := fstest.MapFS{}
	for at, file := range files {
		pods[fmt.Sprintf("pods/%d.json", at)] = &fstest.MapFile{Data: file.text}
	}
	from := rego.WithEmbeddedPolicies(true)
	if len(only) > 0 {
		some, err := sources(only)
		if err != nil {
			return nil, err
		}
		from = rego.WithPolicyReader(some...)
	}
	scanner := kubernetes.NewScanner([]options.ScannerOption{rego.WithEmbeddedLibraries(true), from}...)
	results, err := scanner.ScanFS(context.Background(), pods, "pods")
	if err != nil {
		return nil, err
	}
	findings := make([][]finding, len(files))
	for _, result := range results.GetFailed() {
		where := result.Range()
		name, _, _ := strings.Cut(strings.TrimPrefix(where.GetFilename(), "pods/"), ".")
		at, err := strconv.Atoi(name)
		if err != nil || at >= len(files) {
			return nil, fmt.Errorf("a result of %s in no file: %s", result.Rule().ID, where)
		}
		found := finding{Scanner: "trivy", Check: result.Rule().ID}
		if where.GetStartLine() == where.GetEndLine() {
			found.Container = files[at].containers[where.GetStartLine()]
		}
		findings[at] = append(findings[at], found)
	}
	return findings, nil
}

// sources are the built-in checks with these identifiers.
func sources(only []string) ([]io.Reader, error) {
	var found []io.Reader
	missing := slices.Clone(only)
	err := fs.WalkDir(checks.EmbeddedPolicyFileSystem, "checks/kubernetes", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".rego") || strings.HasSuffix(path, "_test.rego") {
			return err
		}
		text, err := fs.ReadFile(checks.EmbeddedPolicyFileSystem, path)
		if err != nil {
			return err
		}
		is := func(id string) bool { return bytes.Contains(text, []byte("\n#   id: "+id+"\n")) }
		if slices.ContainsFunc(missing, is) {
			missing = slices.DeleteFunc(missing, is)
			found = append(found, bytes.NewReader(text))
		}
		return nil
	})
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("no such checks: %s", strings.Join(missing, ", "))
	}
	return found, err
}
