package archive

import (
	"archive/tar"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const capNetBindService = 1 << 10

func TestPathsAreWhereDebianHasThemNow(t *testing.T) {
	for path, expected := range map[string]string{
		"./bin/sh":         "usr/bin/sh",
		"./lib64/ld.so":    "usr/lib64/ld.so",
		"/usr/bin/id":      "usr/bin/id",
		"./bin":            "bin",
		"./library/x":      "library/x",
		"../../etc/shadow": "etc/shadow",
		"./":               "",
	} {
		if got := clean(path); got != expected {
			t.Errorf("clean(%q) is %q, not %q", path, got, expected)
		}
	}
}

// What `setcap cap_net_bind_service=+ep` writes, as `getfattr -e hex` shows it.
func TestFileCapabilitiesAreWhatSetcapWrites(t *testing.T) {
	const expected = "0100000200040000000000000000000000000000"
	if got := hex.EncodeToString([]byte(capabilityAttribute(capNetBindService))); got != expected {
		t.Errorf("got %s, not %s", got, expected)
	}
}

func TestArchiveHasEachPathOnceAfterItsParents(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "image.tar")
	caps := map[string]uint64{"usr/bin/server": capNetBindService}
	err := Write(archive, "localhost/x:local", Config{User: "1:1"}, caps, func(l *Layer) error {
		l.File("etc/passwd", 0o644, []byte("mine"))
		l.File("etc/passwd", 0o644, []byte("the package's"))
		l.MergeUsr()
		l.File("bin/server", 0o755, []byte("binary"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	parts := readTar(t, mustRead(t, archive))
	var manifest []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	if err := json.Unmarshal(parts.content["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || manifest[0].RepoTags[0] != "localhost/x:local" || len(manifest[0].Layers) != 1 {
		t.Fatalf("manifest: %+v", manifest)
	}
	if !bytes.Contains(parts.content[manifest[0].Config], []byte(`"User":"1:1"`)) {
		t.Errorf("configuration: %s", parts.content[manifest[0].Config])
	}
	files := readTar(t, parts.content[manifest[0].Layers[0]])
	if got := string(files.content["etc/passwd"]); got != "mine" {
		t.Errorf("etc/passwd is %q", got)
	}
	if files.headers["usr/bin/server"].PAXRecords["SCHILY.xattr.security.capability"] == "" {
		t.Error("usr/bin/server has no capabilities")
	}
	seen := map[string]bool{".": true}
	for _, name := range files.order {
		name = strings.TrimSuffix(name, "/")
		if seen[name] || !seen[filepath.Dir(name)] {
			t.Errorf("%s is there twice, or before its parent", name)
		}
		seen[name] = true
	}
}

func TestLayersOfEqualContentAreStoredOnce(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "image.tar")
	base := func(l *Layer) error { l.File("etc/passwd", 0o644, []byte("base")); return nil }
	above := func(l *Layer) error {
		l.Remove("etc/passwd")
		l.Opaque("data")
		l.File("users", 0o644, []byte("above"))
		l.Link("users", "linked")
		l.Device("null", 1, 3)
		return nil
	}
	if err := Write(archive, "localhost/x:local", Config{}, nil, base, above, base); err != nil {
		t.Fatal(err)
	}
	parts := readTar(t, mustRead(t, archive))
	var manifest []struct{ Layers []string }
	if err := json.Unmarshal(parts.content["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	layers := manifest[0].Layers
	if len(layers) != 3 || layers[0] != layers[2] || layers[0] == layers[1] || len(parts.order) != 4 {
		t.Fatalf("layers %v, in an archive of %v", layers, parts.order)
	}
	files := readTar(t, parts.content[layers[1]])
	for name, kind := range map[string]byte{
		"etc/.wh.passwd": tar.TypeReg, "data/.wh..wh..opq": tar.TypeReg, "linked": tar.TypeLink, "null": tar.TypeChar,
	} {
		if header := files.headers[name]; header == nil || header.Typeflag != kind {
			t.Errorf("%s is %+v", name, header)
		}
	}
}

func TestCapabilitiesOfNoFileAreAnError(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "image.tar"), "localhost/x:local", Config{},
		map[string]uint64{"usr/bin/absent": 1}, func(*Layer) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "usr/bin/absent") {
		t.Errorf("error: %v", err)
	}
}

type contents struct {
	order   []string
	headers map[string]*tar.Header
	content map[string][]byte
}

func readTar(t *testing.T, archive []byte) contents {
	t.Helper()
	all := contents{headers: map[string]*tar.Header{}, content: map[string][]byte{}}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		all.order = append(all.order, header.Name)
		all.headers[header.Name], all.content[header.Name] = header, content
	}
}

func mustRead(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
