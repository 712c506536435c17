package memcachedstore

import (
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// Numbers that run out begin anew, and whoever has claimed before is older than who
// claims after.
func TestOrderOfManyClaims(t *testing.T) {
	var o order
	var before []order
	for range 3*maxClaims + 5 {
		o = o.claimed()
		if got := orderOf(o.flags()); got != o || o.epoch == 0 || o.epoch >= epochs || o.claims == 0 || o.claims > maxClaims {
			t.Fatalf("%+v is read as %+v", o, got)
		}
		before = append(before, o)
	}
	last := len(before) - 1
	for i, claim := range before[:last] {
		filled, ok := o.fills(o, false)
		if !ok {
			t.Fatal("the last claim can't be filled")
		}
		if _, ok := filled.fills(claim, false); ok {
			t.Fatalf("claim %d is filled in place of the last one's value", i)
		}
		if _, ok := o.fills(claim, false); !ok {
			t.Fatalf("claim %d is refused, where nobody has filled", i)
		}
	}
}

// A store of the version before leaves nothing of the order. Nothing is refused in
// favour of what it has written, and later claims keep earlier ones out again.
func TestOrderBesideOlderStores(t *testing.T) {
	addr := servers.Memcached(t).Addr()
	s, client := at(t, addr), raw(t, addr)
	// older is what a store of the version before does: it takes what is there and writes
	// it again, without flags.
	older := func(value string) {
		t.Helper()
		item, err := client.Get("a")
		if err != nil {
			t.Fatal(err)
		}
		r, err := recordOf("a", item.Value)
		if err != nil {
			t.Fatal(err)
		}
		if value != "" {
			r.value, r.end = []byte(value), time.Now().Add(time.Hour).UnixNano()
		}
		next := r.item("a", time.Now())
		next.CasID, next.Flags = item.CasID, 0
		if err := client.CompareAndSwap(next); err != nil {
			t.Fatal(err)
		}
	}
	claims := func() storage.Claimed {
		t.Helper()
		c, err := s.Claim(t.Context(), time.Hour, "a")
		if err != nil {
			t.Fatal(err)
		}
		return c[0]
	}
	fill := func(value string, c storage.Claimed, want bool) {
		t.Helper()
		stored, err := s.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "a", Value: []byte(value), Keep: time.Hour}, Token: c.Token})
		if err != nil || stored[0] != want {
			t.Fatalf("the fill of %s says %v, %v; want %v", value, stored, err, want)
		}
	}
	for _, value := range []string{"", "older"} { // it claims, or fills
		if err := client.Delete("a"); err != nil && err != memcache.ErrCacheMiss {
			t.Fatal(err)
		}
		first, second := claims(), claims()
		fill("second", second, true)
		fill("first", first, false)
		older(value)
		fill("first", first, true) // as before: nobody knows better
		third, fourth := claims(), claims()
		fill("third", third, true)
		fill("second", second, false)
		fill("fourth", fourth, true)
		fill("third", third, false)
		older(value)
		fifth := claims()
		fill("third", third, true)
		fill("fifth", fifth, true)
		fill("fourth", fourth, false)
		if r := get(t, s, "a"); string(r.Value) != "fifth" {
			t.Errorf("%q is there", r.Value)
		}
	}
}
