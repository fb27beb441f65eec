package main

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// nursery starts processes and, being the first process of its namespace, reaps
// them and everybody's orphans.
type nursery struct {
	mutex    sync.Mutex
	children map[int]chan syscall.WaitStatus
}

func newNursery() *nursery {
	n := &nursery{children: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			n.reap()
		}
	}()
	return n
}

func (n *nursery) reap() {
	// Held while a child is started too, so that none ends before it is known.
	n.mutex.Lock()
	defer n.mutex.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if child, ok := n.children[pid]; ok {
			delete(n.children, pid)
			child <- status
		}
	}
}

// Between a program's end and its next start. Long enough not to burn a core on
// one that cannot start.
const restartDelay = time.Second

// keep starts a program again and again.
func (n *nursery) keep(p program) {
	for {
		for exists(filepath.Join(stateInside, "hold-"+p.name)) {
			time.Sleep(20 * time.Millisecond)
		}
		ended, err := n.spawn(p)
		if err != nil {
			say("%s cannot be started: %v", p.name, err)
		} else {
			status := <-ended
			say("%s %s ended: exit code %d, signal %d", time.Now().UTC().Format(time.RFC3339), p.name,
				status.ExitStatus(), max(0, int(status.Signal())))
		}
		time.Sleep(restartDelay)
	}
}

func (n *nursery) spawn(p program) (<-chan syscall.WaitStatus, error) {
	log, err := os.OpenFile(filepath.Join(stateInside, "logs", p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()

	n.mutex.Lock()
	defer n.mutex.Unlock()
	path := filepath.Join(binInside, p.name)
	pid, err := syscall.ForkExec(path, append([]string{path}, p.args...), &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=" + binInside + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"},
		Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	n.children[pid] = ended
	return ended, nil
}
