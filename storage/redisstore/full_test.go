package redisstore_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// What frees memory, or ends something, works on a server whose memory is full.
func TestEndsOnAFullServer(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		s := servers.Redis(t)
		b := open(t, "redis://%s?layout=%s", s.Addr(), layout).Bytes()
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			noError(t, b.Set(t.Context(), key, []byte("value"), time.Hour))
		}
		s.Command("CONFIG", "SET", "maxmemory", "1")
		if existed, err := b.Delete(t.Context(), "a"); !existed || err != nil {
			t.Errorf("%s: Delete says %v, %v", layout, existed, err)
		}
		if err := b.Set(t.Context(), "b", nil, 0); err != nil {
			t.Errorf("%s: Set for no time says %v", layout, err)
		}
		if b, ok := b.(storage.ToucherBytes); ok {
			for key, keep := range map[string]time.Duration{"c": 0, "d": time.Minute} {
				if had, err := b.Touch(t.Context(), keep, key); err != nil || !had[0] {
					t.Errorf("%s: Touch for %v says %v, %v", layout, keep, had, err)
				}
			}
		}
		if b, ok := b.(storage.VersionedBytes); ok {
			seen, err := b.Look(t.Context(), "e")
			noError(t, err)
			if made, err := b.Swap(t.Context(), storage.Change{Item: storage.Item{Key: "e"}, Was: seen[0].Version, Becomes: rand.Text()}); err != nil || !made[0] {
				t.Errorf("%s: a Swap for nothing says %v, %v", layout, made, err)
			}
		}
	}
}

// What brings something is refused by a server whose memory is full, with the remedy,
// whatever is there, and changes nothing.
func TestAFullServerRefuses(t *testing.T) {
	t.Parallel()
	for _, layout := range layouts {
		s := servers.Redis(t)
		b := open(t, "redis://%s?layout=%s", s.Addr(), layout).Bytes()
		for key, keep := range map[string]time.Duration{"timed": time.Hour, "kept": storage.Forever} {
			noError(t, b.Set(t.Context(), key, []byte("value"), keep))
		}
		fenced, _ := b.(storage.FencedBytes)
		var claims []storage.Claimed
		if fenced != nil {
			var err error
			claims, err = fenced.Claim(t.Context(), time.Hour, "timed", "kept")
			noError(t, err)
		}
		s.Command("CONFIG", "SET", "maxmemory", "1")
		refused := func(what string, err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), "maxmemory-policy") {
				t.Errorf("%s: %s says %v", layout, what, err)
			}
		}
		for _, key := range []string{"timed", "kept", "new"} {
			for _, keep := range []time.Duration{time.Minute, storage.Forever} {
				refused("Set of "+key, b.Set(t.Context(), key, []byte("other"), keep))
				if fenced != nil && key != "new" {
					c := claims[0]
					if key == "kept" {
						c = claims[1]
					}
					_, err := fenced.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: key, Value: []byte("other"), Keep: keep}, Token: c.Token})
					refused("Fill of "+key, err)
					_, err = b.(storage.SwapperBytes).CompareAndSwap(t.Context(), c, storage.Item{Key: key, Value: []byte("other"), Keep: keep})
					refused("CompareAndSwap of "+key, err)
				}
			}
		}
		if b, ok := b.(storage.AdderBytes); ok {
			_, err := b.Add(t.Context(), "new", []byte("other"), time.Minute)
			refused("Add", err)
		}
		for _, key := range []string{"timed", "kept", "new"} {
			if r, err := b.Get(t.Context(), key); err != nil || string(r.Value) != map[string]string{"timed": "value", "kept": "value"}[key] {
				t.Errorf("%s: %s is %v, %v", layout, key, r, err)
			}
		}
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
