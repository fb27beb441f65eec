package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// What is left when the supervisor is gone: cgroups and files.

// lock keeps two commands from starting and stopping one cluster at once. Unlocking
// removes the file: a lock on a file that is no longer there is no lock.
func (c nodeCluster) lock() (unlock func(), err error) {
	name := c.state + ".lock"
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		locked, err := file.Stat()
		if err != nil {
			file.Close()
			return nil, err
		}
		if now, err := os.Stat(name); err == nil && os.SameFile(locked, now) {
			return func() {
				_ = os.Remove(name)
				file.Close()
			}, nil
		}
		file.Close()
	}
}

// remove ends whatever there is of the cluster, in whatever condition.
func (c nodeCluster) remove() error {
	if pid := c.supervisor(); pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return fmt.Errorf("killing the supervisor, process %d: %w", pid, err)
		}
		// It ends as the last of its namespace, and with it mounts and interfaces.
		for deadline := time.Now().Add(30 * time.Second); c.isSupervisor(pid); {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end", pid)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	if err := c.removeCgroups(); err != nil {
		return err
	}
	return removeAll(c.state)
}

func (c nodeCluster) cgroupName() string { return "ironhull-cluster-" + c.name }

// cgroups are this cluster's directories, one in each hierarchy (version 1 has
// several, version 2 one).
func (c nodeCluster) cgroups() []string {
	const root = "/sys/fs/cgroup"
	if exists(filepath.Join(root, "cgroup.controllers")) {
		return []string{filepath.Join(root, c.cgroupName())}
	}
	var all []string
	entries, _ := os.ReadDir(root)
	for _, entry := range entries {
		if entry.IsDir() { // and not a link to one
			all = append(all, filepath.Join(root, entry.Name(), c.cgroupName()))
		}
	}
	return all
}

// makeCgroups: the kubelet wants its root to be there.
func (c nodeCluster) makeCgroups() error {
	for _, directory := range c.cgroups() {
		if err := os.Mkdir(directory, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// removeCgroups removes them with what runc and the kubelet left in them.
func (c nodeCluster) removeCgroups() error {
	for _, top := range c.cgroups() {
		if err := removeCgroup(top); err != nil {
			return err
		}
	}
	return nil
}

func removeCgroup(top string) error {
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

// removeAll is os.RemoveAll that is told when mounts are in the way: nothing
// here mounts outside the supervisor's namespace, and deleting through
// somebody's mount would delete what is mounted.
func removeAll(directory string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[4], directory+"/") {
			return fmt.Errorf("%s is mounted inside the state directory: unmount it first", fields[4])
		}
	}
	return os.RemoveAll(directory)
}
