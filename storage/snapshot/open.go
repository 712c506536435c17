package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ErrNotRegular marks the error of a path that names a directory, a FIFO, a device or a
// socket: reading one may never end, and it must not be replaced.
var ErrNotRegular = errors.New("snapshot: it is kept in a regular file, and this is none: give another path")

// openRegular opens a regular file to read it, and nothing else. If something else takes
// the file's place meanwhile, opening it does not wait.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := regular(path, info); err != nil {
		return nil, err
	}
	return openNow(path)
}

// openNow opens without waiting, and keeps what is a regular file.
func openNow(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = regular(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// replaceable returns an error where a path names something that is no regular file.
func replaceable(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return regular(path, info)
}

func regular(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is %v", ErrNotRegular, path, info.Mode().Type())
	}
	return nil
}
