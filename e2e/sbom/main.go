// Command sbom compares three accounts of what a binary is built of: what cargo resolves from Cargo.lock for its target,
// the list inside the binary (cargo auditable's section), and its bill of materials (CycloneDX).
//
// The first is what we meant, and the other two are what people can check. It says every difference, and exits with 1
// when there is one.
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
	meant, err := resolved(target)
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
	err = errors.Join(differences(binary, meant, inside), differences(bom, meant, listed))
	if err == nil {
		fmt.Printf("%d crates in %s and in %s, as Cargo.lock has them for %s\n", len(meant), binary, bom, target)
	}
	return err
}

// resolved asks cargo what the binary is built of, with what runs while it is built.
func resolved(target string) (crates, error) {
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

func differences(account string, meant, found crates) error {
	var lines []string
	for crate := range meant {
		if !found[crate] {
			lines = append(lines, "  lacks "+crate)
		}
	}
	for crate := range found {
		if !meant[crate] {
			lines = append(lines, "  has "+crate+", which Cargo.lock does not give it")
		}
	}
	if lines == nil {
		return nil
	}
	slices.Sort(lines)
	return fmt.Errorf("%s:\n%s", account, strings.Join(lines, "\n"))
}
