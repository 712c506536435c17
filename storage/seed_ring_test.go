package storage_test

import (
	"strings"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
)

// The tests of this file are what ring's tests assert of a function's part of a
// store. Those of its storages are checks of storagetest, and in memory_test.go.

func TestRing10KeyExpiryAndClear(t *testing.T) {
	mock := clock.NewMock()
	m := newMemory(t, storage.MemoryClock(mock))
	s := newShared(t, m, "numbers")
	s.SetClock(func() entry.Instant { return entry.At(mock.Now()) })
	life := entry.Life{UpdateAfter: 10 * time.Second, ExpireAfter: 10 * time.Second}
	if err := s.Offer(t.Context(), "1:2", entry.New(102, entry.At(mock.Now()), life)); err != nil {
		t.Fatal(err)
	}
	if key, err := s.KeyText("1:2"); err != nil || key != `numbers:0:"1:2"` {
		t.Errorf("the key is %s, %v", key, err)
	}
	wantNumber(t, s, "1:2", 102)
	mock.Add(100 * time.Second)
	wantNumber(t, s, "1:2", -1)
	offer(t, s, "1:2", 103)
	wantNumber(t, s, "1:2", 103)
	if err := m.Clear(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	wantNumber(t, s, "1:2", -1)
}

// How a function's values are written is its own affair, whatever the store does.
func TestRing28OwnEncoding(t *testing.T) {
	m := newMemory(t)
	store, err := storage.Share(m, storage.Format("gob"))
	if err != nil {
		t.Fatal(err)
	}
	codec, err := serde.Funcs("encoded",
		func(v string) ([]byte, error) { return []byte("encoded " + v), nil },
		func(data []byte) (string, error) { return strings.TrimPrefix(string(data), "encoded "), nil })
	if err != nil {
		t.Fatal(err)
	}
	s, err := storage.NewPart[string](store, serde.Envelope(codec), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind("test"); err != nil {
		t.Fatal(err)
	}
	e := entry.New("5", entry.At(time.Now()), entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
	if err := s.Offer(t.Context(), "10", e); err != nil {
		t.Fatal(err)
	}
	if r, err := m.Get(t.Context(), `test:0:"10"`); err != nil || !strings.HasSuffix(string(r.Value), "encoded 5") {
		t.Errorf("it is written as %q, %v", r.Value, err)
	}
	if got, err := s.Get(t.Context(), "10"); err != nil || got == nil || got.Value != "5" {
		t.Errorf("it is read as %v, %v", got, err)
	}
}

// Whoever has the name has the entries: another process, and the same function
// after it was rewritten.
func TestRing36EntriesBelongToTheName(t *testing.T) {
	m := newMemory(t)
	before := newShared(t, m, "numbers")
	offer(t, before, "foo", 42)
	wantNumber(t, newShared(t, m, "numbers"), "foo", 42)
	wantNumber(t, newShared(t, m, "others"), "foo", -1)
	before.Unbind()
	wantNumber(t, newShared(t, m, "numbers"), "foo", 42)
}
