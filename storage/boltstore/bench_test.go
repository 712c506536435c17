package boltstore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

const benchRecords = 10_000

func benchKeys() []string {
	keys := make([]string, benchRecords)
	for i := range keys {
		keys[i] = fmt.Sprintf("service:function:1:%06d", i)
	}
	return keys
}

// BenchmarkGet reads records of 1 KiB: with this package, and with bbolt alone,
// which copies the value as it must to outlive its transaction, or does not.
// The bare ones have no header, checksum and time to look at.
func BenchmarkGet(b *testing.B) {
	keys, value := benchKeys(), make([]byte, 1024)
	b.Run("bbolt", func(b *testing.B) { benchBare(b, keys, value, false) })
	b.Run("bbolt copied", func(b *testing.B) { benchBare(b, keys, value, true) })
	b.Run("store", func(b *testing.B) {
		s := open(b, "", Options{NoSync: true})
		var items []storage.Item
		for _, key := range keys {
			items = append(items, storage.Item{Key: key, Value: value, Keep: time.Hour})
		}
		if err := s.SetMany(b.Context(), items); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if rec, err := s.Get(b.Context(), keys[rand.IntN(benchRecords)]); err != nil || len(rec.Value) != len(value) {
				b.Fatal(err)
			}
		}
	})
}

func benchBare(b *testing.B, keys []string, value []byte, copied bool) {
	db, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	err = db.Update(func(tx *bbolt.Tx) error {
		records, err := tx.CreateBucket(recordBucket)
		for _, key := range keys {
			if err == nil {
				err = records.Put([]byte(key), value)
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var got []byte
		err := db.View(func(tx *bbolt.Tx) error {
			got = tx.Bucket(recordBucket).Get([]byte(keys[rand.IntN(benchRecords)]))
			if copied {
				got = append([]byte{}, got...)
			}
			return nil
		})
		if err != nil || len(got) != len(value) {
			b.Fatal(err)
		}
	}
}

// BenchmarkSet writes records of 1 KiB that the disk acknowledges, one writer
// after the other and a hundred at a time.
func BenchmarkSet(b *testing.B) {
	keys, value := benchKeys(), make([]byte, 1024)
	b.Run("alone", func(b *testing.B) {
		s := open(b, "", Options{})
		for i := 0; b.Loop(); i++ {
			set(b, s, keys[i%benchRecords], string(value), time.Hour)
		}
	})
	b.Run("hundred", func(b *testing.B) {
		s := open(b, "", Options{})
		b.SetParallelism(100)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				set(b, s, keys[rand.IntN(benchRecords)], string(value), time.Hour)
			}
		})
	})
}

// BenchmarkOpen opens a file of 256 MiB of records of 1 KiB.
func BenchmarkOpen(b *testing.B) {
	s := open(b, "", Options{NoSync: true})
	value := make([]byte, 1024)
	for from := 0; from < 240_000; from += 10_000 {
		var items []storage.Item
		for i := range 10_000 {
			items = append(items, storage.Item{Key: fmt.Sprint("service:function:1:", rand.IntN(1e9), from+i), Value: value, Keep: time.Hour})
		}
		if err := s.SetMany(b.Context(), items); err != nil {
			b.Fatal(err)
		}
	}
	info, err := os.Stat(s.path)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s, err := Open(b.Context(), s.path, Options{NoSync: true})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(info.Size())/(1<<20), "file-MiB")
}
