package archive

import (
	"archive/tar"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
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
	Volumes      map[string]struct{} `json:"Volumes,omitempty"`
	StopSignal   string              `json:"StopSignal,omitempty"`
}

// Layer writes a layer of an image, a tar file in which each path is once: the
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

// Link adds a hard link called name to target, which this layer has already.
func (l *Layer) Link(target, name string) {
	l.write(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}, nil)
}

// Device adds a character device of root's.
func (l *Layer) Device(name string, major, minor int64) {
	l.write(&tar.Header{Typeflag: tar.TypeChar, Name: name, Mode: 0o666, Devmajor: major, Devminor: minor}, nil)
}

// Remove removes what the layers below have at this path.
func (l *Layer) Remove(name string) {
	l.File(path.Join(path.Dir(name), ".wh."+path.Base(name)), 0o644, nil)
}

// Opaque removes all that the layers below have in this directory.
func (l *Layer) Opaque(directory string) {
	l.File(path.Join(directory, ".wh..wh..opq"), 0o644, nil)
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

// blob is a part of an archive, in a file of its own.
type blob struct {
	file   *os.File
	size   int64
	digest string // hexadecimal SHA-256
}

// Write writes an image to a file. Each of fill fills a layer, the lowest first; layers
// of equal content are stored once. name is what the image is called once loaded, such
// as localhost/busybox:local. caps are the file capabilities of paths, as bit sets; each
// path must be in a layer. The file appears when it is complete, and replaces an older one.
func Write(file, name string, config Config, caps map[string]uint64, fill ...func(*Layer) error) error {
	var layers []blob
	defer func() {
		for _, layer := range layers {
			layer.file.Close()
			os.Remove(layer.file.Name())
		}
	}()
	capable := map[string]bool{}
	for _, fill := range fill {
		l := &Layer{seen: map[string]bool{}, caps: caps}
		layer, err := writeLayer(l, fill)
		if layer.file != nil {
			layers = append(layers, layer)
		}
		if err != nil {
			return err
		}
		for target := range caps {
			capable[target] = capable[target] || l.seen[target]
		}
	}
	for target := range caps {
		if !capable[target] {
			return fmt.Errorf("%s has no file %s to give capabilities to", name, target)
		}
	}

	var diffIDs, paths []string
	for _, layer := range layers {
		diffIDs = append(diffIDs, "sha256:"+layer.digest)
		paths = append(paths, layer.path())
	}
	configuration, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return err
	}
	configurationDigest := sha256.Sum256(configuration)
	configurationName := hex.EncodeToString(configurationDigest[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{
		"Config":   configurationName,
		"RepoTags": []string{name},
		"Layers":   paths,
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
	archive := tar.NewWriter(out)
	part := func(name string, size int64, content io.Reader) error {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: size}); err != nil {
			return err
		}
		_, err := io.Copy(archive, content)
		return err
	}
	for n, layer := range layers {
		if slices.Contains(paths[:n], layer.path()) {
			continue
		}
		if _, err := layer.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := part(layer.path(), layer.size, layer.file); err != nil {
			return err
		}
	}
	if err := part(configurationName, int64(len(configuration)), bytes.NewReader(configuration)); err != nil {
		return err
	}
	if err := part("manifest.json", int64(len(manifest)), bytes.NewReader(manifest)); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return os.Rename(partial, file)
}

func (b blob) path() string { return b.digest + "/layer.tar" }

// writeLayer writes a layer to a temporary file. The file may be there after an error.
func writeLayer(l *Layer, fill func(*Layer) error) (blob, error) {
	file, err := os.CreateTemp("", "layer-")
	if err != nil {
		return blob{}, err
	}
	hash := sha256.New()
	l.tar = tar.NewWriter(io.MultiWriter(file, hash))
	if err := cmp.Or(fill(l), l.err); err != nil {
		return blob{file: file}, err
	}
	if err := l.tar.Close(); err != nil {
		return blob{file: file}, err
	}
	size, err := file.Seek(0, io.SeekEnd)
	return blob{file, size, hex.EncodeToString(hash.Sum(nil))}, err
}
