package statuses_test

import (
	"slices"
	"testing"
)

// Tags that are learnt at the end of a load, as a model whose every interleaving is
// visited. It stands on model_test.go: a key that is invalidated is fenced as there.
//
// Loads of one key, whose values all carry one tag, the callers that lead and join them,
// and a writer that twice changes the source and invalidates the tag. An entry may be
// evicted, the index may drop what is dead, and records of invalidations may be forgotten,
// all at any time. A load may bring a value that is not to be stored. Two things must
// never be:
//
//	stale answer  a call that began after an InvalidateTag had returned gets an older value
//	stale store   an InvalidateTag has returned and the storage holds an older value
type tags struct {
	compareFirst bool // a load compares, stores, and enters the index then
	lookFirst    bool // InvalidateTag looks into the index and records then
	takeIt       bool // who has joined takes what the load brings
	newest       bool // who joined looks again if that was after the newest invalidation of the tag
	forget       bool // records are forgotten though a load needs them, and count for nothing
	tidyPending  bool // the index drops what is not stored yet
	onlyStored   bool // a value that is not to be stored is not entered
	settleEarly  bool // a key is no longer one that carries the tag before its update ends
}

const (
	tagCallers = 2
	tagLoads   = 3
	tagRounds  = 2
)

// Steps of a load.
const (
	tAbsent = iota
	tBegin
	tAsk
	tLearn
	tPublish
	tStore
	tEnter // for compareFirst alone
	tSettle
	tEnd
	tOver
)

// Steps of the writer.
const (
	wChange = iota
	wRecord
	wLook // for lookFirst alone
	wHold
	wAcquire
	wRelease
	wFree
)

type tagLoad struct {
	step, version, began, newest       int8
	fenced, outdated, noStore, holding bool
}

type tagCaller struct {
	step, load, value, joined int8
	joins, second             bool
	after                     int8 // invalidations that had returned when it began
}

type tagWorld struct {
	source, clock, record, horizon int8
	stored                         int8 // the load whose entry is stored, or none
	index, pending                 int8 // sets of loads
	current                        int8
	busy, fences                   bool
	loads                          [tagLoads]tagLoad
	callers                        [tagCallers]tagCaller
	writer, returned               int8
	found, foundPending            int8
	forgotten, evicted             bool // each at most once
}

// order puts the callers in order: worlds that differ only in who is who are one.
func (w *tagWorld) order() {
	number := func(c tagCaller) (n int) {
		n = int(c.step)<<24 | int(c.load+1)<<20 | int(c.value+1)<<16 | int(c.joined)<<12 | int(c.after)<<8
		if c.joins {
			n |= 1
		}
		if c.second {
			n |= 2
		}
		return n
	}
	slices.SortFunc(w.callers[:], func(a, b tagCaller) int { return number(a) - number(b) })
}

