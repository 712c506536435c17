package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// listed is what every layout can do.
type listed interface {
	storage.Bytes
	storage.ListerBytes
}

func everyLayout(t *testing.T, s *servers.Server) map[string]listed {
	return map[string]listed{
		"entry": redisstore.New(newClient(t, s)), "string": redisstore.NewStrings(newClient(t, s)),
		"field": redisstore.NewFields(newClient(t, s), "the hash"), "value": redisstore.NewValues(newClient(t, s)),
	}
}

// setMany sets n keys of a prefix.
func setMany(t *testing.T, b storage.Bytes, prefix string, n int) {
	t.Helper()
	items := make([]storage.Item, n)
	for i := range items {
		items[i] = storage.Item{Key: fmt.Sprint(prefix, i), Value: []byte("v"), Keep: time.Hour}
	}
	if bulk, ok := b.(storage.BulkBytes); ok {
		if err := bulk.SetMany(t.Context(), items); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, item := range items {
		if err := b.Set(t.Context(), item.Key, item.Value, item.Keep); err != nil {
			t.Fatal(err)
		}
	}
}

// A listing can be left at any key, and of more keys than a batch all are listed
// and cleared.
func TestListingsOfSeveralBatches(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	const n = 1700
	for layout, b := range everyLayout(t, s) {
		s.Command("FLUSHALL")
		setMany(t, b, "a", n)
		setMany(t, b, "b", 3)
		for _, most := range []int{1, 2, 700, n} {
			got := 0
			for _, err := range b.Keys(t.Context(), "a") {
				if err != nil {
					t.Fatalf("%s: %v", layout, err)
				}
				if got++; got == most {
					break
				}
			}
			if got != most {
				t.Errorf("%s: left at key %d, %d were yielded", layout, most, got)
			}
		}
		keys := map[string]bool{}
		for key := range b.Keys(t.Context(), "a") {
			keys[key] = true
		}
		if len(keys) != n {
			t.Errorf("%s: %d keys are listed, want %d", layout, len(keys), n)
		}
		if err := b.Clear(t.Context(), "a"); err != nil {
			t.Errorf("%s: %v", layout, err)
		}
		left := 0
		for range b.Keys(t.Context(), "") {
			left++
		}
		if left != 3 {
			t.Errorf("%s: %d keys are left, want those of the other prefix", layout, left)
		}
	}
}

// Of many keys those that are missing keep no other from being found, and of
// nothing there is nothing.
func TestManyOfWhichSomeAreMissing(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	for layout, b := range everyLayout(t, s) {
		b, ok := b.(storage.BulkBytes)
		if !ok {
			continue
		}
		s.Command("FLUSHALL")
		setMany(t, b.(storage.Bytes), "a", 2)
		got, err := b.GetMany(t.Context(), []string{"none", "a0", "other", "a1"})
		if err != nil || len(got) != 4 || got[0].Found || !got[1].Found || got[2].Found || !got[3].Found {
			t.Errorf("%s: GetMany returns %+v, %v", layout, got, err)
		}
		had, err := b.DeleteMany(t.Context(), []string{"none", "a0", "other", "a1"})
		if err != nil || !slices.Equal(had, []bool{false, true, false, true}) {
			t.Errorf("%s: DeleteMany returns %v, %v", layout, had, err)
		}
		if got, err := b.GetMany(t.Context(), nil); err != nil || len(got) != 0 {
			t.Errorf("%s: GetMany of nothing returns %v, %v", layout, got, err)
		}
		if had, err := b.DeleteMany(t.Context(), nil); err != nil || len(had) != 0 {
			t.Errorf("%s: DeleteMany of nothing returns %v, %v", layout, had, err)
		}
		if err := b.SetMany(t.Context(), nil); err != nil {
			t.Errorf("%s: SetMany of nothing: %v", layout, err)
		}
		if f, ok := b.(storage.FencedBytes); ok {
			if claims, err := f.Claim(t.Context(), time.Hour); err != nil || len(claims) != 0 {
				t.Errorf("%s: Claim of nothing returns %v, %v", layout, claims, err)
			}
		}
	}
}

// A command that the server refuses in the midst of a listing is an error, of
// each that does its part.
func TestListingsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	for layout, commands := range map[string][]string{
		"entry":        {"hmget", "unlink", "scan"},
		"string":       {"unlink", "scan"},
		"field&hash=h": {"hscan", "hdel"},
		"value":        {"evalsha", "scan"},
	} {
		for _, command := range commands {
			s.Command("FLUSHALL")
			all := open(t, "redis://%s?layout="+layout, s.Addr()).Bytes().(listed)
			setMany(t, all, "a", 3)
			deny := []string{"-" + command}
			if command == "evalsha" {
				deny = append(deny, "-eval")
			}
			s.Command(append([]string{"ACL", "SETUSER", "less", "reset", "on", ">secret", "~*", "&*", "+@all"}, deny...)...)
			b := open(t, "redis://less:secret@%s?layout="+layout, s.Addr()).Bytes().(listed)
			var ended error
			for _, err := range b.Keys(t.Context(), "a") {
				ended = err
			}
			cleared := b.Clear(t.Context(), "a")
			if err := errors.Join(ended, cleared); !errors.Is(err, storage.ErrRefused) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s without %s: Keys ends with %v, Clear with %v; want one refused", layout, command, ended, cleared)
			}
			if command == "unlink" || command == "hdel" {
				if ended != nil || cleared == nil {
					t.Errorf("%s without %s: Keys ends with %v, Clear with %v; want Clear alone refused", layout, command, ended, cleared)
				}
			}
			if command == "hmget" && (ended == nil || cleared != nil) {
				t.Errorf("%s without %s: Keys ends with %v, Clear with %v; want Keys alone refused", layout, command, ended, cleared)
			}
		}
	}
}

