package redisstore_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// What is loaded under a claim is filled while a writer changes what it was loaded
// from, and deletes or sets the record. What is found in the end is never older
// than that change: 100,000 rounds, each on a key of its own.
func TestFillsRaceWriters(t *testing.T) {
	t.Parallel()
	const atOnce = 200
	rounds := 100_000
	if checks.Race { // it has us take five times as long
		rounds /= 5
	}
	s := servers.Redis(t)
	loader, writer := redisstore.New(newClient(t, s)), redisstore.New(newClient(t, s))
	stored, refused, left := 0, 0, 0
	for round := 0; round < rounds; round += atOnce {
		keys := make([]string, atOnce)
		for i := range keys {
			keys[i] = strconv.Itoa(round + i)
		}
		claims, err := loader.Claim(t.Context(), time.Hour, keys...)
		if err != nil {
			t.Fatalf("Claim: %v", err)
		}
		fills := make([]storage.Filling, atOnce)
		for i := range fills {
			fills[i] = storage.Filling{Item: storage.Item{Key: keys[i], Value: []byte("old"), Keep: time.Hour}, Token: claims[i].Token}
		}
		var racing sync.WaitGroup
		racing.Go(func() {
			if err := forget(t, writer, keys, round/atOnce%2 == 0); err != nil {
				t.Errorf("writer: %v", err)
			}
		})
		did, err := loader.Fill(t.Context(), fills...)
		if err != nil {
			t.Fatalf("Fill: %v", err)
		}
		racing.Wait()
		records, err := loader.GetMany(t.Context(), keys)
		if err != nil {
			t.Fatalf("GetMany: %v", err)
		}
		for i, r := range records {
			if string(r.Value) == "old" {
				t.Fatalf("round %d: what was loaded before the change is found after it", round+i)
			}
			if did[i] {
				stored++
			} else {
				refused++
			}
			if r.Found {
				left++
			}
		}
	}
	t.Logf("%d fills stored, %d refused, %d values left", stored, refused, left)
	if stored == 0 || refused == 0 || left == 0 {
		t.Error("fills are never stored, or never refused, or nothing is left: the test sees too little")
	}
}

// forget deletes the records, or sets them to something new.
func forget(t *testing.T, e *redisstore.Entries, keys []string, set bool) error {
	if !set {
		_, err := e.DeleteMany(t.Context(), keys)
		return err
	}
	items := make([]storage.Item, len(keys))
	for i, key := range keys {
		items[i] = storage.Item{Key: key, Value: []byte("new"), Keep: time.Hour}
	}
	return e.SetMany(t.Context(), items)
}

// waitFor asks until the answer is yes.
func waitFor(t *testing.T, yes func() bool) {
	t.Helper()
	for began := time.Now(); !yes(); {
		if time.Since(began) > patient {
			t.Fatal("what should be over soon is not")
		}
	}
}

func fillFor(t *testing.T, e *redisstore.Entries, key, value string, keep time.Duration, token string) bool {
	t.Helper()
	stored, err := e.Fill(t.Context(), storage.Filling{Item: storage.Item{Key: key, Value: []byte(value), Keep: keep}, Token: token})
	if err != nil {
		t.Fatalf("Fill: %v", err)
	}
	return stored[0]
}

func claimOf(t *testing.T, e *redisstore.Entries, key string, hold time.Duration) storage.Claimed {
	t.Helper()
	claims, err := e.Claim(t.Context(), hold, key)
	if err != nil {
		t.Fatalf("Claim: %v", err)
	}
	return claims[0]
}

func found(t *testing.T, e *redisstore.Entries, key string) string {
	t.Helper()
	r, err := e.Get(t.Context(), key)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return string(r.Value)
}

// Claims are good for their hold, however short a time the record is given
// meanwhile.
func TestClaimOutlivesShorterTimes(t *testing.T) {
	t.Parallel()
	e := redisstore.New(newClient(t, servers.Redis(t)))
	for name, shorten := range map[string]func(key string){
		"fill": func(key string) {
			if !fillFor(t, e, key, "brief", time.Millisecond, claimOf(t, e, key, time.Hour).Token) {
				t.Error("a fill is refused")
			}
		},
		"touch": func(key string) {
			if had, err := e.Touch(t.Context(), time.Millisecond, key); err != nil || !had[0] {
				t.Errorf("Touch says %v, %v", had, err)
			}
		},
		"fill for no time": func(key string) {
			if !fillFor(t, e, key, "none", 0, claimOf(t, e, key, time.Hour).Token) {
				t.Error("a fill is refused")
			}
		},
	} {
		for _, keep := range []time.Duration{time.Minute, 2 * time.Hour, storage.Forever} {
			key := fmt.Sprint(name, " of ", keep)
			if err := e.Set(t.Context(), key, []byte("old"), keep); err != nil {
				t.Fatal(err)
			}
			patient := claimOf(t, e, key, time.Hour)
			shorten(key)
			waitFor(t, func() bool { return found(t, e, key) == "" }) // a millisecond
			if !fillFor(t, e, key, "filled", keep, patient.Token) || found(t, e, key) != "filled" {
				t.Errorf("%s: a claim for an hour does not last", key)
			}
		}
	}
}

// The end of a value is the same instant however often it is claimed.
func TestClaimsMoveNoEnd(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	e := redisstore.New(newClient(t, s))
	if err := e.Set(t.Context(), "key", []byte("old"), time.Minute); err != nil {
		t.Fatal(err)
	}
	end := s.Command("HGET", "key", "e")
	began := time.Now()
	keys := slices.Repeat([]string{"key"}, 100)
	for i := range 50 {
		claims, err := e.Claim(t.Context(), time.Hour+time.Duration(i)*time.Second, keys...)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claims {
			if c.Left > time.Minute || c.Left < time.Minute-time.Since(began)-time.Second {
				t.Fatalf("a claim says that %v are left", c.Left)
			}
		}
	}
	if after := s.Command("HGET", "key", "e"); after != end {
		t.Errorf("5,000 claims have moved the end of the value from %s to %s", end, after)
	}
	number := func(args ...string) int64 {
		n, err := strconv.ParseInt(s.Command(args...), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if readers := number("PEXPIRETIME", "key") - number("HGET", "key", "x"); fmt.Sprint(readers) != end {
		t.Errorf("readers see the value end at %d, and it ends at %s", readers, end)
	}
}

// A claim whose hold is over, or never was, is good for nothing, and leaves
// nothing behind.
func TestClaimForNoTime(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	e := redisstore.New(newClient(t, s))
	for _, hold := range []time.Duration{0, -1, -storage.Forever, 1} {
		key := hold.String()
		c := claimOf(t, e, key, hold)
		waitFor(t, func() bool { return s.Command("EXISTS", key) == "0" }) // a millisecond
		if fillFor(t, e, key, "late", time.Hour, c.Token) || found(t, e, key) != "" {
			t.Errorf("a claim for %v is filled", hold)
		}
	}
	c := claimOf(t, e, "key", storage.Forever)
	if ttl := s.Command("PTTL", "key"); ttl == "-1" {
		t.Error("a claim without an end leaves a key without an end")
	}
	if !fillFor(t, e, "key", "filled", time.Hour, c.Token) || found(t, e, "key") != "filled" {
		t.Error("a claim without an end is not good")
	}
}
