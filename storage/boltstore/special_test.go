//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package boltstore

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestNoRegularFiles has what would never end or never open.
func TestNoRegularFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "link")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Symlink(fifo, link)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo, link, "/dev/null", "/dev/zero", "/dev/tty"} {
		if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("there are %v, %v", left, err)
	}
	_, _, err := openFile(fifo)
	if !errors.Is(err, ErrForeign) {
		t.Errorf("openFile returns %v", err)
	}
}
