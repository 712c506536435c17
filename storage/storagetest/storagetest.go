// Package storagetest proves that a storage.Storage does what the engine
// relies on:
//
//	func TestConformance(t *testing.T) {
//		storagetest.Run(t, func(t *testing.T) storage.Storage[string, int] { return mine.New[string, int](t) },
//			[]string{"a", "b", "c", "d"}, []int{1, 2, 3})
//	}
//
// Run it with the race detector too.
package storagetest

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

// Run checks the storages that the function makes, each of which must be empty.
// It needs different keys, three at least, and different values, two at least;
// the more keys, the more it sees of a storage that grows. Values are compared
// with reflect.DeepEqual. What a storage implements besides (Local, Ranger,
// Clearer, Sizer) is checked too.
func Run[K comparable, V any](t *testing.T, newStorage func(t *testing.T) storage.Storage[K, V], keys []K, values []V) {
	t.Helper()
	if len(keys) < 3 || len(values) < 2 {
		t.Fatalf("storagetest: %d keys and %d values are given, 3 and 2 are needed", len(keys), len(values))
	}
	checks.Run(t, suite[K, V](), func(t *testing.T) subject[K, V] {
		return subject[K, V]{t.Context(), newStorage(t), keys, values}
	})
}

// subject is what a check is run on.
type subject[K comparable, V any] struct {
	ctx    context.Context
	s      storage.Storage[K, V]
	keys   []K
	values []V
}

func suite[K comparable, V any]() []checks.Check[subject[K, V]] {
	return []checks.Check[subject[K, V]]{
		{Name: "a new storage holds nothing", Run: newHoldsNothing[K, V]},
		{Name: "what is offered is got", Run: offeredIsGot[K, V]},
		{Name: "an entry keeps its life", Run: keepsLife[K, V]},
		{Name: "a zero value is present", Run: zeroIsPresent[K, V]},
		{Name: "a later offer takes the place of an earlier one", Run: offerReplaces[K, V]},
		{Name: "what is released is gone", Run: releasedIsGone[K, V]},
		{Name: "releasing what is not there is no error", Run: releaseNothing[K, V]},
		{Name: "keys are independent", Run: independent[K, V]},
		{Name: "concurrent use", Run: concurrentUse[K, V]},
		{Name: "Local answers whatever its context", Run: localAnswers[K, V]},
		{Name: "Ranger yields every entry", Run: rangerYields[K, V]},
		{Name: "Ranger stops when told to", Run: rangerStops[K, V]},
		{Name: "Ranger yields what stays while others come and go", Run: rangerStays[K, V]},
		{Name: "Clearer drops everything", Run: clearerDrops[K, V]},
		{Name: "Sizer counts", Run: sizerCounts[K, V]},
	}
}

// precision is how much of an instant a storage may lose.
const precision = time.Millisecond

