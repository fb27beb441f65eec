package catalogue

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNamesOfImagesAreUniqueAndTold(t *testing.T) {
	seen := map[string]bool{}
	for _, image := range Images {
		if seen[image.Name] || image.Name == "" || image.About == "" {
			t.Errorf("`%s` is there twice, or says nothing of itself", image.Name)
		}
		seen[image.Name] = true
	}
}

func TestAnArchiveIsMadeOnceForADescription(t *testing.T) {
	if !exists(Busybox()) {
		t.Skip("NOT RUN: needs busybox-static; e2e/setup installs it")
	}
	store := Store{Directory: filepath.Join(t.TempDir(), "images")}
	image := Image{Name: "check", files: map[string]string{"etc/check": "one"}}
	made := func() os.FileInfo {
		t.Helper()
		file, err := store.Make(image)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := made()
	if !os.SameFile(first, made()) {
		t.Error("made again, and nothing changed")
	}
	image.files = map[string]string{"etc/check": "two"}
	if os.SameFile(first, made()) {
		t.Error("not made again, and the description changed")
	}
	if file, err := store.Archive("check"); err != nil || file != filepath.Join(store.Directory, "check.tar") {
		t.Errorf("found by its name: %s, %v", file, err)
	}
	if _, err := store.Archive("absent"); err == nil || !strings.Contains(err.Error(), "`absent`") {
		t.Errorf("absent: %v", err)
	}
}
