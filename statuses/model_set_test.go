package statuses_test

import (
	"testing"
)

// Sets that supersede one another, and what a superseded Set has to do before it
// returns, as a model whose every interleaving is visited.
//
// Two Sets and an invalidation of one key, which holds 0 when they begin; a touch may
// write back what is stored, at any time. Each Set is superseded by what begins after
// it. Two things must never be:
//
//	old value  a Set or the invalidation has returned, and the storage holds 0
//	lost       both Sets have returned, no invalidation ran when the last of them began
//	           nor since, and the storage holds nothing
type sets struct {
	nothing   bool // a superseded Set returns at once
	always    bool // a superseded Set releases whatever is stored
	byValue   bool // it releases what it has found when it began, and nothing else
	withTouch bool
}

// Steps of a Set or an invalidation.
const (
	sBegin = iota
	sHold
	sWrite
	sFree
	sYield
	sRelease
	sReturned
)

type setActor struct {
	step, began int8
	found       int8 // the identity of what was stored when it began
}

type setWorld struct {
	value, identity  int8 // what is stored, none where nothing is
	clock, published int8 // the begin of the newest Set that was published
	busy             bool
	sets             [2]setActor
	invalidation     setActor
	touch            int8 // 0 has not run, 1 has
	lastFence        int8
	quiet            bool // no invalidation ran when the last Set began, nor since
}

func (p sets) next(w setWorld) (out []setWorld) {
	add := func(f func(n *setWorld)) { n := w; f(&n); out = append(out, n) }
	store := func(n *setWorld, value int8) {
		n.value = value
		n.identity++
	}
	for i := range w.sets {
		s := w.sets[i]
		switch s.step {
		case sBegin:
			add(func(n *setWorld) {
				n.clock++
				n.sets[i] = setActor{step: sHold, began: n.clock, found: n.identity}
				n.lastFence, n.quiet = n.clock, w.invalidation.step == sBegin || w.invalidation.step == sReturned
			})
		case sHold:
			if s.began < w.lastFence {
				add(func(n *setWorld) { n.sets[i].step = sYield })
			} else if !w.busy {
				add(func(n *setWorld) { n.busy, n.published, n.sets[i].step = true, s.began, sWrite })
			}
		case sWrite:
			add(func(n *setWorld) { store(n, int8(i)+1); n.sets[i].step = sFree })
		case sYield:
			if p.nothing {
				add(func(n *setWorld) { n.sets[i].step = sReturned })
			} else if !w.busy {
				add(func(n *setWorld) { n.busy, n.sets[i].step = true, sRelease })
			}
		case sRelease:
			add(func(n *setWorld) {
				overtaken := w.published > s.began
				if p.byValue {
					overtaken = w.identity != s.found
				}
				if !overtaken || p.always {
					n.value = none
				}
				n.sets[i].step = sFree
			})
		case sFree:
			add(func(n *setWorld) { n.busy, n.sets[i].step = false, sReturned })
		}
	}
	switch x := w.invalidation; x.step {
	case sBegin:
		add(func(n *setWorld) {
			n.clock++
			n.invalidation = setActor{step: sHold, began: n.clock}
			n.lastFence, n.quiet = n.clock, false
		})
	case sHold:
		if !w.busy {
			add(func(n *setWorld) { n.busy, n.invalidation.step = true, sWrite })
		}
	case sWrite:
		add(func(n *setWorld) { n.value, n.invalidation.step = none, sFree })
	case sFree:
		add(func(n *setWorld) { n.busy, n.invalidation.step = false, sReturned })
	}
	if p.withTouch && w.touch == 0 && !w.busy && w.value != none {
		add(func(n *setWorld) { store(n, w.value); n.touch = 1 })
	}
	return out
}

func (w setWorld) wrong() string {
	returned := 0
	for _, s := range w.sets {
		if s.step == sReturned {
			returned++
		}
	}
	if w.value == 0 && (returned > 0 || w.invalidation.step == sReturned) {
		return "old value"
	}
	if returned == 2 && w.value == none && w.quiet {
		return "lost"
	}
	return ""
}

func (p sets) check() (worlds int, wrong string) {
	first := setWorld{}
	seen, queue := map[setWorld]bool{first: true}, []setWorld{first}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		if wrong := w.wrong(); wrong != "" {
			return len(seen), wrong
		}
		for _, n := range p.next(w) {
			if !seen[n] {
				seen[n], queue = true, append(queue, n)
			}
		}
	}
	return len(seen), ""
}

func TestModelG4Sets(t *testing.T) {
	skipUnderRace(t)
	for _, c := range []struct {
		name  string
		p     sets
		wrong string
	}{
		{"as built", sets{withTouch: true}, ""},
		{"control: a superseded Set returns at once", sets{nothing: true}, "old value"},
		{"control: it releases whatever is stored", sets{always: true}, "lost"},
		{"control: it releases what it has found", sets{byValue: true, withTouch: true}, "old value"},
	} {
		t.Run(c.name, func(t *testing.T) {
			worlds, wrong := c.p.check()
			t.Logf("%d worlds visited", worlds)
			if wrong != c.wrong {
				t.Errorf("found %q, want %q", wrong, c.wrong)
			}
		})
	}
}
