package tree_test

import (
	"errors"
	"flag"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/tree"
)

var (
	seed  = flag.Uint64("seed", 0, "of the random tests; 0 takes another each time")
	steps = flag.Int("steps", 600, "of the random tests")
)

// model is a tree as it should be: nested maps, and beside each leaf its life.
type model struct{ root any }

type modelLeaf struct {
	value any
	keep  time.Duration
}

// modelNode has elements, unless it is an empty map that was set: that is a leaf.
type modelNode = map[string]any

// plant is what a value comes to, given a life.
func plant(value any, keep time.Duration) any {
	if m, ok := value.(object); ok && len(m) > 0 {
		n := modelNode{}
		for key, value := range m {
			n[key] = plant(value, keep)
		}
		return n
	}
	return modelLeaf{value, keep}
}

func (m *model) at(path []string) any {
	at := m.root
	for _, element := range path {
		n, _ := at.(modelNode)
		if at = n[element]; at == nil {
			return nil
		}
	}
	return at
}

// put has something be at the path; nil deletes what is there.
func (m *model) put(path []string, what any) {
	if what == nil && m.at(path) == nil {
		return
	}
	m.root = put(m.root, path, what)
}

func put(at any, path []string, what any) any {
	if len(path) == 0 {
		return what
	}
	n, ok := at.(modelNode)
	if !ok {
		n = modelNode{}
	}
	if below := put(n[path[0]], path[1:], what); below != nil {
		n[path[0]] = below
	} else {
		delete(n, path[0])
	}
	if len(n) == 0 {
		return nil
	}
	return n
}

func valueOf(at any) any {
	switch at := at.(type) {
	case modelLeaf:
		return at.value
	case modelNode:
		values := object{}
		for element, below := range at {
			values[element] = valueOf(below)
		}
		return values
	}
	return nothing
}

func lifeOf(at any) time.Duration {
	if leaf, ok := at.(modelLeaf); ok {
		return leaf.keep
	}
	var life time.Duration
	for _, below := range at.(modelNode) {
		life = max(life, lifeOf(below))
	}
	return life
}

func relive(at any, keep time.Duration) any {
	if leaf, ok := at.(modelLeaf); ok {
		return modelLeaf{leaf.value, keep}
	}
	n := modelNode{}
	for element, below := range at.(modelNode) {
		n[element] = relive(below, keep)
	}
	return n
}

// gardener does random things to a tree and its model.
type gardener struct {
	*rand.Rand
	elements []string
}

func (g *gardener) path() []string {
	var path []string
	for range g.IntN(4) {
		path = append(path, g.elements[g.IntN(len(g.elements))])
	}
	return path
}

func (g *gardener) value(depth int) any {
	if depth > 0 && g.IntN(2) == 0 {
		m := object{}
		for range g.IntN(4) {
			m[g.elements[g.IntN(len(g.elements))]] = g.value(depth - 1)
		}
		return m
	}
	all := []any{nil, true, false, int64(g.IntN(10)), int64(g.Uint64()), g.Float64() + 0.1, "", "text\n\"<ü>\x00", "plain", []any{}, []any{int64(1), "x", object{"": nil}}, uint64(1<<63) + g.Uint64()>>1}
	return all[g.IntN(len(all))]
}

