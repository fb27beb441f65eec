// Package netns enters the network namespace of another process.
//
// Input is a process id. The calling goroutine, and what it executes, then has that
// process's interfaces, routes and ports; files, mounts and processes stay what they
// were.
//
// There is no way back: the goroutine should end in execve, or exit. Errors are those
// of opening /proc/PID/ns/net and of setns(2). Linux on amd64 and arm64 only; needs
// CAP_SYS_ADMIN.
package netns
