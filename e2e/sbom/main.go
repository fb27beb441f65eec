// Command sbom compares three accounts of what a binary is built of: what cargo resolves from Cargo.lock for its target,
// the list inside the binary (cargo auditable's section), and its bill of materials (CycloneDX).
//
// The first is what we meant, and the other two are what people can check. They come from `cargo metadata`, which also
// names crates that only features which are off would bring (rust-lang/cargo#10801): those are said, and any other
// difference is an error, with which it exits with 1.
package main

import (
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// A crate, as "name version".
type crates map[string]bool

func main() {
	target := flag.String("target", "", "the target that the binary is built for")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: sbom --target TRIPLE BINARY BOM, in the workspace")
	}
	flag.Parse()
	if flag.NArg() != 2 || *target == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := check(*target, flag.Arg(0), flag.Arg(1)); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func check(target, binary, bom string) error {
	built, err := built(target)
	if err != nil {
		return err
	}
	known, err := known(target)
	if err != nil {
		return err
	}
	inside, err := inBinary(binary)
	if err != nil {
		return fmt.Errorf("%s: %w", binary, err)
	}
	listed, err := inBom(bom)
	if err != nil {
		return fmt.Errorf("%s: %w", bom, err)
	}
	if err := errors.Join(differences(binary, inside, built, known), differences(bom, listed, built, known)); err != nil {
		return err
	}
	fmt.Printf("%d crates in %s and in %s, as Cargo.lock has them for %s\n", len(built), binary, bom, target)
	if more := slices.Concat(inside.without(built), listed.without(built)); len(more) > 0 {
		slices.Sort(more)
		fmt.Println("named there too, and not built:", strings.Join(slices.Compact(more), ", "))
	}
	return nil
}

// built asks cargo what the binary is built of, with what runs while it is built.
func built(target string) (crates, error) {
	cmd := exec.Command("cargo", "tree", "--locked", "--target", target, "--edges", "normal,build", "--prefix", "none")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cargo tree: %w", err)
	}
	found := crates{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			return nil, fmt.Errorf("cargo tree: what is %q?", line)
		}
		found.add(words[0], strings.TrimPrefix(words[1], "v"))
	}
	return found, nil
}

// known asks cargo what the binary could be built of for the target, whatever its features.
func known(target string) (crates, error) {
	cmd := exec.Command("cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("cargo metadata: %w", err)
	}
	var metadata struct {
		Packages []struct{ ID, Name, Version string }
		Resolve  struct {
			Root  string
			Nodes []struct {
				ID   string
				Deps []struct {
					Pkg      string
					DepKinds []struct{ Kind string } `json:"dep_kinds"`
				}
			}
		}
	}
	if err := json.Unmarshal(out, &metadata); err != nil {
		return nil, fmt.Errorf("cargo metadata: %w", err)
	}
	next := map[string][]string{}
	for _, node := range metadata.Resolve.Nodes {
		for _, dep := range node.Deps {
			for _, kind := range dep.DepKinds {
				if kind.Kind != "dev" {
					next[node.ID] = append(next[node.ID], dep.Pkg)
				}
			}
		}
	}
	reached := map[string]bool{}
	for open := []string{metadata.Resolve.Root}; len(open) > 0; {
		id := open[len(open)-1]
		open = open[:len(open)-1]
		if !reached[id] {
			reached[id] = true
			open = append(open, next[id]...)
		}
	}
	found := crates{}
	for _, pkg := range metadata.Packages {
		if reached[pkg.ID] {
			found.add(pkg.Name, pkg.Version)
		}
	}
	return found, nil
}

// inBinary reads what cargo auditable left: JSON, compressed, in a section of its own.
func inBinary(path string) (crates, error) {
	file, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	section := file.Section(".dep-v0")
	if section == nil {
		return nil, errors.New("it has no section .dep-v0: it was not built by `cargo auditable`")
	}
	data, err := section.Data()
	if err != nil {
		return nil, err
	}
	reader, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	return list(text, "packages")
}

func inBom(path string) (crates, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	found, err := list(text, "components")
	if err != nil {
		return nil, err
	}
	// The program itself stands apart from what it is made of.
	var bom struct {
		Metadata struct {
			Component struct{ Name, Version string }
		}
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		return nil, err
	}
	found.add(bom.Metadata.Component.Name, bom.Metadata.Component.Version)
	return found, nil
}

func list(text []byte, member string) (crates, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	var entries []struct{ Name, Version string }
	if err := json.Unmarshal(members[member], &entries); err != nil {
		return nil, fmt.Errorf("%s: %w", member, err)
	}
	found := crates{}
	for _, entry := range entries {
		found.add(entry.Name, entry.Version)
	}
	return found, nil
}

func (c crates) add(name, version string) { c[name+" "+version] = true }

// without is what other has not.
func (c crates) without(other crates) []string {
	var more []string
	for crate := range c {
		if !other[crate] {
			more = append(more, crate)
		}
	}
	return more
}

func differences(account string, listed, built, known crates) error {
	var lines []string
	for _, crate := range built.without(listed) {
		lines = append(lines, "  lacks "+crate)
	}
	for _, crate := range listed.without(known) {
		lines = append(lines, "  has "+crate+", which Cargo.lock does not give it")
	}
	if lines == nil {
		return nil
	}
	slices.Sort(lines)
	return fmt.Errorf("%s:\n%s", account, strings.Join(lines, "\n"))
}
