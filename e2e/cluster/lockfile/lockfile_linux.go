package lockfile

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Lock locks a file, which is made if it is not there, and waits for whoever has it
// locked. Unlocking removes the file: a lock on a file that is no longer there is no
// lock.
func Lock(name string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			file.Close()
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		locked, err := file.Stat()
		if err != nil {
			file.Close()
			return nil, err
		}
		if now, err := os.Stat(name); err == nil && os.SameFile(locked, now) {
			return func() {
				_ = os.Remove(name)
				file.Close()
			}, nil
		}
		file.Close()
	}
}