// A store of fields is named with its hash; what is too large to be read in one is
// an error, of Get and of GetMany.
func TestFields(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	large, small := redisstore.NewFields(newClient(t, s), "the hash"), redisstore.NewFields(newClient(t, s), "the hash", redisstore.MaxValue(10))
	if got := large.String(); !strings.HasSuffix(got, " in the hash") || !strings.Contains(got, s.Addr()) {
		t.Errorf("it is called %q", got)
	}
	if err := large.SetMany(t.Context(), []storage.Item{{Key: "big", Value: make([]byte, 11), Keep: time.Hour}, {Key: "a", Value: make([]byte, 10), Keep: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	if r, err := small.Get(t.Context(), "big"); !errors.Is(err, redisstore.ErrTooLarge) || r.Found {
		t.Errorf("Get returns %+v, %v", r, err)
	}
	got, err := small.GetMany(t.Context(), []string{"big", "a"})
	if !errors.Is(err, redisstore.ErrTooLarge) || got[0].Found || !got[1].Found {
		t.Errorf("GetMany returns %+v, %v", got, err)
	}
}

// A listing under a context that ends in its midst ends with its error.
func TestListingsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	for layout, b := range everyLayout(t, s) {
		s.Command("FLUSHALL")
		setMany(t, b, "a", 1700)
		ctx, cancel := context.WithCancel(t.Context())
		var last error
		for _, err := range b.Keys(ctx, "a") {
			cancel()
			last = err
		}
		cancel()
		if !errors.Is(last, context.Canceled) {
			t.Errorf("%s: it ends with %v", layout, last)
		}
	}
}

// The fault of the first of many keys is its own.
func TestFirstOfManyIsForeign(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	for layout, b := range everyLayout(t, s) {
		bulk, ok := b.(storage.BulkReaderBytes)
		if !ok || layout == "field" { // in a hash there is nothing foreign
			continue
		}
		s.Command("FLUSHALL")
		setMany(t, b, "a", 2)
		s.Command("LPUSH", "foreign", "x")
		got, err := bulk.GetMany(t.Context(), []string{"foreign", "a0", "a1"})
		if err == nil || len(got) != 3 || got[0].Found || !got[1].Found || !got[2].Found {
			t.Errorf("%s: GetMany returns %+v, %v", layout, got, err)
		}
		if f, ok := b.(storage.FencedBytes); ok {
			claims, err := f.Claim(t.Context(), time.Hour, "a0", "foreign", "a1")
			if err != nil || !claims[0].Found || !claims[2].Found || claims[1].Token == "" {
				t.Errorf("%s: Claim returns %+v, %v", layout, claims, err)
			}
		}
	}
}
