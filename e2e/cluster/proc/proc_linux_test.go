package proc

import (
	"os"
	"slices"
	"testing"
)

func TestThisProcessIsWhatItIs(t *testing.T) {
	if got := CommandLine(os.Getpid()); !slices.Equal(got, os.Args) {
		t.Errorf("command line: %q, not %q", got, os.Args)
	}
	if got := Parent(os.Getpid()); got != os.Getppid() {
		t.Errorf("parent: %d, not %d", got, os.Getppid())
	}
	all := InNamespaceOf(os.Getpid())
	at := slices.IndexFunc(all, func(p Process) bool { return p.PID == os.Getpid() })
	if at < 0 {
		t.Fatal("it is not in its own namespace")
	}
	if memory := all[at].Memory; memory < 1<<10 || memory > 1<<20 {
		t.Errorf("memory: %d KiB", memory)
	}
}

func TestAProcessThatIsNotThereIsNothing(t *testing.T) {
	const absent = 1 << 30
	if CommandLine(absent) != nil || Parent(absent) != 0 || InNamespaceOf(absent) != nil {
		t.Error("something is known of it")
	}
}
