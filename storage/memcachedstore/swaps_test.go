package memcachedstore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

// TestSwapsThatAreSentAgain loses the answer of each swap, so that it is sent again, and
// has others change the record in between. What was done is told, or that it can't be
// known; it is never told as refused, for then it would be made again.
func TestSwapsThatAreSentAgain(t *testing.T) {
	addr := servers.Memcached(t).Addr()
	other := at(t, addr)
	claim := func(s *Store, key string) storage.Claimed {
		claims, err := s.Claim(context.Background(), time.Hour, key)
		if err != nil {
			t.Fatal(err)
		}
		return claims[0]
	}
	for name, c := range map[string]struct {
		then  func(key string) error
		err   error
		holds string
	}{
		"nothing": {func(string) error { return nil }, nil, "swapped"},
		"a claim": {func(key string) error { claim(other, key); return nil }, nil, "swapped"},
		"a fill": {func(key string) error {
			_, err := other.Fill(context.Background(), storage.Filling{Item: storage.Item{Key: key, Value: []byte("filled"), Keep: time.Hour}, Token: claim(other, key).Token})
			return err
		}, nil, "filled"},
		"a swap": {func(key string) error {
			_, err := other.CompareAndSwap(context.Background(), claim(other, key), storage.Item{Key: key, Value: []byte("another"), Keep: time.Hour})
			return err
		}, ErrSentTwice, "another"},
		"a Set":    {func(key string) error { return other.Set(context.Background(), key, []byte("old"), time.Hour) }, ErrSentTwice, "old"},
		"a Delete": {func(key string) error { _, err := other.Delete(context.Background(), key); return err }, ErrSentTwice, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := wireTo(t, addr, "")
			s := at(t, w.addr)
			set(t, s, name, "old", time.Hour)
			was := claim(s, name)
			var lost atomic.Int64
			then := func() {
				lost.Add(1)
				if err := c.then(name); err != nil {
					t.Error(err)
				}
			}
			w.lost.Store(&then)
			w.pass.Store(1) // the look before the swap
			w.lose.Store(1)
			swapped, err := s.CompareAndSwap(t.Context(), was, storage.Item{Key: name, Value: []byte("swapped"), Keep: time.Hour})
			if !errors.Is(err, c.err) || swapped != (c.err == nil) || lost.Load() != 1 {
				t.Errorf("it says %v, %v, and %d answers were lost", swapped, err, lost.Load())
			}
			r, err := other.Get(t.Context(), name)
			if err != nil || string(r.Value) != c.holds {
				t.Errorf("%q is found, %v; want %q", r.Value, err, c.holds)
			}
		})
	}
}
