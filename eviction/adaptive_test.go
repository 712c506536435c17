package eviction

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/entry"
)

// driven is an Adaptive and what is held under it.
type driven struct {
	t    *testing.T
	s    *adaptive[int]
	held map[int]*entry.Meta
}

func drive(t *testing.T, capacity int) *driven {
	return &driven{t, Adaptive[int](capacity).(*adaptive[int]), map[int]*entry.Meta{}}
}

// request reads a key, or writes it where it is not held.
func (d *driven) request(key, weight int) (hit bool) {
	if e := d.held[key]; e != nil {
		d.s.Mark(e)
		return true
	}
	d.write(key, weight)
	return false
}

func (d *driven) write(key, weight int) {
	e := new(entry.Meta)
	d.s.MarkWeighed(key, e, d.held[key], weight)
	d.held[key] = e
	d.evict()
}

func (d *driven) evict() {
	for {
		weight := d.s.keys.weight
		key, ok := d.s.NextToRelease()
		if !ok {
			return
		}
		if weight <= d.s.capacity && d.s.keys.weight != weight {
			d.t.Fatalf("it names %d, where %d of %d are taken", key, weight, d.s.capacity)
		}
		e := d.held[key]
		if e == nil {
			d.t.Fatalf("it names %d, which is not held", key)
		}
		d.s.MarkReleased(key, e)
		delete(d.held, key)
	}
}

// check compares the rows with what is held.
func (d *driven) check() {
	d.t.Helper()
	s, seen := d.s, 0
	for in, row := range []row{s.window, s.probation, s.protected} {
		weight, last := 0, uint32(0)
		for place := row.first; place != 0; place = s.keys.at(place).next {
			c := s.keys.at(place)
			if int(c.note.in) != in || c.prev != last {
				d.t.Fatalf("place %d is in row %d, and says %d; before it is %d, and it says %d", place, in, c.note.in, last, c.prev)
			}
			if e := d.held[c.key]; e != c.note.entry || e.Place()&^inSample != place {
				d.t.Fatalf("the entry of %d at %d is not the one that is held", c.key, place)
			}
			weight += s.keys.weightOf(place)
			last = place
			seen++
		}
		if row.last != last || row.weight != weight {
			d.t.Fatalf("row %d ends with %d and weighs %d; it says %d and %d", in, last, weight, row.last, row.weight)
		}
	}
	if seen != len(d.held) || seen != s.keys.count || s.keys.weight > s.capacity {
		d.t.Fatalf("%d keys are in rows, %d are held, %d counted; they weigh %d of %d", seen, len(d.held), s.keys.count, s.keys.weight, s.capacity)
	}
}

// Whatever way it goes, and however often that changes, it names only what is
// over the capacity, and knows everything that is held.
func TestAdaptiveDropsNothingForAChange(t *testing.T) {
	seed := rand.Uint64()
	for round := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, round))
		capacity := []int{1, 2, 3, 7, 30, 200, 1500}[round%7]
		heaviest := []int{1, 1, 3, 2 * capacity}[random.IntN(4)]
		t.Logf("seed %d, round %d: capacity %d, weights to %d", seed, round, capacity, heaviest)
		d := drive(t, capacity)
		for range 2000 + 10*capacity {
			key := random.IntN(1 + random.IntN(1+3*capacity))
			switch op := random.IntN(1000); {
			case op < 700:
				d.request(key, 1+random.IntN(heaviest))
			case op < 900:
				d.write(key, 1+random.IntN(heaviest))
			case op < 940:
				d.s.MarkReleased(key, d.held[key])
				delete(d.held, key)
			case op < 960 && d.s.sample.shadows[0] != nil:
				w := way(random.IntN(int(ways)))
				d.s.sample.vote.now = w
				d.s.follow(w)
				d.evict()
			case op < 963:
				d.s.SetCapacity(random.IntN(2 * capacity))
				d.evict()
			case op == 999 && random.IntN(10) == 0:
				d.s.Reset()
				clear(d.held)
			}
			if random.IntN(100) == 0 {
				d.check()
			}
		}
		d.check()
	}
}

