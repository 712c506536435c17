package boltstore

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// What a store has written is known by the page with its buckets: bbolt never
// changes one but writes another, so that a file that is damaged or cut mostly has
// some of them. Anything else may be another program's, and is not touched: not
// renamed, and not given to bbolt, which would write to it.

// foreign refuses a file that this store has not written.
func foreign(path, what string) error {
	return fmt.Errorf("%w: %s %s, and stays as it is: give another path; if it is what is left of a store, delete it or move it away", ErrForeign, path, what)
}

// regular refuses what is no file of bytes, such as a directory, a device or a FIFO.
func regular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	what := "is no regular file"
	if info.IsDir() {
		what = "is a directory"
	}
	return foreign(path, what)
}

// refuseForeign refuses a file that no store has written. An empty one is new.
func refuseForeign(ctx context.Context, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("boltstore: %w", err)
	}
	ours, err := isOurs(ctx, f, info.Size())
	if err == nil && !ours && info.Size() > 0 {
		err = foreign(f.Name(), "has nothing in it that a store has written")
	}
	return err
}

// isOurs reports whether a store has written the file, however damaged it is now.
func isOurs(ctx context.Context, file io.ReaderAt, size int64) (bool, error) {
	b := make([]byte, minPageSize) // more than our buckets take
	for at := int64(0); at < size; at += int64(len(b)) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := file.ReadAt(b, at)
		if err != nil && err != io.EOF {
			return false, fmt.Errorf("boltstore: %w", err)
		}
		if hasOurBuckets(uint64(at), b[:n]) {
			return true, nil
		}
	}
	return false, nil
}

// hasOurBuckets looks at what may be a page: a leaf that knows where it stands, in
// which a bucket that is called as ours and has no pages begins with the version.
func hasOurBuckets(at uint64, b []byte) bool {
	if len(b) < pageHeader || number.Uint16(b[8:]) != leafPage {
		return false
	}
	id := number.Uint64(b)
	if id < 2 || at%id != 0 {
		return false
	}
	if size := at / id; size < minPageSize || size > maxPageSize || size&(size-1) != 0 {
		return false
	}
	const inside = bucketHeader + pageHeader + elementSize
	for {
		start := bytes.Index(b, aboutBucket)
		if start < 0 {
			return false
		}
		b = b[start+len(aboutBucket):]
		if len(b) > inside && number.Uint64(b) == 0 && bytes.HasPrefix(b[inside:], []byte("version")) {
			return true
		}
	}
}
