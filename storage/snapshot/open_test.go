//go:build unix

package snapshot_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage/snapshot"
)

// TestSnapshotsAreRegularFiles: what else a path may name is neither waited for nor
// replaced.
func TestSnapshotsAreRegularFiles(t *testing.T) {
	dir := t.TempDir()
	fifo, link, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "link"), filepath.Join(dir, "socket")
	sub := filepath.Join(dir, "sub")
	if err := errors.Join(syscall.Mkfifo(fifo, 0o600), os.Symlink(fifo, link), os.Mkdir(sub, 0o700)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Skip("no sockets here:", err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, path := range []string{fifo, link, socket, sub, os.DevNull, "/dev/zero"} {
		before, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, ctx := range []context.Context{ctx, t.Context()} {
			var s snapshot.Format[string, int]
			n, err := s.ReadFile(ctx, path, func(string, *entry.Entry[int]) bool { return true })
			if !errors.Is(err, snapshot.ErrNotRegular) || n != 0 {
				t.Errorf("%s: ReadFile returns %d, %v", path, n, err)
			}
			if filepath.Dir(path) != dir {
				continue // who breaks this is to break no machine
			}
			n, err = s.WriteFile(ctx, path, func(func(string, *entry.Entry[int]) bool) {})
			if !errors.Is(err, snapshot.ErrNotRegular) || n != 0 {
				t.Errorf("%s: WriteFile returns %d, %v", path, n, err)
			}
		}
		if after, err := os.Lstat(path); err != nil || after.Mode() != before.Mode() || !os.SameFile(before, after) {
			t.Errorf("%s was %v and is %v, %v", path, before, after, err)
		}
	}
	if _, err := snapshot.OpenNow(fifo); !errors.Is(err, snapshot.ErrNotRegular) { // it has taken the file's place
		t.Errorf("a FIFO that was a file: %v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 4 {
		t.Errorf("there are %v, %v", left, err)
	}
	var s snapshot.Format[string, int]
	if _, err := s.ReadFile(t.Context(), filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of no file ReadFile returns %v", err)
	}
}
