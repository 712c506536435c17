package memcachedstore

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// TestLostClaims has the server forget claims: they can't be filled.
func TestLostClaims(t *testing.T) {
	addr := servers.Memcached(t).Addr()
	s := at(t, addr)
	set(t, s, "record", "old", time.Hour)
	claims, err := s.Claim(t.Context(), time.Hour, "record", "nothing")
	if err != nil {
		t.Fatal(err)
	}
	if err := raw(t, addr).FlushAll(); err != nil {
		t.Fatal(err)
	}
	again, err := s.Claim(t.Context(), time.Hour, "record")
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range []string{"record", "nothing"} {
		stored, err := s.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: key, Keep: time.Hour}, Token: claims[i].Token})
		if err != nil || stored[0] {
			t.Errorf("%s: Fill says %v, %v", key, stored, err)
		}
	}
	stored, err := s.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: "record", Keep: time.Hour}, Token: again[0].Token})
	if err != nil || !stored[0] {
		t.Errorf("a claim of later: Fill says %v, %v", stored, err)
	}
}

// TestClaimsRace has loaders of several stores fill what a writer changes, by
// sets and deletes, with holds that have records rewritten. Once a change has
// returned nobody sees what was before it, or is let put it back.
func TestClaimsRace(t *testing.T) {
	ctx := context.Background()
	addr := servers.Memcached(t).Addr()
	const rounds, loaders = 150, 4
	var source, settled atomic.Int64
	var over atomic.Bool
	var fills, refused atomic.Int64
	var all sync.WaitGroup
	number := func(b []byte) (n int64) {
		if _, err := fmt.Sscan(string(b), &n); err != nil {
			t.Errorf("there is %q: %v", b, err)
		}
		return n
	}
	for l := range loaders {
		s := at(t, addr)
		all.Go(func() {
			for i := 0; !over.Load(); i++ {
				least := settled.Load()
				claims, err := s.Claim(ctx, time.Duration(1+i%3)*time.Hour, "a")
				if err != nil {
					t.Error(err)
					return
				}
				if c := claims[0]; c.Found && number(c.Value) < least {
					t.Errorf("loader %d sees %s after %d was settled", l, c.Value, least)
					return
				}
				loaded := source.Load()
				stored, err := s.Fill(ctx, storage.Filling{Item: storage.Item{Key: "a", Value: fmt.Append(nil, loaded), Keep: 2 * time.Hour}, Token: claims[0].Token})
				if err != nil {
					t.Error(err)
					return
				}
				if fills.Add(1); !stored[0] {
					refused.Add(1)
				}
			}
		})
	}
	writer := at(t, addr)
	for round := range int64(rounds) {
		version := source.Add(1)
		if round%2 == 0 {
			set(t, writer, "a", fmt.Sprint(version), time.Hour)
		} else if _, err := writer.Delete(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		settled.Store(version)
		if r := get(t, writer, "a"); r.Found && number(r.Value) < version {
			t.Errorf("%s is seen after %d was settled", r.Value, version)
		}
	}
	over.Store(true)
	all.Wait()
	t.Logf("%d of %d fills were refused", refused.Load(), fills.Load())
	if refused.Load() == 0 || refused.Load() == fills.Load() {
		t.Error("nothing was raced")
	}
}