// Whatever is done to a tree, it is what a nested map would be to which the same
// is done. What ends soon is waited for; it lies about in the store, hidden.
func TestTreeIsANestedMap(t *testing.T) {
	t.Parallel()
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("-seed=%d", from)
	tr, s := planted(t)
	g := &gardener{rand.New(rand.NewPCG(from, 0)), []string{"a", "b", "a.b", "*", "a\x00", "\x01", "\x02\x03", "ü", "\xff"}}
	m := &model{}
	did := map[string]int{}
	for step := range *steps {
		path, keep := g.path(), []time.Duration{storage.Forever, time.Hour, 24 * time.Hour}[g.IntN(3)]
		here := m.at(path)
		var what string
		switch what = []string{"set", "set", "set", "set brief", "delete", "expire", "expire soon", "add", "clear"}[g.IntN(9)]; what {
		case "set":
			value := g.value(3)
			noError(t, tr.Set(t.Context(), path, value, tree.For(keep)))
			m.put(path, plant(value, keep))
		case "set brief":
			noError(t, tr.Set(t.Context(), path, g.value(2), tree.For(time.Nanosecond)))
			m.put(path, plant(nil, 0)) // what was above is gone too
			m.put(path, nil)
			waitFor(t, func() bool { return lookUp(t, tr, path) == nothing })
		case "delete":
			existed, err := tr.Delete(t.Context(), path)
			if err != nil || existed != (here != nil) {
				t.Fatalf("step %d: Delete(%q) says %v, %v", step, path, existed, err)
			}
			m.put(path, nil)
		case "expire":
			existed, err := tr.Expire(t.Context(), path, keep)
			if err != nil || existed != (here != nil) {
				t.Fatalf("step %d: Expire(%q) says %v, %v", step, path, existed, err)
			}
			if here != nil {
				m.put(path, relive(here, keep))
			}
		case "expire soon":
			_, err := tr.Expire(t.Context(), path, time.Millisecond)
			noError(t, err)
			m.put(path, nil)
			waitFor(t, func() bool { return lookUp(t, tr, path) == nothing })
		case "add":
			n := int64(g.IntN(100)) - 50
			sum, err := tr.Add(t.Context(), path, n)
			leaf, isLeaf := here.(modelLeaf)
			was, isInt := leaf.value.(int64)
			switch {
			case here == nil:
				leaf, isInt = modelLeaf{keep: storage.Forever}, true
			case !isLeaf || !isInt:
				isInt = false
			case n > 0 && was+n < was || n < 0 && was+n > was:
				isInt = false
			}
			if isInt != (err == nil) || err != nil && !errors.Is(err, tree.ErrNotInteger) || err == nil && sum != was+n {
				t.Fatalf("step %d: Add(%q, %d) to %v says %v, %v", step, path, n, here, sum, err)
			}
			if err == nil {
				m.put(path, modelLeaf{sum, leaf.keep})
			}
		case "clear":
			if g.IntN(20) == 0 {
				noError(t, tr.Clear(t.Context()))
				m.root = nil
			}
		}
		did[what]++
		compare(t, tr, m, g.path())
		compare(t, tr, m, nil)
		if t.Failed() {
			t.Fatalf("step %d: after %s at %q", step, what, path)
		}
	}
	t.Logf("did %v", did)
	noError(t, tr.Set(t.Context(), tree.Root, 1))
	if left := s.Command("ZCARD", "{tree:}ends"); left != "0" {
		t.Errorf("the index of a tree without ends has %s", left)
	}
}

// compare asks all that can be asked of a path.
func compare(t *testing.T, tr *tree.Tree, m *model, path []string) {
	t.Helper()
	here := m.at(path)
	if got, want := lookUp(t, tr, path), valueOf(here); !reflect.DeepEqual(got, want) {
		t.Errorf("at %q there is %#v, want %#v", path, got, want)
	}
	if got, err := tr.Exists(t.Context(), path); err != nil || got != (here != nil) {
		t.Errorf("Exists(%q) says %v, %v", path, got, err)
	}
	left, err := tr.TimeToLive(t.Context(), path)
	switch {
	case here == nil:
		if !errors.Is(err, tree.ErrNotFound) {
			t.Errorf("TimeToLive(%q) says %v", path, err)
		}
	case err != nil:
		t.Errorf("TimeToLive(%q) says %v", path, err)
	case lifeOf(here) == storage.Forever:
		if left != storage.Forever {
			t.Errorf("%q is for %v, want no end", path, left)
		}
	case left > lifeOf(here) || left < lifeOf(here)-30*time.Minute:
		t.Errorf("%q is for %v, want %v", path, left, lifeOf(here))
	}
	node, _ := here.(modelNode)
	want := slices.Sorted(maps.Keys(node))
	var names []string
	for name, err := range tr.Children(t.Context(), path) {
		noError(t, err)
		names = append(names, name)
	}
	if !slices.Equal(names, want) {
		t.Errorf("%q has the children %q, want %q", path, names, want)
	}
	if here == nil {
		return
	}
	again := &model{}
	for leaf, err := range tr.Leaves(t.Context(), path) {
		noError(t, err)
		if again.at(leaf.Path) != nil {
			t.Errorf("Leaves yields %q twice", leaf.Path)
		}
		again.put(leaf.Path, modelLeaf{value: leaf.Value})
	}
	if got := valueOf(again.at(path)); !reflect.DeepEqual(got, valueOf(here)) {
		t.Errorf("of %q there are the leaves %v, want %v", path, got, valueOf(here))
	}
}
