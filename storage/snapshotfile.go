package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"

	"github.com/perennial-go/perennial/entry"
)

// WriteFile is Write to a file, in place of one that may be there: whoever opens
// it finds the one or the other whole, after a crash too. With an error it is the
// old one, but for ErrSnapshotPartial and where the error says that it was replaced. Of two that write one file
// at a time the later holds. The file is the owner's alone to read; its directory
// must be writable. A crash may leave a file of the same name behind it, with a
// dot before and .tmp after. What is no regular file is ErrNotRegular and stays.
func (s Snapshot[K, V]) WriteFile(ctx context.Context, path string, entries iter.Seq2[K, *entry.Entry[V]]) (n int, err error) {
	var partial error
	err = replaceFile(path, func(w io.Writer) (err error) {
		if n, err = s.Write(ctx, w, entries); errors.Is(err, ErrSnapshotPartial) {
			partial, err = err, nil
		}
		return err
	})
	if err != nil {
		return n, err
	}
	return n, partial
}

// ReadFile is Read from a file. That there is none is fs.ErrNotExist. What is no
// regular file is ErrNotRegular, at once.
func (s Snapshot[K, V]) ReadFile(ctx context.Context, path string, each func(key K, e *entry.Entry[V]) bool) (n int, err error) {
	f, err := openRegular(path)
	if err != nil {
		return 0, fmt.Errorf("storage: the snapshot can't be read: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return s.Read(ctx, f, each)
}

// replaceFile puts what write writes in the place of a file. The directory is
// synced last, for it is what says which of the two files has the name.
func replaceFile(path string, write func(w io.Writer) error) error {
	if err := replaceable(path); err != nil {
		return fmt.Errorf("storage: the snapshot can't be written: %w", err)
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+name+".*.tmp")
	if err != nil {
		return fmt.Errorf("storage: the snapshot can't be written: %w", err)
	}
	replaced := false
	defer func() { // also where write panics
		if !replaced {
			_ = f.Close() // again, mostly
			_ = os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("storage: the snapshot can't be written: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("storage: the snapshot can't be put in place: %w", err)
	}
	replaced = true
	if err := syncDirectory(dir); err != nil {
		return fmt.Errorf("storage: the snapshot was replaced, and may be the old one again after a power failure: %w", err)
	}
	return nil
}

func syncDirectory(dir string) error {
	if runtime.GOOS == "windows" { // can't, and needn't
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