// As long as it follows one way, it does what the strategy of that way does.
func TestAdaptiveDoesWhatItFollows(t *testing.T) {
	seed := rand.Uint64()
	for w, plain := range []func(int) Strategy[int]{byInterval: LIRS[int], byFrequency: TinyLFU[int]} {
		for _, capacity := range []int{1, 5, 60, 700} {
			random := rand.New(rand.NewPCG(seed, uint64(capacity)))
			d, other := drive(t, capacity), plain(capacity)
			*seedOf(other) = d.s.seed
			d.s.way, d.s.sample.vote.now = way(w), way(w)
			if way(w) == byFrequency {
				d.s.frequency, d.s.protects = true, mostProtected
			}
			held, requests := map[int]*entry.Meta{}, 0
			for ; requests < 20*capacity+500; requests++ {
				d.s.sample.vote.lead = [ways]float64{} // or it would not follow one for long
				key := random.IntN(1 + random.IntN(2+3*capacity))
				hit := d.request(key, 1)
				if e := held[key]; hit != (e != nil) {
					t.Fatalf("seed %d, by %v, capacity %d, request %d: hit %v, and the other %v", seed, way(w), capacity, requests, hit, e != nil)
				} else if hit {
					other.(Marker).Mark(e)
					continue
				}
				held[key] = new(entry.Meta)
				other.MarkWritten(key, held[key], nil)
				if victim, ok := other.NextToRelease(); ok {
					delete(held, victim)
				}
			}
			if d.s.way != way(w) {
				t.Errorf("it follows %v, want %v", d.s.way, way(w))
			}
		}
	}
}

// A change takes its time: with each key that comes in, only so many entries
// change rows.
func TestAdaptiveChangesALittleAtATime(t *testing.T) {
	const capacity = 10_000
	d := drive(t, capacity)
	for key := range 2 * capacity {
		d.request(key, 1)
	}
	follow := func(w way) {
		d.s.follow(w)
		d.s.sample.vote.now = w
	}
	request := func(key int) {
		d.s.sample.vote.lead = [ways]float64{} // or it would not follow one for long
		d.request(key, 1)
	}
	follow(byRecency)
	for key := range 2 * capacity {
		request(1_000_000 + key)
	}
	if d.s.window.weight != capacity {
		t.Fatalf("by recency, %d of %d are in the window", d.s.window.weight, capacity)
	}
	for _, w := range []way{byFrequency, byInterval} {
		follow(w)
		most, before := 0, d.s.probation.weight
		for key := range capacity {
			request(2_000_000 + int(w)*capacity + key)
			most = max(most, d.s.probation.weight-before)
			before = d.s.probation.weight
		}
		if most > changesAtOnce+2 {
			t.Errorf("to %v, %d entries change rows for one key", w, most)
		}
	}
	if got := d.s.window.weight; got > capacity/10 {
		t.Errorf("the window still holds %d", got)
	}
	d.check()
}

// Under the race detector: callers read, write and release, while the capacity
// and the way change.
func TestAdaptiveKeepsItsBoundWhileEverythingChanges(t *testing.T) {
	const callers, each, most = 8, 40, 100
	s := Adaptive[int](most).(*adaptive[int])
	var held [callers * each]struct {
		sync.Mutex
		e *entry.Meta
	}
	var wg sync.WaitGroup
	release := func(key int) {
		h := &held[key]
		h.Lock()
		defer h.Unlock()
		s.MarkReleased(key, h.e)
		h.e = nil
	}
	seed := rand.Uint64()
	for c := range callers {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(c)))
			for i := range 3000 {
				key := random.IntN(len(held))
				h := &held[key]
				h.Lock()
				switch {
				case h.e == nil || i%17 == 0:
					e := new(entry.Meta)
					s.MarkWritten(key, e, h.e)
					h.e = e
				default:
					s.Mark(h.e)
				}
				h.Unlock()
				if victim, ok := s.NextToRelease(); ok {
					release(victim)
				}
				if c == 0 && i%50 == 0 {
					s.SetCapacity(random.IntN(most))
				}
				if c == 1 && i%20 == 0 {
					s.mu.Lock()
					if s.sample.shadows[0] != nil {
						s.sample.vote.now = way(random.IntN(int(ways)))
						s.follow(s.sample.vote.now)
					}
					s.mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	s.SetCapacity(most / 2)
	for victims := s.Victims(7); len(victims) > 0; victims = s.Victims(7) {
		for _, victim := range victims {
			release(victim)
		}
	}
	count := 0
	for i := range held {
		if held[i].e != nil {
			count++
		}
	}
	if count > most/2 || count != s.keys.count {
		t.Errorf("seed %d: %d entries are held and %d known, of %d at most", seed, count, s.keys.count, most/2)
	}
}
