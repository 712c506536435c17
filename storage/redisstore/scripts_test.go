package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// A server that has forgotten the scripts is told them again.
func TestScriptsAreForgotten(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	e := redisstore.New(newClient(t, s))
	ctx := t.Context()
	forget := func() { s.Command("SCRIPT", "FLUSH") }
	for range 2 {
		forget()
		if err := e.Set(ctx, "a", []byte("1"), time.Hour); err != nil {
			t.Errorf("Set: %v", err)
		}
		forget()
		claims, err := e.Claim(ctx, time.Hour, "a", "b")
		if err != nil || string(claims[0].Value) != "1" {
			t.Errorf("Claim returns %v, %v", claims, err)
		}
		forget()
		stored, err := e.Fill(ctx,
			storage.Filling{Item: storage.Item{Key: "a", Value: []byte("2"), Keep: time.Hour}, Token: claims[0].Token},
			storage.Filling{Item: storage.Item{Key: "b", Value: []byte("3"), Keep: time.Hour}, Token: claims[1].Token})
		if err != nil || !slices.Equal(stored, []bool{true, true}) {
			t.Errorf("Fill says %v, %v", stored, err)
		}
		forget()
		if had, err := e.Touch(ctx, time.Hour, "a", "none", "b"); err != nil || !slices.Equal(had, []bool{true, false, true}) {
			t.Errorf("Touch says %v, %v", had, err)
		}
		forget()
		if added, err := e.Add(ctx, "a", nil, time.Hour); err != nil || added {
			t.Errorf("Add says %v, %v", added, err)
		}
		forget()
		if had, err := e.DeleteMany(ctx, []string{"a", "none", "b"}); err != nil || !slices.Equal(had, []bool{true, false, true}) {
			t.Errorf("DeleteMany says %v, %v", had, err)
		}
		forget()
		var items []storage.Item
		for i := range 100 {
			items = append(items, storage.Item{Key: fmt.Sprint(i % 70), Value: fmt.Append(nil, i), Keep: time.Hour})
		}
		if err := e.SetMany(ctx, items); err != nil {
			t.Errorf("SetMany: %v", err)
		}
		for _, item := range items[30:] {
			if got := found(t, e, item.Key); got != string(item.Value) {
				t.Errorf("%s has %q, want %q", item.Key, got, item.Value)
			}
		}
	}
}

// amnesia is a hook that has the server know no script in some commands of a
// pipeline, as where it is told the script by somebody else meanwhile.
type amnesia struct{ forgets func(i int) bool }

type noScript struct{}

func (noScript) Error() string { return "NOSCRIPT No matching script. Please use EVAL." }
func (noScript) RedisError()   {}

func (amnesia) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (amnesia) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (a amnesia) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var first error
		var known []redis.Cmder
		for i, cmd := range cmds {
			if cmd.Name() == "evalsha" && a.forgets(i) {
				first = noScript{}
				cmd.SetErr(first)
				continue
			}
			known = append(known, cmd)
		}
		if len(known) > 0 {
			if err := next(ctx, known); err != nil {
				first = err
			}
		}
		return first
	}
}

// Where a server forgets the scripts and is told them again in the midst of a
// bulk, the last of two of one key is the last all the same.
func TestScriptsAreForgottenInTheMidst(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	rdb := newClient(t, s)
	var forgets func(i int) bool
	rdb.AddHook(amnesia{func(i int) bool { return forgets(i) }})
	e := redisstore.New(rdb)
	keys := []string{"a", "b", "a", "c", "b", "a"}
	for pattern := range 1 << len(keys) {
		forgets = func(i int) bool { return pattern>>i&1 == 1 }
		var items []storage.Item
		for i, key := range keys {
			items = append(items, storage.Item{Key: key, Value: fmt.Append(nil, pattern, " ", i), Keep: time.Hour})
		}
		if err := e.SetMany(t.Context(), items); err != nil {
			t.Fatal(err)
		}
		for key, last := range map[string]int{"a": 5, "b": 4, "c": 3} {
			if got := found(t, e, key); got != fmt.Sprint(pattern, " ", last) {
				t.Fatalf("the script is known as in %06b from the right: %s has %q, want that of item %d", pattern, key, got, last)
			}
		}
		had, err := e.DeleteMany(t.Context(), []string{"a", "none", "b", "c"})
		if err != nil || !slices.Equal(had, []bool{true, false, true, true}) {
			t.Fatalf("the script is known as in %06b from the right: DeleteMany says %v, %v", pattern, had, err)
		}
	}
}

// An Add that is sent again, because its answer was lost, knows what it has
// added; and no other does.
func TestAddIsSentAgain(t *testing.T) {
	t.Parallel()
	rdb := newClient(t, servers.Redis(t))
	rdb.AddHook(again{})
	e := redisstore.New(rdb)
	for i, want := range []bool{true, false} {
		if added, err := e.Add(t.Context(), "key", nil, time.Hour); err != nil || added != want {
			t.Errorf("Add %d says %v, %v; want %v", i, added, err, want)
		}
	}
}

// again is a hook that sends every pipeline twice.
type again struct{}

func (again) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (again) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (again) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := next(ctx, cmds); err != nil {
			return err
		}
		return next(ctx, cmds)
	}
}
