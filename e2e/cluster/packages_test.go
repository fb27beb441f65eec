package main

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each package has a page, and README.md's table has what it imports, each after what it
// imports itself.
func TestTheTableOfPackagesIsCurrent(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(readme)) {
		name, found := strings.CutPrefix(line, "| [`")
		name, _, isPage := strings.Cut(name, "/doc.go)")
		if !found || !isPage {
			continue
		}
		_, name, _ = strings.Cut(name, "(")
		cells := strings.Split(line, "|")
		told := strings.FieldsFunc(cells[3], func(r rune) bool { return strings.ContainsRune(" `,", r) })
		slices.Sort(told)
		imports := importsOf(t, name)
		if !slices.Equal(told, imports) {
			t.Errorf("%s imports %v, and README.md says %v", name, imports, told)
		}
		for _, other := range imports {
			if !slices.Contains(listed, other) {
				t.Errorf("%s is not above %s, which imports it", other, name)
			}
		}
		listed = append(listed, name)
	}
	pages, err := filepath.Glob("*/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var packages []string
	for _, page := range pages {
		packages = append(packages, filepath.Dir(page))
	}
	slices.Sort(listed)
	if !slices.Equal(listed, packages) {
		t.Errorf("README.md lists %v, and there are pages for %v", listed, packages)
	}
	for _, used := range importsOf(t, ".") {
		if !slices.Contains(listed, used) {
			t.Errorf("%s has no page", used)
		}
	}
}

// importsOf is this module's packages that a directory's files import, whatever system
// they are for, but tests.
func importsOf(t *testing.T, directory string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var imports []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range parsed.Imports {
			if name, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "ironhull.dev/e2e/cluster/"); ours {
				imports = append(imports, name)
			}
		}
	}
	slices.Sort(imports)
	return slices.Compact(imports)
}
