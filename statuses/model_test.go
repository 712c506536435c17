package statuses_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/perennial-go/perennial/internal/checks"
)

// The protocol of updates, invalidations and Sets for one key, as a model whose
// every interleaving is visited. Whoever changes the protocol changes the model
// first.
//
// Actors are callers, the loads they lead, and one writer, which changes the
// source and then either invalidates the key or sets the new value. A load may
// be given up by the method timeout at any time. Steps of the storage are steps
// of their own, for they may cross a network. Two things must never be:
//
//	stale answer  a call that began after the writer had returned gets the old value
//	stale store   all is quiet and the storage holds the old value

// protocol is what an implementation may get wrong.
type protocol struct {
	lookWhileFenced bool // a leader looks at the store during an invalidation
	noFence         bool // a superseded update publishes
	noWait          bool // an invalidation does not wait for an update that publishes
	joinFenced      bool // callers join an update that was superseded
	lateOverNewer   bool // a late update publishes over something newer
	set             bool // the writer sets instead of invalidating
}

const (
	callers = 3 // two do not find what is wrong with looking during an invalidation
	maxLoad = 3
	none    = -1
)

// Steps of a caller.
const (
	idle = iota
	get
	begin
	waitFor
	waitPut
	answered
)

// Steps of a load.
const (
	absent = iota
	start
	look
	ask
	publish
	write
	end  // it has written
	drop // it has nothing to write
	over
)

// Steps of the writer.
const (
	change = iota
	hold
	acquire
	alter
	free
	returned
)

type caller struct {
	step, load, value int8
	after             bool // it began after the writer had returned
}

type loadOf struct {
	step, value, began int8
	fenced, late       bool
	done               bool // those who wait have been released
}

type world struct {
	source, store int8 // versions; the store's is none where it is empty
	current       int8 // the load that callers join
	floor, clock  int8
	busy, fenced  bool
	callers       [callers]caller
	loads         [maxLoad]loadOf
	writer        int8
}

func (w world) running() int {
	n := 0
	for _, l := range w.loads {
		if l.step > start && l.step < over {
			n++
		}
	}
	return n
}

// order puts the callers in order: worlds that differ only in who is who are one.
func (w *world) order() {
	slices.SortFunc(w.callers[:], func(a, b caller) int {
		after := func(c caller) int8 {
			if c.after {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.load, b.load), cmp.Compare(a.value, b.value), cmp.Compare(after(a), after(b)))
	})
}

