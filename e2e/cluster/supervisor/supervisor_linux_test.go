package supervisor

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// One test for all: a process has one supervisor.
func TestWhatEndsIsStartedAgain(t *testing.T) {
	bin, state := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(state, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(bin, "first"), "#!/bin/sh\necho \"$0 $1\"\ntouch "+state+"/ready\nexec sleep 60\n", 0o755)
	write(t, filepath.Join(bin, "second"), "#!/bin/sh\ncat "+state+"/ready && echo started\n", 0o755)
	ready := func() error {
		_, err := os.Stat(filepath.Join(state, "ready"))
		return err
	}
	s := New(bin, state)
	t.Cleanup(func() {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		for pid := range s.children {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	s.Start([][]Program{
		{{Name: "first", Args: []string{"--flag"}, Ready: ready}},
		{{Name: "second"}, {Name: "missing"}},
	})

	eventually(t, "the second starts after the first is ready, and again when it has ended", func() bool {
		return strings.HasPrefix(output(state, "second"), "started\nstarted\n")
	})
	if said := output(state, "first"); said != filepath.Join(bin, "first")+" --flag\n" {
		t.Errorf("the first said %q", said)
	}

	write(t, HoldFile(state, "second"), "", 0o644)
	time.Sleep(2 * restartDelay) // one may have been on its way
	held := output(state, "second")
	time.Sleep(2 * restartDelay)
	if now := output(state, "second"); now != held {
		t.Errorf("started while it is held: %q, then %q", held, now)
	}
	if err := os.Remove(HoldFile(state, "second")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the second starts again when it is not held any more", func() bool {
		return len(output(state, "second")) > len(held)
	})
}

func eventually(t *testing.T, what string, seen func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if seen() {
			return
		}
	}
	t.Errorf("not seen: %s", what)
}

func output(state, program string) string {
	content, _ := os.ReadFile(filepath.Join(state, "logs", program+".log"))
	return string(content)
}

func write(t *testing.T, file, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}
