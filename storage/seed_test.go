package storage_test

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// The tests of this file are what py-memoize's tests of its
// LocalInMemoryCacheStorage assert.

func value(v string) *entry.Entry[string] {
	return entry.New(v, 0, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
}

func TestSeed61OfferThenGet(t *testing.T) {
	s := storage.NewInMemory[string, string]()
	offered := value("value")
	if err := s.Offer(t.Context(), "key", offered); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), "key")
	if err != nil || got == nil || got.Value != offered.Value || got.Created() != offered.Created() ||
		got.UpdateAfter() != offered.UpdateAfter() || got.ExpiresAfter() != offered.ExpiresAfter() {
		t.Fatalf("got %v, %v; want what was offered", got, err)
	}
}

func TestSeed62GetWithoutOffer(t *testing.T) {
	s := storage.NewInMemory[string, string]()
	if got, err := s.Get(t.Context(), "key"); err != nil || got != nil {
		t.Fatalf("got %v, %v; want nothing", got, err)
	}
}

func TestSeed63ReleaseThenGet(t *testing.T) {
	s := storage.NewInMemory[string, string]()
	if err := s.Offer(t.Context(), "key", value("value")); err != nil {
		t.Fatal(err)
	}
	if err := s.Release(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), "key"); err != nil || got != nil {
		t.Fatalf("got %v, %v; want nothing", got, err)
	}
}
