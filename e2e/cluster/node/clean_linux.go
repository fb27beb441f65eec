package node

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"ironhull.dev/e2e/cluster/cgroup"
)

// remove ends whatever there is of the cluster, in whatever condition.
func (c Cluster) remove() error {
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
	if err := cgroup.Remove(c.cgroupName()); err != nil {
		return err
	}
	return removeAll(c.State)
}

func (c Cluster) cgroupName() string { return "ironhull-cluster-" + c.Name }

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
