//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package servers

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// claim claims a port among the tests of this machine, until this one has ended. It
// tells whether nobody else has claimed it.
func claim(t testing.TB, port int) bool {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "perennial-test-ports-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatalf("servers: %v", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatalf("servers: %v", err)
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return false
	}
	t.Cleanup(func() { f.Close() }) // which frees it, as the end of the process does
	return true
}
