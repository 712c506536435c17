package statuses_test

import (
	"testing"
)

// Whom a Set answers, as a model whose every interleaving is visited.
//
// The source of one key says 0. A writer changes it to 1 and sets 1; another changes it
// to 2, once the first has begun, and invalidates. Callers find what is stored, or wait
// for a load, which asks the source and is superseded by both writers. A Set that ends,
// superseded or not, answers those who wait and began before it. What must never be:
//
//	stale answer  a call that began after a writer had returned gets an older value
type answering struct {
	nobody bool // those who wait are answered by their load alone
	all    bool // whoever waits at the Set's end is answered
}

// Steps of a call of that model. The writers' are those of model_set_test.go.
const (
	aIdle = iota
	aFinds
	aJoins
	aWaits
	aAnswered
)

// Steps of a load of that model.
const (
	aAbsent = iota
	aAsks
	aPublishes
	aWrites
	aEnds
	aOver
)

type answerCall struct {
	step, load, value int8
	least             int8 // of what it may be answered
}

type answerLoad struct {
	step, began, value int8
	fenced, released   bool
	answer             int8
}

type answerWorld struct {
	source, store int8
	current       int8 // the load that calls join; set is the Set
	clock, floor  int8
	busy          bool
	calls         [2]answerCall
	loads         [3]answerLoad
	set, over     setActor // the invalidation comes over the Set
	setFenced     bool
	early         bool // somebody was answered while its load ran
}

const (
	aSet     = 9             // current is the Set
	aGivenUp = sReturned + 1 // a step of the Set
)

// least is what a call that begins now may be answered with.
func (w answerWorld) least() int8 {
	switch {
	case w.over.step == sReturned:
		return 2
	case w.set.step == sReturned:
		return 1
	}
	return 0
}

func (w *answerWorld) fence() {
	w.clock++
	w.floor = w.clock
	switch c := w.current; {
	case c == aSet:
		w.setFenced = true
	case c != none:
		w.loads[c].fenced = true
	}
	w.current = none
}

func (w *answerWorld) leave() {
	if w.current == aSet {
		w.current = none
	}
}

// setEnds wakes those who wait.
func (w *answerWorld) setEnds(p answering) {
	w.busy, w.set.step = false, sReturned
	w.leave()
	for i := range w.loads {
		l := &w.loads[i]
		if p.nobody || l.step == aAbsent || l.step == aOver || !p.all && l.began > w.set.began {
			continue
		}
		l.released, l.answer = true, 1
	}
}

