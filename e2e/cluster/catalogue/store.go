package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ironhull.dev/e2e/cluster/archive"
)

// Store is a directory of image archives, NAME.tar.
type Store struct{ Directory string }

// Archive is the path of a test image's archive, which is made if it is not there.
// Other archives in the store are found by their name too.
func (s Store) Archive(name string) (string, error) {
	at := slices.IndexFunc(Images, func(i Image) bool { return i.Name == name })
	if at < 0 {
		file := s.file(name)
		if exists(file) { // made by `image debian`
			return file, nil
		}
		return "", fmt.Errorf("there is no image `%s`: see `cluster image list`", name)
	}
	return s.Make(Images[at])
}

// Make writes an image's archive, unless it was made from the same description
// before, and returns its path. Newer versions of the packages are taken when the
// archive is removed.
func (s Store) Make(image Image) (string, error) {
	file := s.file(image.Name)
	stamp := filepath.Join(s.Directory, "."+image.Name+".made")
	description := sha256.Sum256(fmt.Appendf(nil, "%#v", image))
	inputs := hex.EncodeToString(description[:])
	if old, err := os.ReadFile(stamp); err == nil && string(old) == inputs && exists(file) {
		return file, nil
	}
	if err := os.MkdirAll(s.Directory, 0o755); err != nil {
		return "", err
	}
	began := time.Now()
	_ = os.Remove(stamp)
	config := image.Config
	if len(config.Env) == 0 {
		config.Env = []string{defaultPath}
	}
	if err := archive.Write(file, image.Reference(), config, image.caps, image.fills()...); err != nil {
		return "", fmt.Errorf("image %s: %w", image.Name, err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	log.Printf("made %s in %.1f s: %d MiB", image.Reference(), time.Since(began).Seconds(), info.Size()>>20)
	return file, os.WriteFile(stamp, []byte(inputs), 0o644)
}

func (s Store) file(name string) string { return filepath.Join(s.Directory, name+".tar") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
