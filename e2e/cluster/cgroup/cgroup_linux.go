package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Make makes a cgroup in each hierarchy. One that is there stays.
func Make(name string) error {
	for _, directory := range directories(name) {
		if err := os.Mkdir(directory, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// Remove removes a cgroup with all below it, from each hierarchy. It waits 10 seconds
// for the kernel to let go of processes that have just ended.
func Remove(name string) error {
	for _, top := range directories(name) {
		if err := remove(top); err != nil {
			return err
		}
	}
	return nil
}

// directories are the cgroup's, one in each hierarchy (version 1 has several,
// version 2 one).
func directories(name string) []string {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{filepath.Join(root, name)}
	}
	var all []string
	entries, _ := os.ReadDir(root)
	for _, entry := range entries {
		if entry.IsDir() { // and not a link to one
			all = append(all, filepath.Join(root, entry.Name(), name))
		}
	}
	return all
}

func remove(top string) error {
	var directories []string
	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			directories = append(directories, path)
		}
		return nil
	})
	slices.Reverse(directories) // children first
	for _, directory := range directories {
		// The kernel may take a moment to let go of the last process.
		deadline := time.Now().Add(10 * time.Second)
		for {
			err := syscall.Rmdir(directory)
			if err == nil || errors.Is(err, syscall.ENOENT) {
				break
			}
			if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
				return fmt.Errorf("removing the cgroup %s: %w", directory, err)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}
