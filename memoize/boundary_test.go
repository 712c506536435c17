package memoize_test

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
)

// G2: at the instant itself the later state holds.
func TestBoundaryInstants(t *testing.T) {
	const update, expire = time.Minute, time.Hour
	for _, c := range []struct {
		name  string
		age   time.Duration
		state entry.State
		why   memoize.Why
		calls int // of the source, once everything has come to rest
	}{
		{"at birth", 0, entry.Fresh, memoize.Hit, 1},
		{"before update-after", update - 1, entry.Fresh, memoize.Hit, 1},
		{"at update-after", update, entry.Stale, memoize.Stale, 2},
		{"past update-after", update + 1, entry.Stale, memoize.Stale, 2},
		{"before expires-after", expire - 1, entry.Stale, memoize.Stale, 2},
		{"at expires-after", expire, entry.Fresh, memoize.Miss, 2},
		{"past expires-after", expire + 1, entry.Fresh, memoize.Miss, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				source.takes = time.Second // a life counts from the source's return
				f := memoize.Must(memoize.New(source.load, config.UpdateAfter(update), config.ExpireAfter(expire)))
				wants(t, 1)(f.Call(t.Context(), "key"))
				time.Sleep(c.age)
				servable := c.why != memoize.Miss
				if has := f.Has(t.Context(), "key"); has != servable {
					t.Errorf("Has: %v, want %v", has, servable)
				}
				if _, ok := f.Peek(t.Context(), "key"); ok != servable {
					t.Errorf("Peek: %v, want %v", ok, servable)
				}
				wantAge := c.age
				if !servable {
					wantAge = 0
				}
				r, err := f.Result(t.Context(), "key")
				if err != nil || r.State != c.state || r.Why != c.why || r.Age != wantAge {
					t.Errorf("got %+v, %v; want state %v, why %v, age %v", r, err, c.state, c.why, wantAge)
				}
				settled(t, f)
				wantCalls(t, source, c.calls)
			})
		})
	}
}

// The instants of 1.1's table that are legal and odd.
func TestLifeOfZero(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		always := memoize.Must(memoize.New(source.load, config.UpdateAfter(0), config.ExpireAfter(time.Hour)))
		for n := range 3 { // every hit starts a refresh
			wants(t, 1)(always.Call(t.Context(), "key"))
			settled(t, always)
			wantCalls(t, source, n+1)
		}
	})
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		source.takes = time.Second
		never := memoize.Must(memoize.New(source.load, config.ExpireAfter(0)))
		for n := range 2 { // every call waits, and those who come together share
			allWant(t, 1, together(3, func() (int, error) { return never.Call(t.Context(), "key") }))
			wantCalls(t, source, n+1)
		}
		if never.Len() != 0 {
			t.Fatalf("%d entries are held that nobody could be served", never.Len())
		}
	})
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		equal := memoize.Must(memoize.New(source.load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Minute)))
		wants(t, 1)(equal.Call(t.Context(), "key"))
		time.Sleep(time.Minute - 1)
		wants(t, 1)(equal.Call(t.Context(), "key"))
		settled(t, equal)
		wantCalls(t, source, 1) // nothing is refreshed in the background
		time.Sleep(time.Nanosecond)
		wants(t, 1)(equal.Call(t.Context(), "key"))
		wantCalls(t, source, 2)
	})
}
