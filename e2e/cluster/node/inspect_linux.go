package node

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"ironhull.dev/e2e/cluster/proc"
	"ironhull.dev/e2e/cluster/supervisor"
)

// What runs, what it says, and what happens when it is killed.

// processes lists all that is in the cluster's process namespace.
func (c Cluster) processes() []proc.Process {
	first := c.supervisor()
	if first == 0 {
		return nil
	}
	return proc.InNamespaceOf(first)
}

// find is the process id of one of the supervised programs, or 0.
func (c Cluster) find(program string) int {
	for _, process := range c.processes() {
		if process.Name == program && proc.Parent(process.PID) == c.supervisor() {
			return process.PID
		}
	}
	return 0
}

// Status prints the programs with their memory, and returns the exit code: 0 for a
// cluster that is ready, 1 for one that is not running, 2 for one that is not ready.
func (c Cluster) Status() (int, error) {
	options, err := c.ReadOptions()
	if err != nil || c.supervisor() == 0 {
		fmt.Printf("%s is not running\n", c.Name)
		return 1, nil
	}
	total := 0
	for _, process := range c.processes() {
		total += process.Memory
		if slices.Contains(programNames(options), process.Name) {
			fmt.Printf("%-24s pid %-8d %5d MiB\n", process.Name, process.PID, process.Memory/1024)
		}
	}
	fmt.Printf("%-24s %18d MiB\n", "all, with shims and pods", total/1024)
	if err := c.ready(); err != nil {
		fmt.Printf("%s is not ready: %v\n", c.Name, err)
		return 2, nil
	}
	fmt.Printf("%s is ready\n", c.Name)
	return 0, nil
}

// Logs prints the ends of the named programs' logs, or of all.
func (c Cluster) Logs(programs []string, lines int) error {
	files, err := filepath.Glob(filepath.Join(c.State, "logs", "*.log"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no logs", c.Name)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		if len(programs) > 0 && !slices.Contains(programs, name) {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		all := strings.SplitAfter(string(content), "\n")
		fmt.Printf("==> %s (%s)\n%s\n", name, file, strings.Join(all[max(0, len(all)-1-lines):], ""))
	}
	return nil
}

// Restart kills a program as a crash would. The supervisor starts it again, after it was
// down for as long as is asked for.
func (c Cluster) Restart(program string, down time.Duration) error {
	pid := c.find(program)
	if pid == 0 {
		return fmt.Errorf("`%s` is not running here", program)
	}
	hold := supervisor.HoldFile(c.State, program)
	if down > 0 {
		if err := os.WriteFile(hold, nil, 0o644); err != nil {
			return err
		}
		defer os.Remove(hold)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	time.Sleep(down)
	_ = os.Remove(hold)
	deadline := time.Now().Add(restartPatience)
	for time.Now().Before(deadline) {
		if now := c.find(program); now != 0 && now != pid && c.ready() == nil {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("%s is not back after %s", program, restartPatience)
}
