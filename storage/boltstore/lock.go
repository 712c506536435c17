package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// retryLock is how long to wait before a file that is in use is tried again.
const retryLock = 20 * time.Millisecond

// lockFile opens the file that the path names, or makes it, and locks it.
func lockFile(ctx context.Context, path string, timeout time.Duration) (*os.File, error) {
	retry := time.NewTicker(retryLock)
	defer retry.Stop()
	made := false
	for start := time.Now(); ; {
		f, isNew, err := openFile(path)
		if err != nil {
			return nil, err
		}
		made = made || isNew
		locked, err := tryLock(f)
		isEmpty := false
		if err == nil && locked && sameFile(f, path) {
			if isEmpty = !made && empty(f); !isEmpty { // or whoever made it is about to lock it
				return f, nil
			}
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("boltstore: lock %s: %w", path, err)
		}
		if (!locked || isEmpty) && time.Since(start) >= timeout {
			if isEmpty {
				return nil, foreign(path, "is empty")
			}
			return nil, inUse(path, timeout)
		}
		select {
		case <-retry.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("boltstore: waiting for %s: %w", path, ctx.Err())
		}
	}
}

// openFile opens a file, or makes it where there is none. What is no regular file
// is not opened, for that might wait for ever or do something.
func openFile(path string) (f *os.File, isNew bool, err error) {
	info, err := os.Stat(path)
	if err == nil {
		if err := regular(path, info); err != nil {
			return nil, false, err
		}
		f, err = os.OpenFile(path, os.O_RDWR|nonblock, 0)
	} else if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if isNew = err == nil; errors.Is(err, fs.ErrExist) {
			if link, linkErr := os.Lstat(path); linkErr == nil && link.Mode()&fs.ModeSymlink != 0 {
				return nil, false, foreign(path, "is a link to nothing")
			}
			f, err = os.OpenFile(path, os.O_RDWR|nonblock, 0) // somebody else was faster
		}
	}
	if err != nil {
		return nil, false, fmt.Errorf("boltstore: %w: the directory must exist, and the file must be readable and writable", err)
	}
	if info, err = f.Stat(); err == nil { // it may be another one meanwhile
		err = regular(path, info)
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, isNew, nil
}

func empty(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Size() == 0
}

func inUse(path string, waited time.Duration) error {
	return fmt.Errorf("%w: %s is open in another process, or a second time in this one, and was not free within %v: close it there (fuser %s names the process), or give each its own file", ErrInUse, path, waited, path)
}

// sameFile reports whether the path still names what was opened: who had the lock
// before may have set it aside.
func sameFile(f *os.File, path string) bool {
	opened, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(path)
	return err == nil && os.SameFile(opened, named)
}
