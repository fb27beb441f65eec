package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What runs, what it says, and what happens when it is killed.

// process is one of the cluster's processes, seen from outside.
type process struct {
	pid    int
	name   string
	memory int // KiB
}

// processes lists all that is in the cluster's process namespace.
func (c nodeCluster) processes() []process {
	supervisor := c.supervisor()
	if supervisor == 0 {
		return nil
	}
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", supervisor))
	if err != nil {
		return nil
	}
	var found []process
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || its != namespace {
			continue
		}
		if argv := commandLine(pid); len(argv) > 0 {
			found = append(found, process{pid, filepath.Base(argv[0]), proportionalMemory(pid)})
		}
	}
	return found
}

// find is the process id of one of the supervised programs, or 0.
func (c nodeCluster) find(program string) int {
	for _, process := range c.processes() {
		if process.name == program && parentOf(process.pid) == c.supervisor() {
			return process.pid
		}
	}
	return 0
}

func (c nodeCluster) status() error {
	options, err := c.readOptions()
	if err != nil || c.supervisor() == 0 {
		fmt.Printf("%s is not running\n", c.name)
		return exitCode(1)
	}
	total := 0
	for _, process := range c.processes() {
		total += process.memory
		if slices.Contains(programNames(options), process.name) {
			fmt.Printf("%-24s pid %-8d %5d MiB\n", process.name, process.pid, process.memory/1024)
		}
	}
	fmt.Printf("%-24s %18d MiB\n", "all, with shims and pods", total/1024)
	if err := c.ready(); err != nil {
		fmt.Printf("%s is not ready: %v\n", c.name, err)
		return exitCode(2)
	}
	fmt.Printf("%s is ready\n", c.name)
	return nil
}

func (c nodeCluster) logs(programs []string, lines int) error {
	files, err := filepath.Glob(filepath.Join(c.state, "logs", "*.log"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("%s has no logs", c.name)
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

// restart kills a program as a crash would. The supervisor starts it again.
func (c nodeCluster) restart(program string, down time.Duration) error {
	pid := c.find(program)
	if pid == 0 {
		return fmt.Errorf("`%s` is not running here", program)
	}
	hold := filepath.Join(c.state, "hold-"+program)
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
