package archive

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"strings"
	"time"
)

// Config is the part of an image's configuration that a container runtime acts
// on. The names are the format's own.
type Config struct {
	User         string              `json:"User,omitempty"`
	Env          []string            `json:"Env,omitempty"`
	Entrypoint   []string            `json:"Entrypoint,omitempty"`
	Cmd          []string            `json:"Cmd,omitempty"`
	WorkingDir   string              `json:"WorkingDir,omitempty"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
}

// Layer writes an image's only layer, a tar file in which each path is once: the
// first entry with a path is kept, later ones are dropped. Parents are added as
// needed, root's with mode 0755. Modification times are the epoch. After an error
// nothing more is written, and [Write] returns it.
type Layer struct {
	tar  *tar.Writer
	seen map[string]bool
	caps map[string]uint64 // path: file capabilities
	err  error
}

// Debian has these directories in /usr, but some packages still ship files in them.
var mergedIntoUsr = []string{"bin", "lib", "lib32", "lib64", "libx32", "sbin"}

// MergeUsr makes /bin, /lib and the like links into /usr, as Debian has them.
func (l *Layer) MergeUsr() {
	for _, name := range mergedIntoUsr {
		l.Directory("usr/"+name, 0o755, 0, 0)
		l.Symlink("usr/"+name, name)
	}
}

// Directory adds a directory. The mode may have set-id and sticky bits.
func (l *Layer) Directory(name string, mode int64, uid, gid int) {
	l.write(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode, Uid: uid, Gid: gid}, nil)
}

// File adds a regular file of root's.
func (l *Layer) File(name string, mode int64, content []byte) {
	l.write(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content))}, bytes.NewReader(content))
}

// Symlink adds a symbolic link called name, which leads to target.
func (l *Layer) Symlink(target, name string) {
	l.write(&tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
}

// Has says whether the layer has an entry with this path.
func (l *Layer) Has(name string) bool { return l.seen[clean(name)] }

// Add adds an entry of any kind, whose owner is given by number. It returns the
// layer's first error, this entry's or an earlier one's.
func (l *Layer) Add(header *tar.Header, content io.Reader) error {
	l.write(header, content)
	return l.err
}

// write puts an entry, unless its path is there already, after its parents.
func (l *Layer) write(header *tar.Header, content io.Reader) {
	header.Name = clean(header.Name)
	if l.err != nil || header.Name == "" || l.seen[header.Name] {
		return
	}
	if parent := path.Dir(header.Name); parent != "." && !l.seen[parent] {
		l.Directory(parent, 0o755, 0, 0)
	}
	l.seen[header.Name] = true
	header.Format = tar.FormatPAX
	header.Uname, header.Gname = "", "" // the numbers are meant
	header.ModTime, header.AccessTime, header.ChangeTime = time.Unix(0, 0), time.Time{}, time.Time{}
	if header.Typeflag == tar.TypeLink {
		header.Linkname = clean(header.Linkname)
	}
	if capabilities := l.caps[header.Name]; capabilities != 0 {
		header.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": capabilityAttribute(capabilities)}
	}
	if header.Typeflag == tar.TypeDir {
		header.Name += "/"
	}
	if l.err = l.tar.WriteHeader(header); l.err == nil && content != nil {
		_, l.err = io.Copy(l.tar, content)
	}
}

// clean makes a path relative to the root, where Debian has it now.
func clean(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	first, _, below := strings.Cut(name, "/")
	if below {
		for _, merged := range mergedIntoUsr {
			if first == merged {
				return "usr/" + name
			}
		}
	}
	return name
}

// capabilityAttribute is the extended attribute of a file that is given these
// capabilities, effective at once: `setcap NAME=+ep`.
func capabilityAttribute(permitted uint64) string {
	const revision2, effective = 0x02000000, 0x000001
	var out bytes.Buffer
	for _, word := range []uint32{
		revision2 | effective,
		uint32(permitted), 0, // the lower half: permitted, inheritable
		uint32(permitted >> 32), 0, // the upper half
	} {
		_ = binary.Write(&out, binary.LittleEndian, word)
	}
	return out.String()
}

// Write writes an image with one layer, which fill fills, to a file. name is what
// the image is called once loaded, such as localhost/busybox:local. caps are the
// file capabilities of paths in the layer, as bit sets; each path must be there.
// The file appears when it is complete, and replaces an older one.
func Write(file, name string, config Config, caps map[string]uint64, fill func(*Layer) error) error {
	layerFile, err := os.CreateTemp("", "layer-")
	if err != nil {
		return err
	}
	defer os.Remove(layerFile.Name())
	defer layerFile.Close()
	hash := sha256.New()
	l := &Layer{tar: tar.NewWriter(io.MultiWriter(layerFile, hash)), seen: map[string]bool{}, caps: caps}
	if err := fill(l); err != nil {
		return err
	}
	if l.err != nil {
		return l.err
	}
	if err := l.tar.Close(); err != nil {
		return err
	}
	for capable := range caps {
		if !l.seen[capable] {
			return fmt.Errorf("%s has no file %s to give capabilities to", name, capable)
		}
	}
	digest := hex.EncodeToString(hash.Sum(nil))

	configuration, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest}},
	})
	if err != nil {
		return err
	}
	configurationDigest := sha256.Sum256(configuration)
	configurationName := hex.EncodeToString(configurationDigest[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{
		"Config":   configurationName,
		"RepoTags": []string{name},
		"Layers":   []string{digest + "/layer.tar"},
	}})
	if err != nil {
		return err
	}

	partial := file + ".partial"
	out, err := os.Create(partial)
	if err != nil {
		return err
	}
	defer os.Remove(partial)
	defer out.Close()
	size, err := layerFile.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := layerFile.Seek(0, io.SeekStart); err != nil {
		return err
	}
	archive := tar.NewWriter(out)
	for _, part := range []struct {
		name    string
		size    int64
		content io.Reader
	}{
		{digest + "/layer.tar", size, layerFile},
		{configurationName, int64(len(configuration)), bytes.NewReader(configuration)},
		{"manifest.json", int64(len(manifest)), bytes.NewReader(manifest)},
	} {
		if err := archive.WriteHeader(&tar.Header{Name: part.name, Mode: 0o644, Size: part.size}); err != nil {
			return err
		}
		if _, err := io.Copy(archive, part.content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return os.Rename(partial, file)
}
