package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/storagetest"
)

const ofValues = storagetest.Lister | storagetest.KeyLimit | storagetest.Versioned | storagetest.Watcher

func TestValuesConformance(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	t.Run("alone", func(t *testing.T) { conforms(t, ofValues, redisstore.NewValues(newClient(t, s))) })
	t.Run("opened", func(t *testing.T) { conforms(t, ofValues, open(t, "redis://%s/7?layout=value", s.Addr()).Bytes()) })
}

func TestValuesConformanceOnCluster(t *testing.T) {
	t.Parallel()
	nodes := servers.RedisCluster(t)
	conforms(t, ofValues, open(t, "redis+cluster://%s,%s?layout=value", nodes[0].Addr(), nodes[2].Addr()).Bytes())
}

func TestValuesConformanceThroughSentinel(t *testing.T) {
	t.Parallel()
	s := servers.RedisSentinel(t)
	conforms(t, ofValues, open(t, "redis+sentinel://%s/%s/2?layout=value", s.Sentinel.Addr(), s.Name).Bytes())
}

func swapOf(t testing.TB, v *redisstore.Values, key, was, value string, keep time.Duration) (version string, made bool) {
	t.Helper()
	c := storage.Change{Item: storage.Item{Key: key, Value: []byte(value), Keep: keep}, Was: was, Becomes: fmt.Sprintf("%s on %s", value, was)[:min(100, len(value)+4+len(was))]}
	all, err := v.Swap(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return c.Becomes, all[0]
}

func versionOf(t testing.TB, v *redisstore.Values, key string) string {
	t.Helper()
	found, err := v.Look(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return found[0].Version
}

// What is under a key and is not ours is an error for every call, which names the
// key and says what to do; and nothing is changed.
func TestValuesLeaveForeignKeys(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	v := redisstore.NewValues(newClient(t, s))
	ctx := t.Context()
	for kind, make := range map[string][]string{
		"a list":               {"RPUSH", "the key", "x"},
		"a string":             {"SET", "the key", "x"},
		"a string with an end": {"SET", "the key", "x", "EX", "100"},
		"a hash":               {"HSET", "the key", "field", "x"},
		"a hash with an end":   {"EVAL", "redis.call('HSET', KEYS[1], 'v', 'x', 'k', '5'); redis.call('EXPIRE', KEYS[1], 100)", "1", "the key"},
		"an entry":             {"HSET", "the key", "g", "x", "v", "x", "k", "-1"},
		"a set":                {"SADD", "the key", "x"},
	} {
		t.Run(kind, func(t *testing.T) {
			s.Command("FLUSHALL")
			s.Command(make...)
			if err := v.Set(ctx, "good", []byte("good"), time.Hour); err != nil {
				t.Fatal(err)
			}
			before := s.Command("DUMP", "the key")
			says := func(call string, err error) {
				t.Helper()
				if !errors.Is(err, redisstore.ErrForeign) || !errors.Is(err, storage.ErrRefused) || errors.Is(err, storage.ErrUnreadable) ||
					!strings.Contains(err.Error(), `"the key"`) || !strings.Contains(err.Error(), "prefix") {
					t.Errorf("%s says %v, want ErrForeign that names the key and says what to do", call, err)
				}
				if s.Command("DUMP", "the key") != before {
					t.Errorf("%s changes it", call)
				}
			}
			_, err := v.Get(ctx, "the key")
			says("Get", err)
			says("Set", v.Set(ctx, "the key", []byte("1"), time.Hour))
			says("Set for no time", v.Set(ctx, "the key", nil, 0))
			_, err = v.Delete(ctx, "the key")
			says("Delete", err)
			found, err := v.Look(ctx, "none", "the key", "good")
			says("Look", err)
			if storage.FaultOf(err, 0) != nil || storage.FaultOf(err, 1) == nil || string(found[2].Value) != "good" {
				t.Errorf("Look returns %v, %v", found, err)
			}
			changes := []storage.Change{
				{Item: storage.Item{Key: "the key", Keep: time.Hour}, Becomes: "1"},
				{Item: storage.Item{Key: "new", Value: []byte("new"), Keep: time.Hour}, Becomes: "2"},
				{Item: storage.Item{Key: "the key", Keep: 0}, Becomes: "3"},
			}
			made, err := v.Swap(ctx, changes...)
			says("Swap", err)
			if !slices.Equal(made, []bool{false, true, false}) || storage.FaultOf(err, 1) != nil || storage.FaultOf(err, 2) == nil {
				t.Errorf("Swap says %v, %v", made, err)
			}
			var keys []string
			for key, err := range v.Keys(ctx, "") {
				if err != nil {
					t.Errorf("Keys: %v", err)
				}
				keys = append(keys, key)
			}
			if slices.Sort(keys); !slices.Equal(keys, []string{"good", "new"}) {
				t.Errorf("Keys yields %q", keys)
			}
			says("Clear", v.Clear(ctx, ""))
			if r, err := v.Get(ctx, "good"); err != nil || r.Found {
				t.Errorf("Clear leaves what is ours: %v, %v", r, err)
			}
		})
	}
}

// A command that is sent twice, because its answer was lost, is done once.
func TestValuesAreSentAgain(t *testing.T) {
	t.Parallel()
	rdb := newClient(t, servers.Redis(t))
	v := redisstore.NewValues(rdb)
	var others func()
	rdb.AddHook(between{func() {
		if f := others; f != nil {
			others = nil
			f()
		}
	}})
	ctx := t.Context()
	other := redisstore.NewValues(newClientOf(t, rdb))
	set := func(value string) func() {
		return func() {
			if err := other.Set(ctx, "key", []byte(value), time.Hour); err != nil {
				t.Error(err)
			}
		}
	}
	holds := func(what, want string) {
		t.Helper()
		if r, err := other.Get(ctx, "key"); err != nil || string(r.Value) != want || !r.Found {
			t.Errorf("%s that is sent again: there is %q (found %v), %v; want %q", what, r.Value, r.Found, err, want)
		}
	}
	others = set("another's")
	if err := v.Set(ctx, "key", []byte("mine"), time.Hour); err != nil {
		t.Fatal(err)
	}
	holds("Set", "another's")

	others = set("another's after")
	if had, err := v.Delete(ctx, "key"); err != nil || !had {
		t.Errorf("Delete that is sent again says %v, %v", had, err)
	}
	holds("Delete", "another's after")

	others = set("the last")
	if _, made := swapOf(t, v, "key", versionOf(t, v, "key"), "swapped", time.Hour); !made {
		t.Error("Swap that is sent again says that it is not made")
	}
	holds("Swap", "the last")

	others = set("and after")
	if err := v.Set(ctx, "key", nil, 0); err != nil {
		t.Fatal(err)
	}
	holds("Set for no time", "and after")
}

// between is a hook that sends every pipeline of scripts twice, and lets others
// do something between.
type between struct{ others func() }

func (between) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (between) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (b between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := next(ctx, cmds); err != nil || !strings.HasPrefix(cmds[0].Name(), "eval") {
			return err
		}
		b.others()
		return next(ctx, cmds)
	}
}

func newClientOf(t testing.TB, rdb *redis.Client) *redis.Client {
	t.Helper()
	other := redis.NewClient(&redis.Options{Addr: rdb.Options().Addr})
	t.Cleanup(func() { closes(t, other) })
	return other
}

// What is kept of a record that is no more goes a minute later, and what is kept
// of versions does not grow.
func TestValuesKeepLittle(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	v := redisstore.NewValues(newClient(t, s))
	ctx := t.Context()
	within := func(what string, most time.Duration) {
		t.Helper()
		var ms int64
		if _, err := fmt.Sscan(s.Command("PTTL", "key"), &ms); err != nil {
			t.Fatal(err)
		}
		if left := time.Duration(ms) * time.Millisecond; left > most || left < most-30*time.Second {
			t.Errorf("%s: the key has %v left, want %v", what, left, most)
		}
	}
	if err := v.Set(ctx, "key", []byte("1"), 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	within("a record", 10*time.Minute+storage.VersionsKept)
	if _, err := v.Delete(ctx, "key"); err != nil {
		t.Fatal(err)
	}
	within("a deleted record", storage.VersionsKept)
	if fields := s.Command("HKEYS", "key"); strings.Contains(fields, "v") {
		t.Errorf("a deleted record has the fields %q", fields)
	}
	if _, made := swapOf(t, v, "key", "", "there", storage.Forever); !made || s.Command("PTTL", "key") != "-1" {
		t.Errorf("a record without an end ends in %s ms", s.Command("PTTL", "key"))
	}
	for i := range 200 {
		if err := v.Set(ctx, "key", []byte("1"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		if n := len(s.Command("HGET", "key", "p")); n > 81*40 || i > 20 && n < 17*26 {
			t.Fatalf("after %d changes, what is known of versions takes %d bytes", i, n)
		}
	}
}

// Who was cut off is known again, however much others have changed meanwhile,
// for as long as they are not too many; and what is kept for that is bounded.
func TestValuesKnowWhoWasCutOff(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	rdb := newClient(t, s)
	var cutOff []storage.Change
	var stores []*redisstore.Values
	was := ""
	for i := range 80 {
		v := redisstore.NewValues(rdb)
		c := storage.Change{Item: storage.Item{Key: "key", Value: fmt.Append(nil, i), Keep: storage.Forever}, Was: was, Becomes: rand.Text()}
		if made, err := v.Swap(t.Context(), c); err != nil || !made[0] {
			t.Fatalf("Swap says %v, %v", made, err)
		}
		cutOff, stores, was = append(cutOff, c), append(stores, v), c.Becomes
	}
	hot := redisstore.NewValues(rdb)
	var last []storage.Change
	for i := range 100 {
		c := storage.Change{Item: storage.Item{Key: "key", Value: fmt.Append(nil, "hot ", i), Keep: storage.Forever}, Was: was, Becomes: rand.Text()}
		if made, err := hot.Swap(t.Context(), c); err != nil || !made[0] {
			t.Fatalf("Swap says %v, %v", made, err)
		}
		last, was = append(last, c), c.Becomes
	}
	const known = 47
	for i, c := range cutOff[len(cutOff)-known:] {
		if made, err := stores[len(stores)-known+i].Swap(t.Context(), c); err != nil || !made[0] {
			t.Errorf("change %d of the last %d other stores is known: %v, %v", i, known, made, err)
		}
	}
	if made, err := hot.Swap(t.Context(), last[len(last)-17:]...); err != nil || slices.Contains(made, false) {
		t.Errorf("the last 17 changes are known: %v, %v", made, err)
	}
	if r, err := hot.Get(t.Context(), "key"); err != nil || string(r.Value) != "hot 99" {
		t.Errorf("what was sent again has made %q of it, %v", r.Value, err)
	}
	if n := len(s.Command("HGET", "key", "p")); n > 81*40 {
		t.Errorf("what is known takes %d bytes", n)
	}
}

// Two changes of one key in one call, whose script the server does not know at
// first, are made in their order.
func TestValuesScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	v := redisstore.NewValues(newClient(t, s))
	ctx := t.Context()
	for range 3 {
		s.Command("SCRIPT", "FLUSH")
		s.Command("FLUSHALL")
		item := func(value string) storage.Item {
			return storage.Item{Key: "key", Value: []byte(value), Keep: time.Hour}
		}
		made, err := v.Swap(ctx, storage.Change{Item: item("1"), Becomes: "one"}, storage.Change{Item: item("2"), Was: "one", Becomes: "two"})
		if err != nil || slices.Contains(made, false) || versionOf(t, v, "key") != "two" {
			t.Errorf("Swap says %v, %v", made, err)
		}
		s.Command("SCRIPT", "FLUSH")
		if err := v.Set(ctx, "key", []byte("3"), time.Hour); err != nil {
			t.Error(err)
		}
		s.Command("SCRIPT", "FLUSH")
		if had, err := v.Delete(ctx, "key"); err != nil || !had {
			t.Errorf("Delete says %v, %v", had, err)
		}
	}
}

func TestValuesTooLarge(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	v, free := redisstore.NewValues(newClient(t, s), redisstore.MaxValue(10)), redisstore.NewValues(newClient(t, s), redisstore.MaxValue(0))
	ctx := t.Context()
	tooLarge := func(call string, err error) {
		t.Helper()
		if !errors.Is(err, redisstore.ErrTooLarge) || !errors.Is(err, storage.ErrRefused) || !strings.Contains(err.Error(), `"big"`) {
			t.Errorf("%s says %v, want ErrTooLarge that names the key", call, err)
		}
	}
	big := make([]byte, 11)
	tooLarge("Set", v.Set(ctx, "big", big, time.Hour))
	made, err := v.Swap(ctx, storage.Change{Item: storage.Item{Key: "big", Value: big, Keep: time.Hour}, Becomes: "1"},
		storage.Change{Item: storage.Item{Key: "fits", Value: big[:10], Keep: time.Hour}, Becomes: "2"})
	tooLarge("Swap", err)
	if !slices.Equal(made, []bool{false, true}) || versionOf(t, v, "big") != "" || versionOf(t, v, "fits") != "2" {
		t.Errorf("Swap says %v", made)
	}
	if err := free.Set(ctx, "big", big, time.Hour); err != nil {
		t.Fatal(err)
	}
	_, err = v.Get(ctx, "big")
	tooLarge("Get", err)
	found, err := v.Look(ctx, "big", "fits")
	tooLarge("Look", err)
	if len(found) != 2 || !found[1].Found || found[0].Found {
		t.Errorf("Look returns %v", found)
	}
}

// A restart that remembers leaves versions and what is known of changes; one that
// forgets leaves nothing, and changes of what was are refused.
func TestValuesServerRestarts(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"forgets": nil, "remembers": servers.Durable} {
		t.Run(name, func(t *testing.T) {
			server := servers.Redis(t, args...)
			v := open(t, "redis://%s?layout=value", server.Addr()).Bytes().(*redisstore.Values)
			first, _ := swapOf(t, v, "key", "", "1", storage.Forever)
			if _, made := swapOf(t, v, "key", first, "2", storage.Forever); !made {
				t.Fatal("Swap is not made")
			}
			before := versionOf(t, v, "key")
			server.Restart()
			if got := versionOf(t, v, "key"); got != before && args != nil || got != "" && args == nil {
				t.Errorf("after a restart the version is %q, and was %q", got, before)
			}
			if _, made := swapOf(t, v, "key", before, "3", storage.Forever); made != (args != nil) {
				t.Errorf("after a restart a swap says %v", made)
			}
			if _, made := swapOf(t, v, "key", first, "2", storage.Forever); made != (args != nil) {
				t.Errorf("after a restart a swap that is sent again says %v", made)
			}
		})
	}
}
