package debian

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Add takes one entry of a package. Its header's name starts with "./". content
// is valid until Add returns.
type Add func(header *tar.Header, content io.Reader) error

// Unpack unpacks packages and all they depend on, in no order that means anything.
// without names packages to leave out, with what only they need.
func Unpack(packages, without []string, add Add) error {
	directory, err := os.MkdirTemp("", "packages-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	files, err := download(directory, packages, without)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := unpack(file, add); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

// forScripts are packages that servers depend on for their maintainer scripts
// and init scripts alone.
var forScripts = []string{
	"adduser", "debconf", "dpkg", "init-system-helpers", "lsb-base", "passwd", "perl", "perl-base", "sysvinit-utils", "usrmerge",
}

// download lets apt resolve and verify, as if on a machine on which nothing but
// these and `without` is installed, unless it is asked for.
func download(directory string, packages, without []string) ([]string, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, errors.New("images of Debian's packages need Debian's apt-get")
	}
	architecture, err := exec.Command("dpkg", "--print-architecture").Output()
	if err != nil {
		return nil, fmt.Errorf("dpkg --print-architecture: %w", err)
	}
	var status strings.Builder
	for _, name := range slices.Concat(forScripts, without) {
		if slices.Contains(packages, name) {
			continue
		}
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nArchitecture: %s\nMulti-Arch: allowed\n"+
			"Version: 999:1\nMaintainer: nobody\nDescription: left out\n\n", name, strings.TrimSpace(string(architecture)))
	}
	statusFile := filepath.Join(directory, "status")
	if err := os.WriteFile(statusFile, []byte(status.String()), 0o644); err != nil {
		return nil, err
	}
	archives := filepath.Join(directory, "archives")
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return nil, err
	}
	args := append([]string{
		"--quiet=2", "--yes", "--download-only", "--no-install-recommends",
		"--option=Dir::State::status=" + statusFile,
		"--option=Dir::Cache::archives=" + archives,
		// apt's own user may not be let into the directory.
		"--option=APT::Sandbox::User=root",
		"--option=Debug::NoLocking=1",
		"install",
	}, packages...)
	out, err := exec.Command("apt-get", args...).CombinedOutput()
	if err != nil {
		// A fresh machine has no package lists, an old one lists of what is gone.
		if update, err := exec.Command("apt-get", "--quiet=2", "update").CombinedOutput(); err != nil {
			return nil, fmt.Errorf("apt-get update: %w: %s", err, update)
		}
		out, err = exec.Command("apt-get", args...).CombinedOutput()
	}
	if err != nil {
		return nil, fmt.Errorf("apt-get install --download-only %v: %w: %s", packages, err, out)
	}
	files, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("apt-get downloaded nothing for %v", packages)
	}
	return files, err
}

// Nothing in a container reads these.
var documentation = []string{
	"usr/share/bug/", "usr/share/doc/", "usr/share/info/", "usr/share/lintian/", "usr/share/locale/", "usr/share/man/",
	"usr/share/i18n/", "usr/share/doc-base/",
}

// unpack gives the entries of a package's file, but documentation.
func unpack(file string, add Add) error {
	command := exec.Command("dpkg-deb", "--fsys-tarfile", file)
	content, err := command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return err
	}
	reader := tar.NewReader(content)
	var failed error
	for failed == nil {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			_ = command.Process.Kill()
			return errors.Join(err, command.Wait())
		}
		if !isDocumentation(header.Name) {
			failed = add(header, reader)
		}
	}
	// What follows a tar file's end has to be read as well, or dpkg-deb complains.
	_, _ = io.Copy(io.Discard, content)
	return errors.Join(failed, command.Wait())
}

func isDocumentation(name string) bool {
	name = strings.TrimPrefix(path.Clean("/"+name), "/") + "/"
	return slices.ContainsFunc(documentation, func(directory string) bool { return strings.HasPrefix(name, directory) })
}
