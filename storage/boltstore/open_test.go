package boltstore

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

func TestOpenByURL(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	ctx := context.Background()
	for _, c := range []struct {
		url, path string
		capacity  int64
		noSync    bool
	}{
		{"bolt://" + filepath.ToSlash(dir) + "/absolute.db", "absolute.db", defaultCapacity, false},
		{"bolt://relative.db?capacity=100000&timeout=2s&sync=false", "relative.db", 100_000, true},
		{"bolt://./sub%20dir/relative.db", "sub dir/relative.db", defaultCapacity, false},
	} {
		if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
			t.Fatal(err)
		}
		store, err := storage.Open(ctx, c.url)
		if err != nil {
			t.Fatalf("%s: %v", c.url, err)
		}
		s := store.Bytes().(*Store)
		if s.capacity != c.capacity || s.options.NoSync != c.noSync {
			t.Errorf("%s: capacity %d, no sync %v", c.url, s.capacity, s.options.NoSync)
		}
		set(t, s, "a", "1", storage.Forever)
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(filepath.Join(dir, c.path)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", c.url, info, err)
		}
		if _, err := s.Get(ctx, "a"); !errors.Is(err, ErrClosed) {
			t.Errorf("Get after Close returns %v", err)
		}
		if err := s.Set(ctx, "a", nil, time.Hour); !errors.Is(err, ErrClosed) {
			t.Errorf("Set after Close returns %v", err)
		}
		if err := store.Close(); err != nil {
			t.Errorf("a second Close: %v", err)
		}
	}
	for url, says := range map[string]string{
		"bolt://":                               "the file is missing",
		"bolt://a.db?capacity=0":                "at least 1",
		"bolt://a.db?capacity=1MB":              "whole number",
		"bolt://a.db?timeout=1":                 "duration",
		"bolt://a.db?sync=perhaps":              "true or false",
		"bolt://a.db?sink=true":                 "capacity, prefix, serde, sync, timeout",
		"bolt://secret:s3cr3t@a.db":             "no user",
		"bolt://user%3As3cr3t%40h:11211":        "escaped @",
		"bolt://user%3As3cr3t%40h":              "escaped @",
		"bolt://a,user%3As3cr3t":                "escaped @",
		"bolt://u%253As3cr3t@h":                 "leave them out",
		"bolt:///user%3As3cr3t%40h/x?nothing=1": "may be a password",
		"bolt://h/user%3As3cr3t%40h?nothing=1":  "may be a password",
		"bolt://no/such/directory/a.db":         "directory must exist",
		"bolt://" + filepath.ToSlash(dir):       "directory",
	} {
		_, err := storage.Open(ctx, url)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestRecordsOutliveTheStore(t *testing.T) {
	c := mock()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, Options{Clock: c})
	set(t, s, "eternal", "1", storage.Forever)
	set(t, s, "hour", "2", time.Hour)
	set(t, s, "minute", "3", time.Minute)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	used := s.used
	c.Add(30 * time.Minute)
	s = open(t, path, Options{Clock: c})
	if s.used != used {
		t.Errorf("%d bytes are counted, %d were", s.used, used)
	}
	if rec := get(t, s, "eternal"); string(rec.Value) != "1" || rec.Left != storage.Forever {
		t.Errorf("eternal: %q, %v left", rec.Value, rec.Left)
	}
	if rec := get(t, s, "hour"); string(rec.Value) != "2" || rec.Left != 30*time.Minute {
		t.Errorf("hour: %q, %v left", rec.Value, rec.Left)
	}
	if rec := get(t, s, "minute"); rec.Found {
		t.Errorf("minute is found, with %v left", rec.Left)
	}
}

// TestTokensEndWithTheProcess fills claims that another life of the store gave.
func TestTokensEndWithTheProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, Options{})
	claims, err := s.Claim(t.Context(), time.Hour, "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path, Options{})
	if _, err := s.Claim(t.Context(), time.Hour, "a"); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "a", Keep: time.Hour}, Token: claims[0].Token})
	if err != nil || stored[0] {
		t.Errorf("Fill says %v, %v", stored, err)
	}
}

func TestSecondOpenIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, Options{})
	set(t, s, "a", "1", time.Hour)
	start := time.Now()
	_, err := Open(context.Background(), path, Options{Timeout: 50 * time.Millisecond})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "fuser") {
		t.Errorf("it returns %v", err)
	}
	if waited := time.Since(start); waited < 50*time.Millisecond || waited > 10*time.Second {
		t.Errorf("it waits for %v", waited)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, path, Options{Timeout: time.Hour}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("under a context it returns %v", err)
	}
	if rec := get(t, s, "a"); !rec.Found {
		t.Error("the first has lost its record")
	}
	opened := make(chan error)
	go func() {
		second, err := Open(context.Background(), path, Options{Timeout: time.Minute})
		if err == nil {
			err = second.Close()
		}
		opened <- err
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Errorf("one who waits for the file gets %v", err)
	}
}

func TestOtherProcessIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), writerFile+"="+path, "BOLTSTORE_WRITER_ROUND=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), path, Options{Timeout: 50 * time.Millisecond}); !errors.Is(err, ErrInUse) {
		t.Errorf("it returns %v", err)
	}
}

// TestForeignFile leaves the files of others as they are.
func TestForeignFile(t *testing.T) {
	for name, fill := range map[string]func(tx *bbolt.Tx) error{
		"another program's": func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("users"))
			if err == nil {
				b, err = b.CreateBucket([]byte("nested"))
			}
			if err == nil {
				err = b.Put([]byte("k"), make([]byte, 10_000))
			}
			return err
		},
		"a later version's": func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket(aboutBucket)
			if err == nil {
				err = b.Put([]byte("version"), []byte("2"))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "other.db")
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(fill), db.Close()); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Open(t.Context(), path, Options{}); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), "another path") {
				t.Errorf("it returns %v", err)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
}

func TestBadOptions(t *testing.T) {
	for _, o := range []Options{{Capacity: -1}, {Timeout: -1}} {
		if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), o); err == nil || !strings.Contains(err.Error(), "below zero") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestSameFile has a path name another file than the one that was opened.
func TestSameFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if !sameFile(f, path) {
		t.Error("it is not itself")
	}
	if err := os.Rename(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	if sameFile(f, path) {
		t.Error("it is what is not there")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if sameFile(f, path) {
		t.Error("it is the file that took its place")
	}
}
