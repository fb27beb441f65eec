package mount

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// Sequence mounts until something fails: after that its methods do nothing.
type Sequence struct{ err error }

// Err is what failed first.
func (m *Sequence) Err() error { return m.err }

// Mount is mount(2).
func (m *Sequence) Mount(source, target, kind string, flags uintptr, data string) {
	if m.err == nil {
		if err := syscall.Mount(source, target, kind, flags, data); err != nil {
			m.err = fmt.Errorf("mounting %s at %s: %w", source, target, err)
		}
	}
}

// Mkdir makes a directory and its parents.
func (m *Sequence) Mkdir(path string) {
	if m.err == nil {
		m.err = os.MkdirAll(path, 0o755)
	}
}

// Bind puts a directory, with what is mounted in it, at target as well. target is
// made if it is not there.
func (m *Sequence) Bind(source, target string) {
	m.Mkdir(target)
	m.Mount(source, target, "", syscall.MS_BIND|syscall.MS_REC, "")
}

// Open gives a path to a directory that holds even when something is mounted over it.
func (m *Sequence) Open(path string) string {
	fd, err := syscall.Open(path, syscall.O_DIRECTORY|syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil && m.err == nil {
		m.err = fmt.Errorf("opening %s: %w", path, err)
	}
	return "/proc/self/fd/" + strconv.Itoa(fd)
}

// Decoy puts a file with the same content in a kernel setting's place. A
// setting that this kernel lacks is passed over.
func (m *Sequence) Decoy(setting, file string) {
	content, err := os.ReadFile(setting)
	if m.err != nil || errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = os.WriteFile(file, content, 0o644)
	}
	if err != nil {
		m.err = err
		return
	}
	m.Mount(file, setting, "", syscall.MS_BIND, "")
}
