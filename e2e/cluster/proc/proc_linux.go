package proc

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// CapSysResource is CAP_SYS_RESOURCE's number: without it no process's OOM score can be lowered.
const CapSysResource = 24

// Process is a process as it was when it was looked at.
type Process struct {
	PID    int
	Name   string // the last part of the path that it was called by
	Memory int    // proportional set size, in KiB; 0 if it cannot be read
}

// InNamespaceOf lists the processes in the process namespace of a process, by
// their ids outside of it. It is empty if there is no such process.
func InNamespaceOf(pid int) []Process {
	namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid_for_children", pid))
	if err != nil {
		return nil
	}
	var found []Process
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if its, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err != nil || its != namespace {
			continue
		}
		if argv := CommandLine(pid); len(argv) > 0 {
			found = append(found, Process{pid, filepath.Base(argv[0]), proportionalMemory(pid)})
		}
	}
	return found
}

// CommandLine is a process's arguments with its name first, and empty for one that is not
// there, has ended, or is the kernel's.
func CommandLine(pid int) []string {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || len(content) == 0 {
		return nil
	}
	var argv []string
	for argument := range bytes.SplitSeq(bytes.TrimSuffix(content, []byte{0}), []byte{0}) {
		argv = append(argv, string(argument))
	}
	return argv
}

// Parent is the id of a process's parent, or 0.
func Parent(pid int) int {
	parent, _ := strconv.Atoi(statusField(strconv.Itoa(pid), "PPid"))
	return parent
}

// HasCapability says whether this process has the capability with this number in effect.
func HasCapability(number uint) bool {
	set, err := strconv.ParseUint(statusField("self", "CapEff"), 16, 64)
	return err == nil && set&(1<<number) != 0
}

// statusField is a field of /proc/PID/status, such as PPid, or "".
func statusField(pid, field string) string {
	content, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(content)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// proportionalMemory is in KiB. Most of the programs are one and the same file:
// what they share of it is counted once, in parts.
func proportionalMemory(pid int) int {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss:" {
			memory, _ := strconv.Atoi(fields[1])
			return memory
		}
	}
	return 0
}
