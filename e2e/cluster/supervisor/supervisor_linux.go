package supervisor

import (
	"errors"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Program is a program to keep running.
type Program struct {
	Name  string // its file in the directory of programs
	Args  []string
	Ready func() error // nil: ready when started
}

// Supervisor starts programs and starts again whatever ends. Being the first process
// of its namespace, it reaps them and everybody's orphans.
type Supervisor struct {
	bin, state string

	mutex    sync.Mutex
	children map[int]chan syscall.WaitStatus
}

// New is a supervisor of programs in the directory bin. state has the directory `logs`,
// where each program appends to NAME.log, and the files that hold one back. There
// can be one in a process: it waits for all children.
func New(bin, state string) *Supervisor {
	s := &Supervisor{bin: bin, state: state, children: map[int]chan syscall.WaitStatus{}}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	go func() {
		for range ended {
			s.reap()
		}
	}()
	return s
}

// Start starts programs, each stage when the one before is ready, and returns when
// the last stage is. It keeps them running from then on.
func (s *Supervisor) Start(stages [][]Program) {
	for _, stage := range stages {
		for _, program := range stage {
			go s.keep(program)
		}
		for _, program := range stage {
			program.awaitReady()
		}
	}
}

// HoldFile is the path of the file in the state directory that keeps a program, once it
// has ended, from being started again. The file's content does not matter.
func HoldFile(state, program string) string { return filepath.Join(state, "hold-"+program) }

func (s *Supervisor) reap() {
	// Held while a child is started too, so that none ends before it is known.
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if child, ok := s.children[pid]; ok {
			delete(s.children, pid)
			child <- status
		}
	}
}

// Between a program's end and its next start. Long enough not to burn a core on
// one that cannot start.
const restartDelay = time.Second

// keep starts a program again and again.
func (s *Supervisor) keep(p Program) {
	for {
		for exists(HoldFile(s.state, p.Name)) {
			time.Sleep(20 * time.Millisecond)
		}
		ended, err := s.spawn(p)
		if err != nil {
			log.Printf("%s cannot be started: %v", p.Name, err)
		} else {
			status := <-ended
			log.Printf("%s %s ended: exit code %d, signal %d", time.Now().UTC().Format(time.RFC3339), p.Name,
				status.ExitStatus(), max(0, int(status.Signal())))
		}
		time.Sleep(restartDelay)
	}
}

func (s *Supervisor) spawn(p Program) (<-chan syscall.WaitStatus, error) {
	output, err := os.OpenFile(filepath.Join(s.state, "logs", p.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()

	s.mutex.Lock()
	defer s.mutex.Unlock()
	path := filepath.Join(s.bin, p.Name)
	pid, err := syscall.ForkExec(path, append([]string{path}, p.Args...), &syscall.ProcAttr{
		Dir:   "/",
		Env:   []string{"PATH=" + s.bin + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"},
		Files: []uintptr{null.Fd(), output.Fd(), output.Fd()},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return nil, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	s.children[pid] = ended
	return ended, nil
}

// A program that has not come up by then has its successors started all the
// same: its log, or theirs, will say why.
const readyPatience = time.Minute

func (p Program) awaitReady() {
	if p.Ready == nil {
		return
	}
	for deadline := time.Now().Add(readyPatience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if p.Ready() == nil {
			return
		}
	}
	log.Printf("%s is not ready after %s", p.Name, readyPatience)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
