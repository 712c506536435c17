package boltstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// retryLock is how long to wait before a file that is in use is tried again.
const retryLock = 20 * time.Millisecond

// lockFile opens the file that the path names and locks it.
func lockFile(ctx context.Context, path string, timeout time.Duration) (*os.File, error) {
	retry := time.NewTicker(retryLock)
	defer retry.Stop()
	for start := time.Now(); ; {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("boltstore: %w: the directory must exist, and the file must be readable and writable", err)
		}
		locked, err := tryLock(f)
		if err == nil && locked && sameFile(f, path) {
			return f, nil
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("boltstore: lock %s: %w", path, err)
		}
		if !locked && time.Since(start) >= timeout {
			return nil, inUse(path, timeout)
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("boltstore: waiting for %s: %w", path, ctx.Err())
		}
	}
}

func inUse(path string, waited time.Duration) error {
	return fmt.Errorf("%w: %s is open in another process, or a second time in this one, and was not free within %v: close it there (fuser %s names the process), or give each its own file", ErrInUse, path, waited, path)
}

// sameFile tells whether the path still names what was opened: who had the lock
// before may have set it aside.
func sameFile(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}
