package lockfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestOneHolderAtATime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "below", "lock")
	const holders = 50
	var count, inside atomic.Int32
	var all sync.WaitGroup
	for range holders {
		all.Go(func() {
			unlock, err := Lock(name)
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			if _, err := os.Stat(name); err != nil {
				t.Errorf("locked, and %v", err)
			}
			if inside.Add(1) != 1 {
				t.Error("two have it locked")
			}
			time.Sleep(time.Millisecond) // for the others to try
			inside.Add(-1)
			count.Add(1)
		})
	}
	all.Wait()
	if count.Load() != holders {
		t.Errorf("%d of %d", count.Load(), holders)
	}
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unlocked, the file is still there: %v", err)
	}
}
