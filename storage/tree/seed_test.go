package tree_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage/tree"
)

// The tests of redicts, by what they assert of values.

func TestRedicts01SetReplaces(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "a", 2)
	set(t, tr, "a.b", 3)
	holds(t, tr, "a", object{"b": int64(3)})
	set(t, tr, "a.c", nil)
	holds(t, tr, "a", object{"b": int64(3), "c": nil})
	set(t, tr, "a", object{"b": 42, "e": 3})
	holds(t, tr, "a", object{"b": int64(42), "e": int64(3)})
}

func TestRedicts04RootAndSection(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	holds(t, tr, "", nothing)
	set(t, tr, "", object{"section": object{"a": 1}, "b": "x"})
	set(t, tr, "section.c", true)
	holds(t, tr, "", object{"section": object{"a": int64(1), "c": true}, "b": "x"})
	holds(t, tr, "section", object{"a": int64(1), "c": true})
	set(t, tr, "", 1)
	holds(t, tr, "", int64(1))
	set(t, tr, "a", 2)
	holds(t, tr, "", object{"a": int64(2)})
}

func TestRedicts06ThousandAdditions(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	var adding sync.WaitGroup
	for range 10 {
		adding.Go(func() {
			for range 100 {
				if _, err := tr.Add(t.Context(), at("a.b"), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	adding.Wait()
	holds(t, tr, "a.b", int64(1000))
}

func TestRedicts07EqualPathsAreOnePlace(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	other := newTree(t, newClient(t, s))
	set(t, tr, "a.b", 1)
	noError(t, other.Set(t.Context(), []string{"a", "b"}, 2))
	holds(t, tr, "a.b", int64(2))
}

func TestRedicts08EqualValues(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	value := object{"x": []any{int64(1), "two"}, "y": 1.5}
	set(t, tr, "a", value)
	set(t, tr, "b", value)
	if a, b := lookUp(t, tr, at("a")), lookUp(t, tr, at("b")); !reflect.DeepEqual(a, b) {
		t.Errorf("what was set to the same is %v and %v", a, b)
	}
}

func TestRedicts09Delete(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "a", object{"b": 1, "c": 2})
	for _, want := range []bool{true, false} {
		if existed, err := tr.Delete(t.Context(), at("a.b")); err != nil || existed != want {
			t.Errorf("Delete says %v, %v; want %v", existed, err, want)
		}
	}
	holds(t, tr, "a.b", nothing)
	holds(t, tr, "a", object{"c": int64(2)})
	if existed, err := tr.Delete(t.Context(), at("a")); err != nil || !existed {
		t.Errorf("Delete of a node says %v, %v", existed, err)
	}
	holds(t, tr, "", nothing)
	set(t, tr, "a.b", 1)
	noError(t, tr.Clear(t.Context()))
	holds(t, tr, "", nothing)
}

// The seed says false of a node.
func TestRedicts10Exists(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	existence(t, tr, "", false)
	set(t, tr, "a.b.c", nil)
	for path, want := range map[string]bool{"": true, "a": true, "a.b": true, "a.b.c": true, "a.b.c.d": false, "b": false, "a.b.cc": false} {
		existence(t, tr, path, want)
	}
	_, err := tr.Delete(t.Context(), at("a.b.c"))
	noError(t, err)
	existence(t, tr, "a", false)
}

// The seed yields leaves, and says children.
func TestRedicts11Children(t *testing.T) {
	t.Parallel()
	tr, s := planted(t)
	set(t, tr, "dummy", object{"a": object{"b": object{"c": 2, "d": 3}}, "e": 4, "a-": 5})
	if got := children(t, tr, "dummy"); !slices.Equal(got, []string{"a", "a-", "e"}) {
		t.Errorf("children are %q", got)
	}
	if got := children(t, tr, "dummy.e"); got != nil {
		t.Errorf("a leaf has children: %q", got)
	}
	want := []tree.Leaf{
		{Path: []string{"dummy", "a", "b", "c"}, Value: int64(2)}, {Path: []string{"dummy", "a", "b", "d"}, Value: int64(3)},
		{Path: []string{"dummy", "a-"}, Value: int64(5)}, {Path: []string{"dummy", "e"}, Value: int64(4)},
	}
	if got := leaves(t, tr, "dummy"); !reflect.DeepEqual(got, want) {
		t.Errorf("leaves are %v, want %v", got, want)
	}
	if got := leaves(t, tr, "dummy.a.b.c"); !reflect.DeepEqual(got, want[:1]) {
		t.Errorf("leaves of a leaf are %v, want itself", got)
	}
	if raw := s.Command("ZRANGE", "{tree:}leaves", "0", "0"); raw != "\x01dummy\x01a\x01b\x01c\x00 2" {
		t.Errorf("it is stored as %q", raw)
	}
}

func children(t testing.TB, tr *tree.Tree, path string) (names []string) {
	t.Helper()
	for name, err := range tr.Children(t.Context(), at(path)) {
		noError(t, err)
		names = append(names, name)
	}
	return names
}

func leaves(t testing.TB, tr *tree.Tree, path string) (all []tree.Leaf) {
	t.Helper()
	for leaf, err := range tr.Leaves(t.Context(), at(path)) {
		noError(t, err)
		all = append(all, leaf)
	}
	return all
}

// The seed loses the life of what it adds to, and writes a number beside a node.
func TestRedicts12Add(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	for i := range 3 {
		if sum, err := tr.Add(t.Context(), at("a.n"), 1); err != nil || sum != int64(i+1) {
			t.Errorf("Add says %v, %v; want %d", sum, err, i+1)
		}
	}
	holds(t, tr, "a", object{"n": int64(3)})
	set(t, tr, "brief", 5, tree.For(time.Hour))
	if sum, err := tr.Add(t.Context(), at("brief"), -7); err != nil || sum != -2 {
		t.Errorf("Add says %v, %v", sum, err)
	}
	if left, err := tr.TimeToLive(t.Context(), at("brief")); err != nil || left > time.Hour || left < time.Hour-patient {
		t.Errorf("after Add %v is left, %v; want what was", left, err)
	}
	for path, value := range map[string]any{"text": "1", "float": 1.5, "null": nil, "list": []int{1}, "node": object{"a": 1}, "most": int64(1<<63 - 1), "true": true} {
		set(t, tr, path, value)
		before := lookUp(t, tr, at(path))
		if _, err := tr.Add(t.Context(), at(path), 1); !errors.Is(err, tree.ErrNotInteger) {
			t.Errorf("Add to a %s says %v", path, err)
		}
		holds(t, tr, path, before)
	}
	set(t, tr, "v", 1)
	if sum, err := tr.Add(t.Context(), at("v.below"), 1); err != nil || sum != 1 {
		t.Errorf("Add below a value says %v, %v", sum, err)
	}
	holds(t, tr, "v", object{"below": int64(1)})
	set(t, tr, "exact", int64(1)<<62)
	if sum, err := tr.Add(t.Context(), at("exact"), 1); err != nil || sum != 1<<62+1 {
		t.Errorf("Add says %d, %v", sum, err)
	}
}

// The seed gives a default for what is missing, and a nil for a stored null even
// with a default.
func TestRedicts13MissingIsNotNull(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	if _, err := tr.Get(t.Context(), at("a")); !errors.Is(err, tree.ErrNotFound) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("Get of nothing says %v", err)
	}
	for path, value := range map[string]any{"null": nil, "false": false, "zero": int64(0), "empty": "", "list": []any{}, "map": object{}} {
		set(t, tr, path, value)
		holds(t, tr, path, value)
		existence(t, tr, path, true)
	}
}

func TestRedicts14TimesOfZeroOrLess(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	for _, keep := range []time.Duration{0, -1, -time.Hour} {
		set(t, tr, "a.b", 1)
		set(t, tr, "a.b", 2, tree.For(keep))
		holds(t, tr, "a", nothing)
		set(t, tr, "a", 1)
		set(t, tr, "a.b", 2, tree.For(keep))
		holds(t, tr, "a", int64(1))
		if existed, err := tr.Expire(t.Context(), at("a"), keep); err != nil || !existed {
			t.Errorf("Expire says %v, %v", existed, err)
		}
		holds(t, tr, "a", nothing)
	}
}

// adderEnv tells the program of these tests that it is to add, and where.
const adderEnv = "PERENNIAL_TREE_ADDER"

const additions = 1000

// addAlone is what a process does that adds.
func addAlone(addr string) error {
	rdb := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true, DialTimeout: patient, ReadTimeout: patient})
	defer rdb.Close()
	return addTo(rdb)
}

func addTo(rdb *redis.Client) error {
	tr, err := tree.New(rdb)
	if err != nil {
		return err
	}
	for range additions {
		if _, err := tr.Add(context.Background(), tree.Path("shared.count"), 1); err != nil {
			return err
		}
	}
	return nil
}

func TestRedicts18FourWorkers(t *testing.T) {
	t.Parallel()
	const workers = 4
	t.Run("goroutines", func(t *testing.T) {
		t.Parallel()
		tr, s := planted(t)
		var working sync.WaitGroup
		for range workers {
			rdb := newClient(t, s)
			working.Go(func() {
				if err := addTo(rdb); err != nil {
					t.Error(err)
				}
			})
		}
		working.Wait()
		holds(t, tr, "shared.count", int64(workers*additions))
	})
	t.Run("processes", func(t *testing.T) {
		t.Parallel()
		tr, s := planted(t)
		var working sync.WaitGroup
		for range workers {
			working.Go(func() {
				cmd := exec.CommandContext(t.Context(), os.Args[0])
				cmd.Env = append(os.Environ(), adderEnv+"="+s.Addr())
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
			})
		}
		working.Wait()
		holds(t, tr, "shared.count", int64(workers*additions))
	})
}

// The seed takes the default database for an unknown name.
func TestRedicts19NamedDatabases(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	databases := tree.Databases{}
	for i, name := range []string{"persons", "things"} {
		rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), DB: i, ContextTimeoutEnabled: true, DialTimeout: patient, ReadTimeout: patient})
		t.Cleanup(func() { noError(t, rdb.Close()) })
		databases[name] = rdb
	}
	for name := range databases {
		tr, err := databases.Tree(name)
		noError(t, err)
		holds(t, tr, "x.y", nothing)
		set(t, tr, "x.y", name)
	}
	for name := range databases {
		tr, err := databases.Tree(name)
		noError(t, err)
		holds(t, tr, "x.y", name)
	}
	if _, err := databases.Tree("person"); !errors.Is(err, tree.ErrDatabase) || !strings.Contains(err.Error(), "persons, things") {
		t.Errorf("an unknown name says %v", err)
	}
}

