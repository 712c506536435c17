package boltstore

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
)

// others are files that no store has written.
func others(t *testing.T) map[string][]byte {
	page := os.Getpagesize()
	ours := sample(t)
	other := func(f func(tx *bbolt.Tx) error) []byte {
		path := filepath.Join(t.TempDir(), "other.db")
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true}) // which others would write to
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(f), db.Close()); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	theirs := other(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("users"))
		if err != nil {
			return err
		}
		return b.Put(aboutBucket, []byte(strings.Repeat("version", 1000)))
	})
	return map[string][]byte{
		"empty":                      {},
		"one byte":                   {1},
		"text":                       []byte(strings.Repeat("this is no store\n", 5000)),
		"zeros":                      make([]byte, 1<<16),
		"SQLite":                     append([]byte("SQLite format 3\x00"), make([]byte, 8176)...),
		"a copy of a store in a tar": append(make([]byte, 512), ours...),
		"text about stores":          []byte(strings.Repeat("perennial\x00\x00\x00\x00\x00\x00\x00\x00 version perennial.record\n", 500)),
		"another bbolt":              theirs,
		"another bbolt, cut short":   theirs[:len(theirs)-1],
		"another bbolt, no metas":    append(make([]byte, 2*page), theirs[2*page:]...),
		"a bbolt without buckets":    other(func(*bbolt.Tx) error { return nil }),
		"nothing but meta pages":     ours[:2*page],
		"nothing but a meta page":    ours[:page],
	}
}

// TestFilesOfOthersStayAsTheyAre also has a link to each, and a directory in which
// nothing may be left.
func TestFilesOfOthersStayAsTheyAre(t *testing.T) {
	for name, content := range others(t) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
			long := time.Now().Add(-time.Hour).Truncate(time.Second)
			err := errors.Join(os.WriteFile(path, content, 0o640), os.Chtimes(path, long, long), os.Symlink(path, link))
			if err != nil {
				t.Fatal(err)
			}
			before, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{path, link} {
				_, err := Open(t.Context(), path, Options{Timeout: time.Millisecond, OnDamage: func(e *DamageError) { t.Error(e) }})
				if !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "another path") || !strings.Contains(err.Error(), dir) {
					t.Errorf("Open returns %v", err)
				}
			}
			after, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if !os.SameFile(before, after) || after.Mode() != before.Mode() || !after.ModTime().Equal(long) {
				t.Errorf("the file was %v and is %v", before, after)
			}
			if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
				t.Errorf("it was changed, %v", err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
				t.Errorf("there are %v, %v", left, err)
			}
		})
	}
}

// TestLinks: a file is opened through a link, damage moves the file and not the
// link, and a link to nothing is left alone.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), link, Options{}); !errors.Is(err, ErrForeign) {
		t.Errorf("a link to nothing: %v", err)
	}
	b := sample(t)
	if err := os.WriteFile(path, b[:len(b)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, link, Options{OnDamage: func(*DamageError) {}})
	if s.Damage() == nil || !strings.HasPrefix(filepath.Base(s.Damage().Aside), "file.damaged-") {
		t.Errorf("damage: %v", s.Damage())
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link names %q, %v", to, err)
	}
}

// TestModeOfOthers: a file that others may read keeps its mode, and that is said.
func TestModeOfOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no such modes there")
	}
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	path := filepath.Join(t.TempDir(), "store.db")
	for _, c := range []struct {
		mode os.FileMode
		says int
	}{{0o600, 0}, {0o644, 1}, {0o660, 1}, {0o602, 1}} {
		log.Reset()
		s, err := Open(t.Context(), path, Options{})
		if err == nil {
			err = errors.Join(s.Close(), os.Chmod(path, c.mode))
		}
		if err != nil {
			t.Fatal(err)
		}
		log.Reset()
		if s, err = Open(t.Context(), path, Options{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "chmod 600"); n != c.says {
			t.Errorf("%v: the log says %s", c.mode, log.String())
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != c.mode {
			t.Errorf("%v is %v, %v", c.mode, info.Mode(), err)
		}
	}
}

// TestWhoeverMadeTheFileHasIt: one that is empty and about to be used by who made
// it is waited for.
func TestWhoeverMadeTheFileHasIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := sample(t)
	opened := make(chan error)
	go func() {
		s, err := Open(t.Context(), path, Options{Timeout: time.Minute})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	if err := os.WriteFile(path+".made", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".made", path); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}
