package tree_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/tree"
)

// What is special in a pattern of keys is nothing special in an element.
func TestDefectRedicts05Globs(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	names := []string{"gx", "g*", "g?", "g[a-z]", `g\`, "g\x00", "g\x01y", "g\x02", "g", "g\x00\x01\x02\x03"}
	for i, name := range names {
		noError(t, tr.Set(t.Context(), []string{name, "y"}, i))
	}
	for i, name := range names {
		if existed, err := tr.Delete(t.Context(), []string{name}); err != nil || !existed {
			t.Errorf("Delete(%q) says %v, %v", name, existed, err)
		}
		for j, other := range names {
			want := any(int64(j))
			if j <= i {
				want = nothing
			}
			if got := lookUp(t, tr, []string{other, "y"}); got != want {
				t.Errorf("after Delete(%q) there is %v at %q, want %v", name, got, other, want)
			}
		}
	}
}

func TestDefectRedicts06DotsInKeys(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	want := object{"a.b": int64(1), "a": object{"b": int64(2)}, "": int64(0)}
	if err := tr.Set(t.Context(), at("x"), want); !errors.Is(err, tree.ErrValue) || !errors.Is(err, tree.ErrPath) {
		t.Errorf("an empty key says %v", err)
	}
	delete(want, "")
	set(t, tr, "x", want)
	holds(t, tr, "x", want)
	holds(t, tr, `x.a\.b`, int64(1))
	holds(t, tr, "x.a.b", int64(2))
}

func TestDefectRedicts07ValueOverNode(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "a", object{"c": 1, "d": object{"e": 2}})
	set(t, tr, "a", 2)
	holds(t, tr, "a", int64(2))
	holds(t, tr, "", object{"a": int64(2)})
	holds(t, tr, "a.c", nothing)
}

// What is read while others write is always what one of them has written, never
// half of it.
func TestDefectRedicts08NoHalves(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	const rounds, writers = 100, 3
	whole := func(i int) object {
		a, b := object{}, object{}
		for k := range 20 + i%50 {
			a[fmt.Sprint("k", k)] = int64(i)
			b[fmt.Sprint("k", k)] = int64(i)
		}
		return object{"a": a, "b": b, "n": int64(i)}
	}
	set(t, tr, "x", whole(0))
	var working sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		working.Go(func() {
			for i := range rounds {
				var err error
				switch i := i*writers + w; {
				case i%10 == 3:
					_, err = tr.Expire(t.Context(), at("x"), time.Hour)
				case i%10 == 7:
					_, err = tr.Expire(t.Context(), at("x"), storage.Forever)
				default:
					err = tr.Set(t.Context(), at("x"), whole(i))
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	var reading sync.WaitGroup
	reads := 0
	reading.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			value, err := tree.Get[map[string]any](t.Context(), tr, at("x"))
			if err != nil {
				t.Error(err)
				return
			}
			n, _ := value["n"].(int64)
			if !reflect.DeepEqual(value, whole(int(n))) {
				t.Errorf("a reader sees %v, which nobody wrote", value)
				return
			}
			reads++
		}
	})
	working.Wait()
	close(done)
	reading.Wait()
	t.Logf("%d reads", reads)
	if reads == 0 {
		t.Error("nothing was read meanwhile")
	}
}

// What ends or is deleted while it is read is there, or not found.
func TestDefectRedicts09EndsWhileItIsRead(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	want := object{"a": int64(1), "b": object{"c": int64(2)}}
	var working sync.WaitGroup
	working.Go(func() {
		for i := range 500 {
			keep := storage.Forever
			if i%2 == 0 {
				keep = time.Millisecond
			}
			err := tr.Set(t.Context(), at("x"), want, tree.For(keep))
			if err == nil && i%3 == 0 {
				_, err = tr.Delete(t.Context(), at("x"))
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	seen, missed := 0, 0
	for range 1000 {
		value, err := tr.Get(t.Context(), at("x"))
		switch {
		case errors.Is(err, tree.ErrNotFound):
			missed++
		case err != nil || !reflect.DeepEqual(value, want):
			t.Fatalf("Get returns %v, %v", value, err)
		default:
			seen++
		}
	}
	working.Wait()
	t.Logf("seen %d times, missed %d times", seen, missed)
	if seen == 0 || missed == 0 {
		t.Error("the test sees too little")
	}
}

// What is asked of a subtree costs as many commands in a large tree, among many
// other keys, as in one that has nothing else.
func TestDefectRedicts10CostIsThatOfTheSubtree(t *testing.T) {
	t.Parallel()
	cost := func(others int) map[string]string {
		tr, s := planted(t)
		for i := range others {
			set(t, tr, fmt.Sprint("others.o", i), object{"a": i, "b": object{"c": i}}, tree.For(time.Duration(1+i%2)*time.Hour))
			s.Command("SET", fmt.Sprint("foreign", i), "1")
		}
		calls := map[string]string{}
		for name, call := range map[string]func() error{
			"set":    func() error { return tr.Set(t.Context(), at("x"), object{"a": 1, "b": object{"c": 1}}) },
			"get":    func() error { _, err := tr.Get(t.Context(), at("x")); return err },
			"exists": func() error { _, err := tr.Exists(t.Context(), at("x")); return err },
			"life":   func() error { _, err := tr.TimeToLive(t.Context(), at("x")); return err },
			"children": func() (err error) {
				for _, err = range tr.Children(t.Context(), at("x")) {
				}
				return err
			},
			"leaves": func() (err error) {
				for _, err = range tr.Leaves(t.Context(), at("x")) {
				}
				return err
			},
			"expire": func() error { _, err := tr.Expire(t.Context(), at("x"), time.Hour); return err },
			"add":    func() error { _, err := tr.Add(t.Context(), at("x.a"), 1); return err },
			"delete": func() error { _, err := tr.Delete(t.Context(), at("x")); return err },
		} {
			set(t, tr, "x", object{"a": 1, "b": object{"c": 1}}, tree.For(time.Hour))
			_ = call() // so that the server knows the script
			set(t, tr, "x", object{"a": 1, "b": object{"c": 1}}, tree.For(time.Hour))
			s.Command("CONFIG", "RESETSTAT")
			noError(t, call())
			calls[name] = callsOf(s.Command("INFO", "commandstats"))
		}
		return calls
	}
	few, many := cost(1), cost(300)
	for name, calls := range many {
		if calls != few[name] {
			t.Errorf("%s takes %s among few and %s among many", name, few[name], calls)
		}
		if strings.Contains(calls, "scan=") || strings.Contains(calls, "keys=") {
			t.Errorf("%s goes through all keys: %s", name, calls)
		}
	}
}

// callsOf is how often each command was called.
func callsOf(stats string) string {
	var calls []string
	for line := range strings.Lines(stats) {
		if command, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls="); ok {
			n, _, _ := strings.Cut(rest, ",")
			calls = append(calls, command+"="+n)
		}
	}
	slices.Sort(calls)
	return strings.Join(calls, " ")
}