// made is an entry with a life that begins now.
func (s subject[K, V]) made(value V) *entry.Entry[V] {
	return entry.New(value, entry.At(time.Now()), entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
}

func (s subject[K, V]) offer(t checks.TB, key K, value V) *entry.Entry[V] {
	t.Helper()
	e := s.made(value)
	if err := s.s.Offer(s.ctx, key, e); err != nil {
		t.Fatalf("Offer of %v: %v", key, err)
	}
	return e
}

func (s subject[K, V]) release(t checks.TB, key K) {
	t.Helper()
	if err := s.s.Release(s.ctx, key); err != nil {
		t.Fatalf("Release of %v: %v", key, err)
	}
}

// holds checks that the storage holds a value for a key, or nothing.
func (s subject[K, V]) holds(t checks.TB, key K, want *V) {
	t.Helper()
	got, err := s.s.Get(s.ctx, key)
	switch {
	case err != nil:
		t.Fatalf("Get of %v: %v", key, err)
	case want == nil && got != nil:
		t.Fatalf("Get of %v returns %v, want nothing", key, got.Value)
	case want != nil && got == nil:
		t.Fatalf("Get of %v returns nothing, want %v", key, *want)
	case want != nil && !reflect.DeepEqual(got.Value, *want):
		t.Fatalf("Get of %v returns %v, want %v", key, got.Value, *want)
	}
}

func newHoldsNothing[K comparable, V any](t checks.TB, s subject[K, V]) {
	for _, key := range s.keys {
		s.holds(t, key, nil)
	}
}

func offeredIsGot[K comparable, V any](t checks.TB, s subject[K, V]) {
	for range 2 {
		for i, key := range s.keys {
			s.offer(t, key, s.values[i%len(s.values)])
		}
		for i, key := range s.keys {
			s.holds(t, key, &s.values[i%len(s.values)])
		}
	}
}

func keepsLife[K comparable, V any](t checks.TB, s subject[K, V]) {
	key, want := s.keys[0], s.offer(t, s.keys[0], s.values[0])
	got, err := s.s.Get(s.ctx, key)
	if err != nil || got == nil {
		t.Fatalf("Get of %v returns %v, %v", key, got, err)
	}
	for _, instant := range []struct {
		name      string
		got, want entry.Instant
	}{
		{"created", got.Created(), want.Created()},
		{"update-after", got.UpdateAfter(), want.UpdateAfter()},
		{"expires-after", got.ExpiresAfter(), want.ExpiresAfter()},
		{"keep-until", got.KeepUntil(), want.KeepUntil()},
	} {
		if off := instant.got.Sub(instant.want); off > precision || off < -precision {
			t.Errorf("%s is off by %v", instant.name, off)
		}
	}
}

func zeroIsPresent[K comparable, V any](t checks.TB, s subject[K, V]) {
	var zero V
	key := s.keys[0]
	s.offer(t, key, zero)
	got, err := s.s.Get(s.ctx, key)
	if err != nil || got == nil {
		t.Fatalf("Get returns %v, %v after a zero value was offered; nothing means that there is no entry", got, err)
	}
	if !reflect.DeepEqual(got.Value, zero) {
		t.Fatalf("Get returns %v, want the zero value", got.Value)
	}
	s.holds(t, s.keys[1], nil)
}

func offerReplaces[K comparable, V any](t checks.TB, s subject[K, V]) {
	for range 2 {
		for i := range s.values {
			s.offer(t, s.keys[0], s.values[i])
			s.holds(t, s.keys[0], &s.values[i])
		}
	}
}

func releasedIsGone[K comparable, V any](t checks.TB, s subject[K, V]) {
	for range 2 {
		s.offer(t, s.keys[0], s.values[0])
		s.release(t, s.keys[0])
		s.holds(t, s.keys[0], nil)
	}
	s.offer(t, s.keys[0], s.values[1])
	s.holds(t, s.keys[0], &s.values[1])
}

func releaseNothing[K comparable, V any](t checks.TB, s subject[K, V]) {
	s.release(t, s.keys[0])
	s.offer(t, s.keys[0], s.values[0])
	s.release(t, s.keys[0])
	s.release(t, s.keys[0])
	s.holds(t, s.keys[0], nil)
}

func independent[K comparable, V any](t checks.TB, s subject[K, V]) {
	for _, key := range s.keys {
		s.offer(t, key, s.values[0])
	}
	for i := range s.keys {
		at := (i + len(s.keys)/2) % len(s.keys) // from the middle, for chains of keys
		s.offer(t, s.keys[at], s.values[1])
		s.holds(t, s.keys[at], &s.values[1])
		s.release(t, s.keys[at])
		for j, other := range s.keys {
			if j != at {
				s.holds(t, other, &s.values[0])
			}
		}
		s.offer(t, s.keys[at], s.values[0])
	}
}

// concurrentUse has one writer a key, as the engine does, and many readers. A
// writer sees what it wrote last; a reader sees what was written for that key.
func concurrentUse[K comparable, V any](t checks.TB, s subject[K, V]) {
	const rounds, readers = 50, 4
	var wg, reading sync.WaitGroup
	var over atomic.Bool
	failed := func(key K, err error) bool {
		if err != nil {
			t.Errorf("key %v: %v", key, err)
		}
		return err != nil
	}
	for i, key := range s.keys {
		mine := s.values[i%len(s.values)]
		wg.Go(func() {
			for round := range rounds {
				offered := s.made(mine)
				if failed(key, s.s.Offer(s.ctx, key, offered)) {
					return
				}
				got, err := s.s.Get(s.ctx, key)
				if failed(key, err) {
					return
				}
				if got == nil || !reflect.DeepEqual(got.Value, mine) {
					t.Errorf("key %v: its writer does not see what it wrote: %v", key, got)
					return
				}
				if off := got.Created().Sub(offered.Created()); off < -precision {
					t.Errorf("key %v: its writer sees an entry from %v before", key, -off)
					return
				}
				if round%3 > 0 {
					continue
				}
				if failed(key, s.s.Release(s.ctx, key)) {
					return
				}
				if got, err := s.s.Get(s.ctx, key); failed(key, err) || got != nil {
					t.Errorf("key %v: its writer has released it and still sees %v", key, got)
					return
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for !over.Load() {
				for i, key := range s.keys {
					got, err := s.s.Get(s.ctx, key)
					if failed(key, err) {
						return
					}
					if got != nil && !reflect.DeepEqual(got.Value, s.values[i%len(s.values)]) {
						t.Errorf("key %v: a reader sees %v, which is another key's", key, got.Value)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	over.Store(true)
	reading.Wait()
}

func localAnswers[K comparable, V any](t checks.TB, s subject[K, V]) {
	if _, ok := s.s.(storage.Local); !ok {
		return
	}
	ended, cancel := context.WithCancel(s.ctx)
	cancel()
	key, e := s.keys[0], s.made(s.values[0])
	if err := s.s.Offer(ended, key, e); err != nil {
		t.Errorf("Offer under a context that has ended: %v", err)
	}
	if got, err := s.s.Get(ended, key); err != nil || got == nil {
		t.Errorf("Get under a context that has ended: %v, %v", got, err)
	}
	if err := s.s.Release(ended, key); err != nil {
		t.Errorf("Release under a context that has ended: %v", err)
	}
}

// ranged is what a storage yields.
func ranged[K comparable, V any](t checks.TB, s subject[K, V], r storage.Ranger[K, V]) map[K]V {
	t.Helper()
	all := map[K]V{}
	for key, e := range r.Range(s.ctx) {
		if _, twice := all[key]; twice {
			t.Errorf("%v is yielded twice", key)
		}
		if e == nil {
			t.Fatalf("%v is yielded without an entry", key)
		}
		all[key] = e.Value
	}
	return all
}

func rangerYields[K comparable, V any](t checks.TB, s subject[K, V]) {
	r, ok := s.s.(storage.Ranger[K, V])
	if !ok {
		return
	}
	want := map[K]V{}
	check := func(when string) {
		t.Helper()
		if got := ranged(t, s, r); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s it yields %v, want %v", when, got, want)
		}
	}
	check("at first")
	for i, key := range s.keys {
		want[key] = s.values[i%len(s.values)]
		s.offer(t, key, want[key])
		check("after an offer")
	}
	for _, key := range s.keys[1:] {
		delete(want, key)
		s.release(t, key)
		check("after a release")
	}
}

func rangerStops[K comparable, V any](t checks.TB, s subject[K, V]) {
	r, ok := s.s.(storage.Ranger[K, V])
	if !ok {
		return
	}
	for _, key := range s.keys {
		s.offer(t, key, s.values[0])
	}
	n := 0
	r.Range(s.ctx)(func(K, *entry.Entry[V]) bool {
		n++
		return false
	})
	if n != 1 {
		t.Errorf("it yields %d entries to a consumer that takes one", n)
	}
}

func rangerStays[K comparable, V any](t checks.TB, s subject[K, V]) {
	r, ok := s.s.(storage.Ranger[K, V])
	if !ok {
		return
	}
	stays := s.keys[0]
	s.offer(t, stays, s.values[0])
	var wg sync.WaitGroup
	var over atomic.Bool
	for _, key := range s.keys[1:] {
		wg.Go(func() {
			for !over.Load() {
				if s.s.Offer(s.ctx, key, s.made(s.values[1])) != nil || s.s.Release(s.ctx, key) != nil {
					t.Errorf("key %v can't be offered and released", key)
					return
				}
			}
		})
	}
	for range 50 {
		found := false
		for key := range r.Range(s.ctx) {
			found = found || key == stays
		}
		if !found {
			t.Errorf("%v is not yielded, though it was there all the time", stays)
			break
		}
	}
	over.Store(true)
	wg.Wait()
}

func clearerDrops[K comparable, V any](t checks.TB, s subject[K, V]) {
	c, ok := s.s.(storage.Clearer)
	if !ok {
		return
	}
	for range 2 {
		for _, key := range s.keys {
			s.offer(t, key, s.values[0])
		}
		if err := c.Clear(s.ctx); err != nil {
			t.Fatalf("Clear: %v", err)
		}
		for _, key := range s.keys {
			s.holds(t, key, nil)
		}
	}
	if sizer, ok := s.s.(storage.Sizer); ok && sizer.Len() != 0 {
		t.Errorf("Len is %d after Clear", sizer.Len())
	}
}

func sizerCounts[K comparable, V any](t checks.TB, s subject[K, V]) {
	sizer, ok := s.s.(storage.Sizer)
	if !ok {
		return
	}
	check := func(when string, want int) {
		t.Helper()
		if got := sizer.Len(); got != want {
			t.Fatalf("%s Len is %d, want %d", when, got, want)
		}
	}
	check("at first", 0)
	for i, key := range s.keys {
		s.offer(t, key, s.values[0])
		check("after an offer", i+1)
		s.offer(t, key, s.values[1])
		check("after a second offer of a key", i+1)
	}
	for i, key := range s.keys {
		s.release(t, key)
		check("after a release", len(s.keys)-i-1)
		s.release(t, key)
		check("after a second release of a key", len(s.keys)-i-1)
	}
}
