package boltstore

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

// TestMain fails if a goroutine outlives the tests. In a process that a test
// has started it is that test's writer.
func TestMain(m *testing.M) {
	if path := os.Getenv(writerFile); path != "" {
		writeForEver(path)
	}
	goleak.VerifyTestMain(m)
}

// open opens a store in a new directory, or the one of the path given.
func open(t testing.TB, path string, o Options) *Store {
	t.Helper()
	if path == "" {
		path = filepath.Join(t.TempDir(), "store.db")
	}
	if o.OnDamage == nil {
		o.OnDamage = func(e *DamageError) { t.Errorf("damage is reported: %v", e) }
	}
	s, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.broken.Load() == nil && !s.closed {
			sound(t, s)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func mock() *clock.Mock {
	m := clock.NewMock()
	m.Set(time.Date(2031, 1, 2, 3, 4, 5, 6, time.UTC))
	return m
}

// spoiled are stores that had damaged records, whose places may stay behind.
var spoiled = map[*Store]bool{}

// sound checks that the buckets agree with each other, and with what is counted.
func sound(t testing.TB, s *Store) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		used, records, ends := int64(0), 0, 0
		order, ending := tx.Bucket(orderBucket), tx.Bucket(endBucket)
		err := tx.Bucket(recordBucket).ForEach(func(k, r []byte) error {
			used += charge(k, r)
			records++
			end, number, _, err := unseal(k, r)
			if err != nil {
				return nil // a test's doing
			}
			if string(order.Get(orderKey(number))) != string(k) {
				t.Errorf("record %q is not where it should be in the order", k)
			}
			if end != never {
				ends++
				if string(ending.Get(endKey(end, number))) != string(k) {
					t.Errorf("record %q is not where it should be among the ends", k)
				}
			}
			return nil
		})
		if used != s.used {
			t.Errorf("the records need %d, counted are %d", used, s.used)
		}
		if used > s.capacity {
			t.Errorf("the records need %d, the capacity is %d", used, s.capacity)
		}
		if n := order.Stats().KeyN; n != records && !spoiled[s] {
			t.Errorf("%d records, %d in the order", records, n)
		}
		if n := ending.Stats().KeyN; n != ends && !spoiled[s] {
			t.Errorf("%d records have an end, %d are among them", ends, n)
		}
		return err
	})
	if err != nil {
		t.Errorf("look into the file: %v", err)
	}
	f, err := os.Open(s.path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if _, err := check(context.Background(), f); err != nil {
		t.Errorf("what bbolt wrote is called damaged: %v", err)
	}
}

func set(t testing.TB, s *Store, key, value string, keep time.Duration) {
	t.Helper()
	if err := s.Set(context.Background(), key, []byte(value), keep); err != nil {
		t.Fatalf("Set of %s: %v", shown(key), err)
	}
}

func get(t testing.TB, s *Store, key string) storage.Record {
	t.Helper()
	rec, err := s.Get(context.Background(), key)
	if err != nil {
		t.Fatalf("Get of %s: %v", shown(key), err)
	}
	return rec
}
