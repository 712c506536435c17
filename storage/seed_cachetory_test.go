package storage_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
)

// The tests of this file are what cachetory's tests of its Cache assert, over a
// function's part of a store. Those of its backends are checks of storagetest,
// which are called as here.

// newShared is a function's part of a Store of its own over the bytes.
func newShared(t *testing.T, b storage.Bytes, name string, opts ...storage.ShareOption) *storage.Shared[string, int] {
	t.Helper()
	store, err := storage.Share(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.NewPart[string, int](store, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(name); err != nil {
		t.Fatal(err)
	}
	return s
}

func number(n int) *entry.Entry[int] {
	return entry.New(n, entry.At(time.Now()), entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
}

func offer(t *testing.T, s storage.Storage[string, int], key string, n int) {
	t.Helper()
	if err := s.Offer(t.Context(), key, number(n)); err != nil {
		t.Fatal(err)
	}
}

// wantNumber wants a value, or nothing where want is below zero.
func wantNumber(t *testing.T, s storage.Storage[string, int], key string, want int) {
	t.Helper()
	e, err := s.Get(t.Context(), key)
	switch {
	case err != nil:
		t.Fatal(err)
	case want < 0 && e != nil:
		t.Fatalf("%s is %v, want nothing", key, e.Value)
	case want >= 0 && (e == nil || e.Value != want):
		t.Fatalf("%s is %v, want %d", key, e, want)
	}
}

func TestCachetory16SetGet(t *testing.T) {
	s := newShared(t, newMemory(t), "numbers")
	offer(t, s, "foo", 42)
	wantNumber(t, s, "foo", 42)
	wantNumber(t, s, "bar", -1) // 18, where the caller says what it wants instead
}

// A prefix is put before what is asked for, too, and is no part of what comes back.
func TestCachetory19GetManyLeavesOutWhatIsMissing(t *testing.T) {
	m := newMemory(t)
	s := newShared(t, m, "numbers", storage.Prefix("a:"))
	many := s.Abilities().Bulk
	if err := many.OfferMany(t.Context(), []string{"foo", "bar"}, []*entry.Entry[int]{number(1), number(2)}); err != nil { // 20
		t.Fatal(err)
	}
	got, err := many.GetMany(t.Context(), []string{"bar", "none", "foo"})
	if err != nil || len(got) != 3 || got[0].Value != 2 || got[1] != nil || got[2].Value != 1 {
		t.Fatalf("got %v, %v", got, err)
	}
	if r, err := m.Get(t.Context(), `a:numbers:0:"foo"`); err != nil || !r.Found {
		t.Errorf("under its whole key there is %+v, %v", r, err)
	}
}

func TestCachetory21DeleteThenNothing(t *testing.T) {
	s := newShared(t, newMemory(t), "numbers")
	offer(t, s, "foo", 42)
	for range 2 { // 24: to delete what is missing is no error
		if err := s.Release(t.Context(), "foo"); err != nil {
			t.Fatal(err)
		}
		wantNumber(t, s, "foo", -1)
	}
}

func TestCachetory22ClearLeavesOthersAlone(t *testing.T) {
	m := newMemory(t)
	ours := newShared(t, m, "numbers", storage.Prefix("a:"))
	others := []storage.Storage[string, int]{
		newShared(t, m, "numbers", storage.Prefix("b:")),
		newShared(t, m, "number", storage.Prefix("a:")),
		newShared(t, m, "numbers2", storage.Prefix("a:")),
	}
	for _, s := range append(others, ours) {
		offer(t, s, "foo", 42)
	}
	if err := ours.Abilities().Clearer.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantNumber(t, ours, "foo", -1)
	for _, s := range others {
		wantNumber(t, s, "foo", 42)
	}
}

func TestCachetory26EncodedRoundTrip(t *testing.T) {
	m := newMemory(t)
	written := map[string][]byte{}
	for _, format := range []string{"json", "gob", "json+zlib", "gob+zlib", "entry-json+zip"} {
		s := newShared(t, m, "numbers", storage.Format(format))
		offer(t, s, "foo", 42)
		wantNumber(t, s, "foo", 42)
		r, err := m.Get(t.Context(), `numbers:0:"foo"`)
		if err != nil || !r.Found {
			t.Fatalf("%s: %+v, %v", format, r, err)
		}
		for other, record := range written {
			if bytes.Equal(record, r.Value) {
				t.Errorf("%s and %s write the same", format, other)
			}
		}
		written[format] = r.Value
	}
	s := newShared(t, m, "numbers")
	if err := m.Set(t.Context(), `numbers:0:"foo"`, written["gob+zlib"], time.Hour); err != nil {
		t.Fatal(err)
	}
	if e, err := s.Get(t.Context(), "foo"); e != nil || !errors.Is(err, serde.ErrCodec) {
		t.Errorf("what is written in another format is read as %v, %v", e, err)
	}
}
