package boltstore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
)

// TestOldestGoesFirst fills the store past its capacity: what is there is what
// was written last, whatever its time and key.
func TestOldestGoesFirst(t *testing.T) {
	const size = 1000
	s := open(t, "", Options{NoSync: true, Capacity: 10 * size})
	r := rand.New(rand.NewPCG(1, 2))
	perRecord := int64(size)
	var order []string
	for i := range 200 {
		key := fmt.Sprintf("%05d", r.IntN(100_000))
		keep := time.Duration(1+r.IntN(1000)) * time.Hour
		if i%3 == 0 {
			keep = storage.Forever
		}
		set(t, s, key, strings.Repeat("v", int(perRecord)-len(key)-1-headerSize-overhead), keep)
		for j, other := range order {
			if other == key {
				order = append(order[:j], order[j+1:]...)
				break
			}
		}
		if order = append(order, key); len(order) > 10 {
			order = order[1:]
		}
		if s.used != perRecord*int64(len(order)) {
			t.Fatalf("%d records need %d", len(order), s.used)
		}
	}
	var held []string
	for key, err := range s.Keys(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, key)
	}
	if len(held) != len(order) {
		t.Errorf("it holds %q, want %q", held, order)
	}
	for _, key := range order {
		if !get(t, s, key).Found {
			t.Errorf("%s is gone", key)
		}
	}
}

// TestExpiredGoWithWrites has many records expire: those who write afterwards
// drop them, a few each.
func TestExpiredGoWithWrites(t *testing.T) {
	c := mock()
	s := open(t, "", Options{NoSync: true, Clock: c})
	for i := range 100 {
		set(t, s, fmt.Sprint("short", i), "v", time.Duration(1+i%10)*time.Second)
	}
	set(t, s, "long", "v", time.Hour)
	c.Add(5 * time.Second) // half of them are over
	count := func() (n int) {
		err := s.db.View(func(tx *bbolt.Tx) error {
			n = tx.Bucket(recordBucket).Stats().KeyN
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 101 {
		t.Fatalf("%d records without a write", n)
	}
	for i := range 6 {
		set(t, s, "long", "v", time.Hour)
		if n, want := count(), 101-sweepSize*(i+1); n != want {
			t.Errorf("%d records after %d writes, want %d", n, i+1, want)
		}
	}
	for range 3 {
		set(t, s, "long", "v", time.Hour)
	}
	if n := count(); n != 51 {
		t.Errorf("%d records in the end, want 51", n)
	}
}

// TestFileIsBounded writes the capacity over many times.
func TestFileIsBounded(t *testing.T) {
	const capacity = 1 << 20
	s := open(t, "", Options{NoSync: true, Capacity: capacity})
	r := rand.New(rand.NewPCG(3, 4))
	var items []storage.Item
	written := 0
	for written < 6*capacity {
		items = items[:0]
		for range 20 {
			value := make([]byte, r.IntN(4000))
			written += len(value)
			items = append(items, storage.Item{Key: fmt.Sprint(r.IntN(5000)), Value: value, Keep: time.Hour})
		}
		if err := s.SetMany(t.Context(), items); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes for a capacity of %d, after %d were written", info.Size(), capacity, written)
	if info.Size() > 4*capacity {
		t.Errorf("the file has grown to %d", info.Size())
	}
}

func TestTooLarge(t *testing.T) {
	ctx := context.Background()
	s := open(t, "", Options{NoSync: true, Capacity: 1000})
	set(t, s, "a", "old", time.Hour)
	large := make([]byte, 1000)
	claims, err := s.Claim(ctx, time.Hour, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "raise the capacity") {
			t.Errorf("%s returns %v", what, err)
		}
	}
	check("Set", s.Set(ctx, "a", large, time.Hour))
	_, err = s.Add(ctx, "new", large, time.Hour)
	check("Add", err)
	check("SetMany", s.SetMany(ctx, []storage.Item{{Key: "a", Value: large, Keep: time.Hour}, {Key: "c", Value: []byte("1"), Keep: time.Hour}}))
	stored, err := s.Fill(ctx,
		storage.Filling{Item: storage.Item{Key: "a", Value: large, Keep: time.Hour}, Token: claims[0].Token},
		storage.Filling{Item: storage.Item{Key: "b", Value: []byte("1"), Keep: time.Hour}, Token: claims[1].Token})
	check("Fill", err)
	if stored[0] || !stored[1] {
		t.Errorf("Fill says %v", stored)
	}
	for key, want := range map[string]string{"a": "old", "b": "1", "c": "1"} {
		if rec := get(t, s, key); string(rec.Value) != want {
			t.Errorf("%s holds %q, want %q", key, rec.Value, want)
		}
	}
	set(t, s, "a", string(large), 0)
	if get(t, s, "a").Found {
		t.Error("a large value for no time does not delete")
	}
	long := strings.Repeat("k", maxKey+1)
	if err := s.Set(ctx, long, nil, time.Hour); !errors.Is(err, ErrKey) || len(err.Error()) > 300 {
		t.Errorf("a long key: %v", err)
	}
	if rec := get(t, s, long); rec.Found {
		t.Error("it is found")
	}
}

// TestRemediesAreErrors: where keys are hidden only what wraps nothing is shown.
func TestRemediesAreErrors(t *testing.T) {
	s := open(t, "", Options{Capacity: 1 << 20, NoSync: true})
	large := s.Set(t.Context(), "k", make([]byte, 2<<20), time.Hour)
	long := s.Set(t.Context(), strings.Repeat("k", maxKey+1), nil, time.Hour)
	for err, remedy := range map[error]string{large: "raise the capacity", long: "hash it", ErrRecord: "write it again"} {
		if shown := strings.Join(checks.Leaves(err), "; "); !strings.Contains(shown, remedy) {
			t.Errorf("%v is shown as %q", err, shown)
		}
	}
}

// TestLowerCapacity opens a file with less room than it needs.
func TestLowerCapacity(t *testing.T) {
	s := open(t, "", Options{NoSync: true})
	for i := range 100 {
		set(t, s, fmt.Sprint(i), strings.Repeat("v", 1000), time.Hour)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, s.path, Options{NoSync: true, Capacity: 20_000})
	if rec := get(t, s, "0"); !rec.Found {
		t.Error("a record is gone before there was a write")
	}
	set(t, s, "new", "1", time.Hour)
	if get(t, s, "0").Found || !get(t, s, "99").Found || !get(t, s, "new").Found {
		t.Error("others than the oldest are gone")
	}
}
