package boltstore

import (
	"log/slog"
	"os"
	"runtime"
)

// warnOfMode tells that others may read or write a file that was there before. Who
// set that up may have meant it, so the mode stays.
func warnOfMode(f *os.File) {
	info, err := f.Stat()
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return
	}
	slog.Warn("boltstore: others than its owner may read or write the file: chmod 600 it, unless that is meant", "file", f.Name(), "mode", info.Mode().Perm().String())
}