func (p answering) next(w answerWorld) (out []answerWorld) {
	add := func(f func(n *answerWorld)) { n := w; f(&n); out = append(out, n) }
	for i, c := range w.calls {
		switch c.step {
		case aIdle:
			add(func(n *answerWorld) { n.calls[i] = answerCall{step: aFinds, load: none, least: w.least()} })
		case aFinds:
			if w.store != none {
				add(func(n *answerWorld) { n.calls[i].step, n.calls[i].value = aAnswered, w.store })
			}
			add(func(n *answerWorld) { n.calls[i].step = aJoins })
		case aJoins:
			if w.current != none {
				add(func(n *answerWorld) { n.calls[i].step, n.calls[i].load = aWaits, w.current })
				continue
			}
			for l := range w.loads {
				if w.loads[l].step == aAbsent {
					add(func(n *answerWorld) {
						n.clock++
						n.loads[l] = answerLoad{step: aAsks, began: n.clock}
						n.current = int8(l)
						n.calls[i].step, n.calls[i].load = aWaits, int8(l)
					})
					break
				}
			}
		case aWaits:
			switch {
			case c.load == aSet && w.set.step >= sReturned:
				add(func(n *answerWorld) { n.calls[i].step, n.calls[i].value = aAnswered, 1 })
			case c.load != aSet && w.loads[c.load].released:
				add(func(n *answerWorld) {
					n.calls[i].step, n.calls[i].value = aAnswered, w.loads[c.load].answer
					n.early = n.early || w.loads[c.load].step < aEnds
				})
			}
		}
	}
	for i, l := range w.loads {
		switch l.step {
		case aAsks:
			add(func(n *answerWorld) { n.loads[i].step, n.loads[i].value = aPublishes, w.source })
		case aPublishes:
			switch {
			case l.fenced || l.began < w.floor:
				add(func(n *answerWorld) { n.loads[i].step = aEnds })
			case !w.busy:
				add(func(n *answerWorld) { n.busy, n.loads[i].step = true, aWrites })
			}
		case aWrites:
			add(func(n *answerWorld) { n.store, n.busy, n.loads[i].step = l.value, false, aEnds })
		case aEnds:
			add(func(n *answerWorld) {
				n.loads[i].step = aOver
				if !l.released {
					n.loads[i].released, n.loads[i].answer = true, l.value
				}
				if n.current == int8(i) {
					n.current = none
				}
			})
		}
	}
	switch s := w.set; s.step {
	case sBegin:
		add(func(n *answerWorld) {
			n.source = max(n.source, 1)
			n.fence()
			n.current, n.set = aSet, setActor{step: sHold, began: n.clock}
		})
	case sHold, sYield:
		if s.step == sHold { // by its context: it answers those who joined it, and nobody else
			add(func(n *answerWorld) { n.set.step = aGivenUp; n.leave() })
		}
		switch {
		case w.setFenced && s.step == sHold:
			add(func(n *answerWorld) { n.set.step = sYield })
		case !w.busy:
			add(func(n *answerWorld) {
				n.busy, n.set.step = true, sWrite
				if s.step == sYield {
					n.set.step = sRelease
				}
			})
		}
	case sWrite, sRelease:
		add(func(n *answerWorld) {
			n.store, n.set.step = 1, sFree
			if s.step == sRelease {
				n.store = none
			}
		})
	case sFree:
		add(func(n *answerWorld) { n.setEnds(p) })
	}
	switch x := w.over; x.step {
	case sBegin:
		if w.set.step != sBegin {
			add(func(n *answerWorld) {
				n.source = 2
				n.fence()
				n.over = setActor{step: sHold, began: n.clock}
			})
		}
	case sHold:
		if !w.busy {
			add(func(n *answerWorld) { n.busy, n.over.step = true, sWrite })
		}
	case sWrite:
		add(func(n *answerWorld) { n.store, n.over.step = none, sFree })
	case sFree:
		add(func(n *answerWorld) { n.busy, n.over.step = false, sReturned })
	}
	return out
}

func (p answering) check() (worlds, early int, wrong string) {
	first := answerWorld{store: none, current: none}
	seen, queue := map[answerWorld]bool{first: true}, []answerWorld{first}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		if w.early {
			early++
		}
		for _, c := range w.calls {
			if c.step == aAnswered && c.value < c.least {
				return len(seen), early, "stale answer"
			}
		}
		for _, n := range p.next(w) {
			if !seen[n] {
				seen[n], queue = true, append(queue, n)
			}
		}
	}
	return len(seen), early, ""
}

func TestModelG4WhomASetAnswers(t *testing.T) {
	skipUnderRace(t)
	for _, c := range []struct {
		name  string
		p     answering
		early bool
		wrong string
	}{
		{"as built", answering{}, true, ""},
		{"nobody", answering{nobody: true}, false, ""},
		{"control: whoever waits at its end", answering{all: true}, true, "stale answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			worlds, early, wrong := c.p.check()
			t.Logf("%d worlds visited, in %d somebody was answered early", worlds, early)
			if wrong != c.wrong {
				t.Errorf("found %q, want %q", wrong, c.wrong)
			}
			if early > 0 != c.early && wrong == "" {
				t.Errorf("in %d worlds somebody was answered while its load ran", early)
			}
		})
	}
}
