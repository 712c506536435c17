package boltstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

// spoil changes one byte of a record's value in the file.
func spoil(t *testing.T, s *Store, key string) {
	t.Helper()
	spoiled[s] = true
	err := s.db.Update(func(tx *bbolt.Tx) error {
		k := inFile(key)
		r := bytes.Clone(tx.Bucket(recordBucket).Get(k))
		r[len(r)-1] ^= 0x10
		return tx.Bucket(recordBucket).Put(k, r)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedRecord(t *testing.T) {
	ctx := context.Background()
	s := open(t, "", Options{NoSync: true})
	keys := []string{"get", "set", "add", "delete", "touch", "fill", "swap", "many"}
	for _, key := range keys {
		set(t, s, key, "value", time.Hour)
		spoil(t, s, key)
	}
	set(t, s, "good", "value", time.Hour)

	rec, err := s.Get(ctx, "get")
	if !errors.Is(err, ErrRecord) || rec.Found || !strings.Contains(err.Error(), `"get"`) {
		t.Errorf("Get returns %v, %v", rec, err)
	}
	records, err := s.GetMany(ctx, []string{"many", "good"})
	if !errors.Is(err, ErrRecord) || records[0].Found || string(records[1].Value) != "value" {
		t.Errorf("GetMany returns %v, %v", records, err)
	}
	for key, err := range s.Keys(ctx, "") {
		if err != nil || key != "good" {
			t.Errorf("Keys yields %q, %v", key, err)
		}
	}
	if existed, err := s.Delete(ctx, "delete"); existed || err != nil {
		t.Errorf("Delete says %v, %v", existed, err)
	}
	if touched, err := s.Touch(ctx, time.Hour, "touch"); err != nil || touched[0] {
		t.Errorf("Touch says %v, %v", touched, err)
	}

	set(t, s, "set", "new", time.Hour)
	if added, err := s.Add(ctx, "add", []byte("new"), time.Hour); !added || err != nil {
		t.Errorf("Add says %v, %v", added, err)
	}
	claims, err := s.Claim(ctx, time.Hour, "fill")
	if err != nil || claims[0].Found {
		t.Fatalf("Claim returns %v, %v", claims, err)
	}
	if stored, err := s.Fill(ctx, storage.Filling{Item: storage.Item{Key: "fill", Value: []byte("new"), Keep: time.Hour}, Token: claims[0].Token}); err != nil || !stored[0] {
		t.Errorf("Fill says %v, %v", stored, err)
	}
	if claims, err = s.Claim(ctx, time.Hour, "swap"); err != nil || claims[0].Found {
		t.Fatalf("Claim returns %v, %v", claims, err)
	}
	if swapped, err := s.CompareAndSwap(ctx, claims[0], storage.Item{Key: "swap", Value: []byte("new"), Keep: time.Hour}); err != nil || !swapped {
		t.Errorf("CompareAndSwap says %v, %v", swapped, err)
	}
	for _, key := range []string{"set", "add", "fill", "swap"} {
		if rec := get(t, s, key); string(rec.Value) != "new" {
			t.Errorf("%s: %q after it was written again", key, rec.Value)
		}
	}
	if err := s.Clear(ctx, ""); err != nil {
		t.Error(err)
	}
	if s.used != 0 {
		t.Errorf("an empty store needs %d", s.used)
	}
	set(t, s, "short", "1", time.Nanosecond) // its sweep clears what damaged records left behind
	set(t, s, "short", "1", 0)
}

// TestDamagedRecordsAreEvicted has records whose places are unknown put out like
// others.
func TestDamagedRecordsAreEvicted(t *testing.T) {
	c := mock()
	s := open(t, "", Options{NoSync: true, Capacity: 20_000, Clock: c})
	for i := range 50 {
		key := fmt.Sprint(i)
		set(t, s, key, strings.Repeat("v", 100), time.Hour)
		if i%3 == 0 {
			spoil(t, s, key)
			set(t, s, key, strings.Repeat("w", 100), time.Hour) // leaves the old place behind
		}
		if i%3 == 1 {
			spoil(t, s, key)
		}
	}
	c.Add(30 * time.Minute)
	for i := range 200 {
		set(t, s, fmt.Sprint("later", i), strings.Repeat("v", 100), time.Hour)
	}
	for i := range 50 {
		if rec := get(t, s, fmt.Sprint(i)); rec.Found {
			t.Errorf("%d was not put out", i)
		}
	}
}

// TestCutWhileInUse takes the file's pages away under a running store: what
// would be a fatal fault is an error, and the file makes room for a new one.
func TestCutWhileInUse(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut there")
	}
	for _, write := range []bool{false, true} {
		t.Run(fmt.Sprintf("write=%v", write), func(t *testing.T) {
			ctx := context.Background()
			var store *Store
			var mu sync.Mutex
			var reports []*DamageError
			path := filepath.Join(t.TempDir(), "store.db")
			o := Options{NoSync: true, OnDamage: func(e *DamageError) {
				mu.Lock()
				defer mu.Unlock()
				reports = append(reports, e)
				if err := store.Set(ctx, "a", nil, time.Hour); err == nil {
					t.Error("the store can be used while damage is reported")
				}
			}}
			s := open(t, path, o)
			store = s
			for i := range 2000 {
				if i%200 == 0 {
					set(t, s, fmt.Sprint("large", i), strings.Repeat("v", 5000), time.Hour)
				}
			}
			if err := os.Truncate(path, int64(4*os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
			var calls sync.WaitGroup
			for i := range 8 {
				calls.Go(func() {
					key := fmt.Sprint("large", 200*i)
					var err error
					if write {
						err = s.Set(ctx, key, nil, time.Hour)
					} else {
						_, err = s.Get(ctx, key)
					}
					var damage *DamageError
					if !errors.As(err, &damage) {
						t.Errorf("call %d returns %v", i, err)
					}
				})
			}
			calls.Wait()
			if len(reports) != 1 || reports[0].Aside == "" {
				t.Fatalf("%d reports: %v", len(reports), reports)
			}
			if !errors.Is(reports[0], errDamaged) || !strings.Contains(reports[0].Stack, "bbolt") {
				t.Errorf("the report is %v, met at %s", reports[0], reports[0].Stack)
			}
			if s.Damage() != reports[0] {
				t.Errorf("Damage returns %v", s.Damage())
			}
			if _, err := os.Stat(reports[0].Aside); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = open(t, path, Options{})
			if s.Damage() != nil {
				t.Errorf("the new file is called damaged: %v", s.Damage())
			}
			set(t, s, "a", "1", time.Hour)
		})
	}
}

// TestDamageIsLogged has no OnDamage: the warning comes once, and names both
// files.
func TestDamageIsLogged(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	path := filepath.Join(t.TempDir(), "store.db")
	b := sample(t)
	if err := os.WriteFile(path, b[:len(b)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), s.Damage().Aside) {
		t.Errorf("the log says %d times: %s", n, log.String())
	}
	set(t, s, "a", "1", time.Hour)
}

// TestSetAsideFails has a directory that nothing can be renamed in.
func TestSetAsideFails(t *testing.T) {
	e := setAside(filepath.Join(t.TempDir(), "gone.db"), errors.New("odd"))
	if e.Aside != "" || !errors.Is(e, os.ErrNotExist) || !strings.Contains(e.Error(), "odd") || !strings.Contains(e.Error(), "move it away") {
		t.Errorf("%q: %v", e.Aside, e)
	}
}

// TestMissingBucket has a file whose structure is sound, but which lacks a part.
func TestMissingBucket(t *testing.T) {
	s := open(t, "", Options{})
	set(t, s, "a", "1", time.Hour)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(s.path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket(orderBucket) }), db.Close()); err != nil {
		t.Fatal(err)
	}
	reported := 0
	s = open(t, s.path, Options{OnDamage: func(*DamageError) { reported++ }})
	if reported != 1 || s.Damage() == nil || get(t, s, "a").Found {
		t.Errorf("%d reports, %v", reported, s.Damage())
	}
}
