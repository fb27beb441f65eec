// A program that does what its arguments say, and ends with the error that Go gives:
// `write PATH`, `mkdir PATH`, `read PATH`, `listen ADDRESS`, `chown PATH`, `io_uring`, `sleep`.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// ioUringSetup is io_uring_setup(2), which package syscall does not have.
const ioUringSetup = 425

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: fault-go WHAT [WITH]")
	}
	with := ""
	if len(os.Args) > 2 {
		with = os.Args[2]
	}
	if err := run(os.Args[1], with); err != nil {
		log.Fatal(err)
	}
	time.Sleep(time.Hour)
}

func run(what, with string) error {
	switch what {
	case "write":
		return os.WriteFile(with, []byte("x\n"), 0o644)
	case "mkdir":
		return os.Mkdir(with, 0o755)
	case "read":
		_, err := os.ReadFile(with)
		return err
	case "listen":
		_, err := net.Listen("tcp", with)
		return err
	case "chown":
		return os.Chown(with, 33, 33)
	case "io_uring":
		var params [120]byte
		_, _, errno := syscall.Syscall(ioUringSetup, 1, uintptr(unsafe.Pointer(&params)), 0)
		if errno != 0 {
			return os.NewSyscallError("io_uring_setup", errno)
		}
		return nil
	case "sleep":
		return nil
	default:
		return fmt.Errorf("unknown: %s", what)
	}
}
