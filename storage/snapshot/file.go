package snapshot

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

// WriteFile is Write to a file, which it replaces in one step: whoever opens it finds the
// old file or the new one, whole, after a crash too. With an error the old file stays,
// but for ErrPartial and where the error says that it was replaced. If two write one file
// at once, the last one wins. Only the owner may read the file; its directory must be
// writable. A crash may leave a file .NAME.*.tmp beside it. What is no regular file stays,
// and is ErrNotRegular.
func (f Format[K, V]) WriteFile(ctx context.Context, path string, entries iter.Seq2[K, *entry.Entry[V]]) (n int, err error) {
	var partial error
	err = replaceFile(path, func(w io.Writer) (err error) {
		if n, err = f.Write(ctx, w, entries); errors.Is(err, ErrPartial) {
			partial, err = err, nil
		}
		return err
	})
	if err != nil {
		return n, err
	}
	return n, partial
}

// ReadFile is Read from a file. A missing file is fs.ErrNotExist. What is no regular file
// is ErrNotRegular, and is not opened.
func (f Format[K, V]) ReadFile(ctx context.Context, path string, each func(key K, e *entry.Entry[V]) bool) (n int, err error) {
	file, err := openRegular(path)
	if err != nil {
		return 0, fmt.Errorf("snapshot: it can't be read: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	return f.Read(ctx, file, each)
}

// replaceFile replaces a file by what write writes. It syncs the directory last, which
// says which of the two files has the name.
func replaceFile(path string, write func(w io.Writer) error) error {
	if err := replaceable(path); err != nil {
		return fmt.Errorf("snapshot: it can't be written: %w", err)
	}
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+name+".*.tmp")
	if err != nil {
		return fmt.Errorf("snapshot: it can't be written: %w", err)
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
		return fmt.Errorf("snapshot: it can't be written: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("snapshot: it can't be put in place: %w", err)
	}
	replaced = true
	if err := syncDirectory(dir); err != nil {
		return fmt.Errorf("snapshot: it was replaced, and may be the old one again after a power failure: %w", err)
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
