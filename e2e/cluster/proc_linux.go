package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// What /proc and the kernel say.

// capSysResource is CAP_SYS_RESOURCE's number: without it no process's OOM score can be lowered.
const capSysResource = 24

// overlayMagic is overlayfs's number for statfs: an overlay cannot lie on another one.
const overlayMagic = 0x794c7630

func commandLine(pid int) []string {
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

func parentOf(pid int) int {
	parent, _ := strconv.Atoi(statusField(strconv.Itoa(pid), "PPid"))
	return parent
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

func haveCapability(number uint) bool {
	set, err := strconv.ParseUint(statusField("self", "CapEff"), 16, 64)
	return err == nil && set&(1<<number) != 0
}

// snapshotter is how containerd can lay image layers upon one another in this directory.
func snapshotter(directory string) string {
	var info syscall.Statfs_t
	if err := syscall.Statfs(directory, &info); err == nil && info.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}
