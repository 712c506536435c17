package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

func casOf(t *testing.T, e *redisstore.Entries, key, value string, was storage.Claimed) bool {
	t.Helper()
	swapped, err := e.CompareAndSwap(t.Context(), was, storage.Item{Key: key, Value: []byte(value), Keep: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return swapped
}

// TestSwapsThatAreSentAgain has each swap arrive twice, as go-redis does where a connection
// breaks before the answer comes, and others change the record in between. What was done is
// told, or that it can't be known; it is never told as refused, for then it would be made
// again.
func TestSwapsThatAreSentAgain(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	other := redisstore.New(newClient(t, s))
	for name, c := range map[string]struct {
		then  func(key string) error
		says  string // of the error
		holds string
	}{
		"nothing": {func(string) error { return nil }, "", "swapped"},
		"a claim": {func(key string) error { claimOf(t, other, key, time.Hour); return nil }, "", "swapped"},
		"a touch": {func(key string) error { _, err := other.Touch(context.Background(), time.Minute, key); return err }, "", "swapped"},
		"a fill": {func(key string) error {
			fillFor(t, other, key, "filled", time.Hour, claimOf(t, other, key, time.Hour).Token)
			return nil
		}, "", "filled"},
		"a swap": {func(key string) error {
			casOf(t, other, key, "another", claimOf(t, other, key, time.Hour))
			return nil
		}, "can't be known", "another"},
		"a Set":                   {func(key string) error { return other.Set(context.Background(), key, []byte("set"), time.Hour) }, "can't be known", "set"},
		"a Set of what was there": {func(key string) error { return other.Set(context.Background(), key, []byte("old"), time.Hour) }, "can't be known", "old"},
		"a Delete":                {func(key string) error { _, err := other.Delete(context.Background(), key); return err }, "can't be known", ""},
	} {
		for _, known := range []bool{true, false} { // the script
			t.Run(fmt.Sprint(name, ", known ", known), func(t *testing.T) {
				s.Command("FLUSHALL")
				rdb := newClient(t, s)
				e := redisstore.New(rdb)
				if err := e.Set(t.Context(), "key", []byte("old"), time.Hour); err != nil {
					t.Fatal(err)
				}
				was := claimOf(t, e, "key", time.Hour)
				if known {
					knowScripts(t, s)
				} else {
					s.Command("SCRIPT", "FLUSH")
				}
				done := false
				rdb.AddHook(inBetween{func() {
					if r, err := other.Get(context.Background(), "key"); err != nil || string(r.Value) != "swapped" || done {
						return
					}
					done = true
					if err := c.then("key"); err != nil {
						t.Error(err)
					}
				}})
				swapped, err := e.CompareAndSwap(t.Context(), was, storage.Item{Key: "key", Value: []byte("swapped"), Keep: time.Hour})
				if ok := c.says == "" && err == nil && swapped || c.says != "" && err != nil && strings.Contains(err.Error(), c.says) && !swapped; !ok || !done {
					t.Errorf("it says %v, %v", swapped, err)
				}
				if got := found(t, other, "key"); got != c.holds {
					t.Errorf("%q is found, want %q", got, c.holds)
				}
			})
		}
	}
}

// TestSwapsBesideOlderProcesses has processes of the version before, whose claims have no
// numbers, change a record between a claim and its swap.
func TestSwapsBesideOlderProcesses(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	e, o := redisstore.New(newClient(t, s)), older{t, newClient(t, s)}
	fills := func(key, value string) {
		until, g := o.claim(key, time.Hour)
		if !o.fill(key, value, time.Hour, until, g) {
			t.Errorf("%s: the older fill is refused", key)
		}
	}
	for name, c := range map[string]struct {
		does    func(key string)
		swapped bool
	}{
		"nothing":      {func(string) {}, true},
		"claims":       {func(key string) { o.claim(key, 2*time.Hour) }, true},
		"touches":      {func(key string) { o.run(olderTouch, key, 7_200_000) }, true},
		"fills":        {func(key string) { fills(key, "older") }, false},
		"fills twice":  {func(key string) { fills(key, "older"); fills(key, "older still") }, false},
		"sets":         {func(key string) { o.set(key, "older", time.Hour) }, false},
		"sets it back": {func(key string) { o.set(key, "before", time.Hour) }, false},
	} {
		for _, before := range []string{"", "set", "filled", "filled by the older"} {
			key := name + before
			switch before {
			case "set":
				if err := e.Set(t.Context(), key, []byte("before"), time.Hour); err != nil {
					t.Fatal(err)
				}
			case "filled":
				fillFor(t, e, key, "before", time.Hour, claimOf(t, e, key, time.Hour).Token)
			case "filled by the older":
				fills(key, "before")
			}
			until, g := o.claim(key, time.Hour)
			was := claimOf(t, e, key, time.Hour)
			c.does(key)
			if swapped := casOf(t, e, key, "swapped", was); swapped != c.swapped {
				t.Errorf("%s: the swap says %v", key, swapped)
			} else if swapped && o.fill(key, "older", time.Hour, until, g) {
				t.Errorf("%s: an older claim from before the swap is filled", key)
			}
		}
	}
}

// TestSwapsOfTwoClients counts up from two clients, a thousand times each, while a third
// has the server forget the scripts.
func TestSwapsOfTwoClients(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	const each = 1000
	var all sync.WaitGroup
	tries := [2]int{}
	for i := range tries {
		e := redisstore.New(newClient(t, s))
		all.Go(func() {
			for done := 0; done < each; tries[i]++ {
				claims, err := e.Claim(t.Context(), time.Hour, "key")
				if err != nil {
					t.Error(err)
					return
				}
				n, _ := strconv.Atoi(string(claims[0].Value))
				swapped, err := e.CompareAndSwap(t.Context(), claims[0], storage.Item{Key: "key", Value: []byte(strconv.Itoa(n + 1)), Keep: time.Hour})
				if err != nil {
					t.Error(err)
					return
				}
				if swapped {
					done++
				}
				if i == 0 && tries[i]%100 == 0 {
					s.Command("SCRIPT", "FLUSH")
				}
			}
		})
	}
	all.Wait()
	if got := found(t, redisstore.New(newClient(t, s)), "key"); got != strconv.Itoa(2*each) {
		t.Errorf("%s is found after %d swaps", got, 2*each)
	}
	t.Logf("%d swaps took %d tries", 2*each, tries[0]+tries[1])
}