// next lists the worlds one step away.
func (p protocol) next(w world) []world {
	var out []world
	add := func(f func(n *world)) { n := w; f(&n); n.order(); out = append(out, n) }
	for i := range w.callers {
		c := &w.callers[i]
		switch c.step {
		case idle:
			add(func(n *world) {
				n.callers[i] = caller{step: get, load: none, value: none, after: w.writer == returned}
			})
		case get:
			if w.store != none {
				add(func(n *world) { n.callers[i].step, n.callers[i].value = answered, w.store })
			}
			add(func(n *world) { n.callers[i].step = begin }) // missing, expired or forced
		case begin:
			if p.set && w.writer > hold && w.writer < returned { // a Set is an update that callers join
				add(func(n *world) { n.callers[i].step = waitPut })
				continue
			}
			if w.current != none {
				add(func(n *world) { n.callers[i].step, n.callers[i].load = waitFor, w.current })
				continue
			}
			for l := range w.loads {
				if w.loads[l].step == absent {
					add(func(n *world) {
						n.loads[l] = loadOf{step: start, value: none}
						n.current = int8(l)
						n.callers[i].step, n.callers[i].load = waitFor, int8(l)
					})
					break
				}
			}
		case waitPut:
			if w.writer == returned {
				add(func(n *world) { n.callers[i].step, n.callers[i].value = answered, w.source })
			}
		case waitFor:
			if l := w.loads[c.load]; l.done {
				add(func(n *world) { n.callers[i].step, n.callers[i].value = answered, l.value })
				if l.fenced && w.store != none { // what is stored is newer
					add(func(n *world) { n.callers[i].step, n.callers[i].value = answered, w.store })
				}
			}
		}
	}
	for i := range w.loads {
		l := &w.loads[i]
		if l.step > absent && l.step < write && !l.late { // the method timeout
			add(func(n *world) {
				n.loads[i].late, n.loads[i].done, n.loads[i].value = true, true, none
				if n.current == int8(i) {
					n.current = none
				}
				if l.step == start {
					n.loads[i].step = over
				}
			})
		}
		switch l.step {
		case start:
			if w.running() > 1 || p.set && w.writer > hold && w.writer < returned {
				continue
			}
			add(func(n *world) {
				n.clock++
				n.loads[i].began = n.clock
				n.loads[i].step = look
				if w.fenced && !p.lookWhileFenced {
					n.loads[i].step = ask
				}
			})
		case look:
			if w.store != none {
				add(func(n *world) { n.loads[i].step, n.loads[i].value = drop, w.store })
			}
			add(func(n *world) { n.loads[i].step = ask })
		case ask:
			add(func(n *world) {
				n.loads[i].step, n.loads[i].value = publish, w.source
			})
		case publish:
			switch {
			case l.fenced && !p.noFence,
				l.began < w.floor && !p.noFence && !(p.lateOverNewer && l.late):
				add(func(n *world) { n.loads[i].step = drop })
			case !w.busy:
				add(func(n *world) {
					n.busy, n.floor = true, max(n.floor, l.began)
					n.loads[i].step = write
				})
			}
		case write:
			add(func(n *world) { n.store, n.loads[i].step = l.value, end })
		case end, drop:
			add(func(n *world) {
				n.busy = n.busy && l.step == drop
				n.loads[i].step, n.loads[i].done = over, true
				if l.late {
					n.loads[i].value = none // they have their error
				}
				if n.current == int8(i) {
					n.current = none
				}
			})
		}
	}
	fence := func(n *world) {
		n.clock++
		n.floor = n.clock
		if c := n.current; c != none && n.loads[c].step > start {
			n.loads[c].fenced = true
			if !p.joinFenced {
				n.current = none
			}
		}
	}
	switch w.writer {
	case change:
		add(func(n *world) { n.source++; n.writer = hold })
	case hold:
		add(func(n *world) { fence(n); n.fenced = !p.set; n.writer = acquire })
	case acquire:
		if !w.busy || p.noWait {
			add(func(n *world) { n.busy = n.busy || !p.noWait; n.writer = alter })
		}
	case alter:
		add(func(n *world) {
			n.store = none
			if p.set {
				n.store = w.source
			}
			n.writer = free
		})
	case free:
		add(func(n *world) { n.busy = n.busy && p.noWait; n.fenced = false; n.writer = returned })
	}
	return out
}

// check visits every world and returns what is wrong with the first bad one.
func (p protocol) check() (worlds int, wrong string) {
	var first world
	first.store, first.current = none, none
	seen := map[world]bool{first: true}
	queue := []world{first}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		if wrong := w.wrong(); wrong != "" {
			return len(seen), wrong
		}
		for _, n := range p.next(w) {
			if !seen[n] {
				seen[n] = true
				queue = append(queue, n)
			}
		}
	}
	return len(seen), ""
}

func (w world) wrong() string {
	for _, c := range w.callers {
		if c.step == answered && c.after && c.value == 0 {
			return "stale answer"
		}
	}
	quiet := w.writer == returned
	for _, l := range w.loads {
		quiet = quiet && (l.step == absent || l.step == over)
	}
	if quiet && w.store == 0 {
		return "stale store"
	}
	return ""
}

// finds checks that a model finds what is wrong with it, and nothing where it is as built.
func finds(t *testing.T, check func() (worlds int, wrong string), want string) {
	t.Helper()
	worlds, wrong := check()
	t.Logf("%d worlds visited", worlds)
	if wrong != want {
		t.Errorf("found %q, want %q", wrong, want)
	}
	if want == "" && worlds < 10_000 {
		t.Errorf("only %d worlds visited: the model does too little", worlds)
	}
}

// skipUnderRace skips a model, which would take ten times as long.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if checks.Race {
		t.Skip("one goroutine, and much to compute: the race detector finds nothing there")
	}
}

func TestModelG4(t *testing.T) {
	skipUnderRace(t)
	for _, c := range []struct {
		name  string
		p     protocol
		wrong string
	}{
		{"as built, invalidation", protocol{}, ""},
		{"as built, set", protocol{set: true}, ""},
		{"control: looks while an invalidation runs", protocol{lookWhileFenced: true}, "stale answer"},
		{"control: publishes though superseded", protocol{noFence: true}, "stale store"},
		{"control: does not wait for one that publishes", protocol{noWait: true}, "stale store"},
		{"control: joins a superseded load", protocol{joinFenced: true}, "stale answer"},
		{"control: a late load publishes over newer", protocol{lateOverNewer: true}, "stale store"},
	} {
		t.Run(c.name, func(t *testing.T) { finds(t, c.p.check, c.wrong) })
	}
}