func (p tags) next(w tagWorld) (out []tagWorld) {
	add := func(f func(n *tagWorld)) { n := w; f(&n); n.order(); out = append(out, n) }
	for i := range w.callers {
		c := w.callers[i]
		switch c.step {
		case idle:
			add(func(n *tagWorld) {
				n.callers[i] = tagCaller{step: get, load: none, value: none, after: w.returned}
			})
		case get:
			if w.stored != none {
				add(func(n *tagWorld) { n.callers[i].step, n.callers[i].value = answered, w.loads[w.stored].version })
			}
			add(func(n *tagWorld) { n.callers[i].step, n.callers[i].joined = begin, w.clock })
		case begin:
			if w.current != none {
				add(func(n *tagWorld) {
					n.callers[i].step, n.callers[i].load, n.callers[i].joins = waitFor, w.current, true
				})
				continue
			}
			for l := range w.loads {
				if w.loads[l].step == tAbsent {
					add(func(n *tagWorld) {
						n.loads[l], n.current = tagLoad{step: tBegin, version: none}, int8(l)
						n.callers[i].step, n.callers[i].load, n.callers[i].joins = waitFor, int8(l), false
					})
					break
				}
			}
		case waitFor:
			l := w.loads[c.load]
			if l.step != tOver {
				continue
			}
			newer := l.outdated && c.joined > l.began
			if p.newest {
				newer = l.outdated && c.joined >= l.newest
			}
			switch {
			case c.joins && !c.second && newer && !p.takeIt:
				add(func(n *tagWorld) { n.callers[i].step, n.callers[i].second = get, true })
			case l.fenced && w.stored != none:
				add(func(n *tagWorld) { n.callers[i].step, n.callers[i].value = answered, w.loads[w.stored].version })
			default:
				add(func(n *tagWorld) { n.callers[i].step, n.callers[i].value = answered, l.version })
			}
		}
	}
	for i := range w.loads {
		l, me := w.loads[i], int8(1)<<i
		set := func(f func(n *tagWorld, l *tagLoad)) { add(func(n *tagWorld) { f(n, &n.loads[i]) }) }
		outdated := w.record > l.began || w.horizon > l.began
		switch l.step {
		case tBegin:
			set(func(n *tagWorld, l *tagLoad) { l.step, l.began = tAsk, w.clock })
		case tAsk:
			for _, noStore := range []bool{false, true} {
				set(func(n *tagWorld, l *tagLoad) { l.step, l.version, l.noStore = tLearn, w.source, noStore })
			}
		case tLearn: // under the index's lock
			set(func(n *tagWorld, l *tagLoad) {
				l.outdated, l.newest = outdated, max(w.record, w.horizon)
				if !outdated && !p.compareFirst && !(l.noStore && p.onlyStored) {
					n.index, n.pending = n.index|me, n.pending|me
				}
				l.step = tPublish
				if l.noStore {
					l.step = tSettle
				}
			})
		case tPublish:
			switch {
			case l.fenced:
				set(func(n *tagWorld, l *tagLoad) { l.step = tSettle })
			case !w.busy:
				set(func(n *tagWorld, l *tagLoad) { l.step, l.holding, n.busy = tStore, true, true })
			}
		case tStore:
			set(func(n *tagWorld, l *tagLoad) {
				if n.stored = int8(i); l.outdated {
					n.stored = none
				}
				if l.step = tSettle; p.compareFirst && !l.outdated {
					l.step = tEnter
				}
			})
		case tEnter:
			set(func(n *tagWorld, l *tagLoad) { l.step, n.index = tSettle, n.index|me })
		case tSettle:
			set(func(n *tagWorld, l *tagLoad) {
				if l.step = tEnd; p.settleEarly {
					n.pending &^= me
				}
			})
		case tEnd:
			set(func(n *tagWorld, l *tagLoad) {
				n.busy = n.busy && !l.holding
				if n.current == int8(i) {
					n.current = none
				}
				n.pending &^= me
				l.step, l.holding = tOver, false
			})
		}
	}
	record := func(n *tagWorld) {
		n.clock++
		n.record = n.clock
	}
	look := func(n *tagWorld) { n.found, n.foundPending = n.index, n.pending }
	switch w.writer {
	case wChange:
		if w.returned < tagRounds {
			add(func(n *tagWorld) { n.source++; n.writer = wRecord })
		}
	case wRecord:
		if p.lookFirst {
			add(func(n *tagWorld) { look(n); n.writer = wLook })
		} else {
			add(func(n *tagWorld) { record(n); look(n); n.writer = wHold })
		}
	case wLook:
		add(func(n *tagWorld) { record(n); n.writer = wHold })
	case wHold:
		live := int8(0)
		if w.stored != none {
			live = 1 << w.stored
		}
		add(func(n *tagWorld) {
			if w.found&(w.foundPending|live) == 0 { // nothing that is found is there
				n.writer, n.returned, n.found, n.foundPending = wChange, w.returned+1, 0, 0
				return
			}
			if c := w.current; c != none && w.loads[c].step > tBegin {
				n.loads[c].fenced, n.current = true, none
			}
			n.fences, n.writer = true, wAcquire
		})
	case wAcquire:
		if !w.busy {
			add(func(n *tagWorld) { n.busy, n.writer = true, wRelease })
		}
	case wRelease:
		add(func(n *tagWorld) { n.stored, n.writer = none, wFree })
	case wFree:
		add(func(n *tagWorld) {
			n.busy, n.fences, n.writer, n.returned, n.found, n.foundPending = false, false, wChange, w.returned+1, 0, 0
		})
	}
	if w.stored != none && !w.busy && !w.evicted {
		add(func(n *tagWorld) { n.stored, n.evicted = none, true })
	}
	for i := range w.loads { // Tidy, an item at a time
		me := int8(1) << i
		if w.index&me != 0 && w.stored != int8(i) && (w.pending&me == 0 || p.tidyPending) {
			add(func(n *tagWorld) { n.index &^= me })
		}
	}
	if w.record > 0 && !w.forgotten {
		add(func(n *tagWorld) {
			n.record, n.forgotten = 0, true
			if !p.forget {
				n.horizon = max(w.horizon, w.record)
			}
		})
	}
	return out
}

func (w tagWorld) wrong() string {
	for _, c := range w.callers {
		if c.step == answered && c.value < c.after {
			return "stale answer"
		}
	}
	if w.stored != none && w.loads[w.stored].version < w.returned {
		return "stale store"
	}
	return ""
}

func (p tags) check() (worlds int, wrong string) {
	first := tagWorld{stored: none, current: none}
	seen := map[tagWorld]bool{first: true}
	queue := []tagWorld{first}
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

func TestModelG16Tags(t *testing.T) {
	skipUnderRace(t)
	for _, c := range []struct {
		name  string
		p     tags
		wrong string
	}{
		{"as built", tags{}, ""},
		{"control: compares, stores, and enters then", tags{compareFirst: true}, "stale store"},
		{"control: InvalidateTag looks before it records", tags{lookFirst: true}, "stale store"},
		{"control: who joined takes it", tags{takeIt: true}, "stale answer"},
		{"control: who joined goes by the newest invalidation alone", tags{newest: true}, "stale answer"},
		{"control: records are forgotten while they are needed", tags{forget: true}, "stale store"},
		{"control: the index drops what is pending", tags{tidyPending: true}, "stale store"},
		{"control: what is not stored is not entered", tags{onlyStored: true}, "stale answer"},
		{"control: settled before the update ends", tags{settleEarly: true}, "stale answer"},
	} {
		t.Run(c.name, func(t *testing.T) { finds(t, c.p.check, c.wrong) })
	}
}
