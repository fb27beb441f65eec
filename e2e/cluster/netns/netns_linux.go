package netns

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// Enter moves the calling goroutine into the network namespace of a process. The
// goroutine keeps its thread from then on; other goroutines stay where they are.
func Enter(pid int) error {
	// A namespace belongs to a thread, and execve keeps the thread that calls it.
	runtime.LockOSThread()
	namespace, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return err
	}
	defer namespace.Close()
	if _, _, errno := syscall.RawSyscall(sysSetns, namespace.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
		return errno
	}
	return nil
}