func TestRedicts20ManyReaders(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	want := object{"b": object{"c": int64(2)}}
	set(t, tr, "a", want)
	var reading sync.WaitGroup
	for range 200 {
		reading.Go(func() {
			for range 100 {
				if got, err := tr.Get(t.Context(), at("a")); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("Get returns %v, %v", got, err)
					return
				}
			}
		})
	}
	reading.Wait()
}

// The deeper of two keys holds, as in unflatten: whichever is set last, that is,
// and there are never both.
func TestRedicts22DeeperAndShallower(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "a", 1)
	set(t, tr, "a.b.c", 2)
	holds(t, tr, "", object{"a": object{"b": object{"c": int64(2)}}})
	if got := leaves(t, tr, ""); len(got) != 1 {
		t.Errorf("leaves are %v", got)
	}
}

func TestRedicts23BadPaths(t *testing.T) {
	t.Parallel()
	tr, _ := planted(t)
	set(t, tr, "a", 1)
	deep := make([]string, 129)
	for i := range deep {
		deep[i] = "x"
	}
	for name, path := range map[string][]string{
		"empty": tree.Path(""), "dot first": tree.Path(".a"), "dot last": tree.Path("a."), "two dots": tree.Path("a..b"),
		"empty element": {"a", "", "b"}, "deep": deep, "long": {strings.Repeat("x", 5000)},
	} {
		_, err := tr.Get(t.Context(), path)
		said := map[string]error{"Get": err, "Set": tr.Set(t.Context(), path, 2), "Set for no time": tr.Set(t.Context(), path, 2, tree.For(0))}
		_, said["Get of int"] = tree.Get[int](t.Context(), tr, path)
		_, said["Delete"] = tr.Delete(t.Context(), path)
		_, said["Add"] = tr.Add(t.Context(), path, 1)
		_, said["Exists"] = tr.Exists(t.Context(), path)
		_, said["Expire"] = tr.Expire(t.Context(), path, time.Hour)
		_, said["TimeToLive"] = tr.TimeToLive(t.Context(), path)
		for _, err := range tr.Children(t.Context(), path) {
			said["Children"] = err
		}
		for _, err := range tr.Leaves(t.Context(), path) {
			said["Leaves"] = err
		}
		if len(said) != 11 {
			t.Errorf("%s: only %d calls say anything", name, len(said))
		}
		for call, err := range said {
			if !errors.Is(err, tree.ErrPath) || len(err.Error()) > 500 {
				t.Errorf("%s: %s says %v", name, call, err)
			}
		}
	}
	holds(t, tr, "", object{"a": int64(1)})
}
