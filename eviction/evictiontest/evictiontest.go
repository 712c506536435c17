// Package evictiontest proves that an eviction.Strategy does what the engine
// relies on:
//
//	func TestConformance(t *testing.T) {
//		evictiontest.Run(t, func() eviction.Strategy[string] { return mine.New[string](3) },
//			[]string{"a", "b", "c", "d", "e", "f", "g", "h"})
//	}
//
// Run it with the race detector too.
package evictiontest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/checks"
)

// Run checks the strategies that the function makes. It needs different keys,
// four at least; a strategy that is eviction.Bounded needs more keys than its
// capacity. What a strategy implements besides (Marker, Blind, Resetter, Bounded,
// Resizer, Weigher, Over, Clocked) is checked too.
func Run[K comparable](t *testing.T, newStrategy func() eviction.Strategy[K], keys []K) {
	t.Helper()
	if len(keys) < 4 {
		t.Fatalf("evictiontest: %d keys are given, 4 are needed", len(keys))
	}
	checks.Run(t, suite[K](), func(*testing.T) subject[K] { return subject[K]{newStrategy, keys} })
}

// subject is what a check is run on.
type subject[K comparable] struct {
	new  func() eviction.Strategy[K]
	keys []K
}

func suite[K comparable]() []checks.Check[subject[K]] {
	return []checks.Check[subject[K]]{
		{Name: "a new strategy names nothing", Run: newNamesNothing[K]},
		{Name: "a key is named at most once until it is written again", Run: namesOnce[K]},
		{Name: "only keys that were written are named", Run: namesWritten[K]},
		{Name: "a released key is not named", Run: namesNoReleased[K]},
		{Name: "the last mark of a key counts", Run: lastMarkCounts[K]},
		{Name: "marks of unknown keys do nothing", Run: unknownKeys[K]},
		{Name: "concurrent use", Run: concurrentUse[K]},
		{Name: "Bounded keeps to its capacity", Run: boundedKeeps[K]},
		{Name: "Resetter forgets every key", Run: resetterForgets[K]},
		{Name: "a place that another strategy has left does no harm", Run: strangePlaces[K]},
		{Name: "Blind strategies do not look at reads", Run: blindToReads[K]},
		{Name: "Marker takes marks of any entry", Run: markerMarks[K]},
		{Name: "Marker is marked while keys are written", Run: marksWhileWritten[K]},
		{Name: "Bounded keeps to its capacity while many write", Run: boundedWhileManyWrite[K]},
		{Name: "Over names what is over at once", Run: overNames[K]},
		{Name: "Resizer keeps to its capacity of the moment", Run: resizerKeeps[K]},
		{Name: "Weigher keeps to its capacity by weight", Run: weigherKeeps[K]},
		{Name: "Weigher releases what is too heavy, and nothing for it", Run: weigherRefuses[K]},
		{Name: "Clocked keeps to its capacity when everything has expired", Run: clockedKeeps[K]},
	}
}

// meta is that of a fresh entry.
func meta() *entry.Meta {
	return &entry.New(struct{}{}, entry.At(time.Now()), entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour}).Meta
}

// told is a strategy that is told of the entries that are replaced, as the
// engine tells it.
type told[K comparable] struct {
	eviction.Strategy[K]
	mu   *sync.Mutex
	held map[K]*entry.Meta
}

func tell[K comparable](s eviction.Strategy[K]) told[K] {
	return told[K]{s, new(sync.Mutex), map[K]*entry.Meta{}}
}

// swap notes what is held for the key from now on and returns what was.
func (s told[K]) swap(key K, e *entry.Meta) (old *entry.Meta) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.held[key]
	if s.held[key] = e; e == nil {
		delete(s.held, key)
	}
	return old
}

func (s told[K]) write(key K) *entry.Meta {
	e := meta()
	s.MarkWritten(key, e, s.swap(key, e))
	return e
}

func (s told[K]) release(key K) { s.MarkReleased(key, s.swap(key, nil)) }

func (s told[K]) read(key K, e *entry.Meta) {
	if marker, ok := s.Strategy.(eviction.Marker); ok {
		marker.Mark(e)
		return
	}
	s.MarkRead(key)
}

// drain asks until nothing is named, at most a number of times.
func drain[K comparable](t checks.TB, s eviction.Strategy[K], most int) []K {
	t.Helper()
	var named []K
	for range most + 1 {
		key, ok := s.NextToRelease()
		if !ok {
			return named
		}
		named = append(named, key)
	}
	t.Fatalf("the strategy has named %d keys and goes on, though at most %d were to name: %v", len(named), most, named)
	return nil
}

func newNamesNothing[K comparable](t checks.TB, s subject[K]) {
	if key, ok := s.new().NextToRelease(); ok {
		t.Fatalf("it names %v", key)
	}
}

func namesOnce[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	due := map[K]bool{} // written since it was last named
	check := func(asked string) {
		for _, key := range drain(t, strategy.Strategy, len(s.keys)) {
			if !due[key] {
				t.Fatalf("%v is named %s, and was not written since it was named last", key, asked)
			}
			due[key] = false
		}
	}
	for round := range 3 {
		for i, key := range s.keys {
			strategy.write(key)
			due[key] = true
			if i%2 == round%2 {
				check("between writes")
			}
		}
	}
	check("at the end")
}

func namesWritten[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	half := len(s.keys) / 2
	written := map[K]bool{}
	reads := func() {
		for _, key := range s.keys[half:] {
			strategy.MarkRead(key)
		}
	}
	check := func() {
		for _, key := range drain(t, strategy.Strategy, len(s.keys)) {
			if !written[key] {
				t.Errorf("it names %v, which was never written", key)
			}
		}
	}
	reads()
	for _, key := range s.keys[:half] {
		strategy.write(key)
		written[key] = true
	}
	check()
	reads()
	check()
}

func namesNoReleased[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	for _, key := range s.keys {
		strategy.write(key)
	}
	gone := map[K]bool{}
	for i, key := range s.keys {
		if i%2 == 0 {
			strategy.release(key)
			gone[key] = true
		}
	}
	for _, key := range drain(t, strategy.Strategy, len(s.keys)) {
		if gone[key] {
			t.Errorf("it names %v, which was released", key)
		}
	}
	for _, key := range s.keys {
		strategy.release(key)
	}
	if named := drain(t, strategy.Strategy, len(s.keys)); len(named) > 0 {
		t.Errorf("it names %v after every key was released", named)
	}
}

func lastMarkCounts[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	for range 3 { // written, written, released: gone
		for _, key := range s.keys {
			strategy.write(key)
			strategy.write(key)
			strategy.release(key)
		}
	}
	if named := drain(t, strategy.Strategy, len(s.keys)); len(named) > 0 {
		t.Errorf("it names %v, all of which were released last", named)
	}
	bounded, ok := strategy.Strategy.(eviction.Bounded)
	if !ok {
		return
	}
	for _, key := range s.keys { // released, written: there
		strategy.release(key)
		strategy.write(key)
	}
	if named := drain(t, strategy.Strategy, len(s.keys)); len(named) < len(s.keys)-bounded.Capacity() {
		t.Errorf("of %d keys that were written last it names %d, and lets %d live", len(s.keys), len(named), bounded.Capacity())
	}
}

func unknownKeys[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	for _, key := range s.keys {
		strategy.MarkRead(key)
		strategy.release(key)
		strategy.release(key)
	}
	if named := drain(t, strategy.Strategy, len(s.keys)); len(named) > 0 {
		t.Errorf("it names %v, none of which were written", named)
	}
}

// concurrentUse is for the race detector, and counts: a key can be named no
// more often than it was written.
func concurrentUse[K comparable](t checks.TB, s subject[K]) {
	const rounds = 200
	strategy := tell(s.new())
	written, named := make([]atomic.Int64, len(s.keys)), make([]atomic.Int64, len(s.keys))
	at := map[K]int{}
	for i, key := range s.keys {
		at[key] = i
	}
	name := func() {
		key, ok := strategy.NextToRelease()
		if !ok {
			return
		}
		i, known := at[key]
		if !known {
			t.Errorf("it names %v, which was never written", key)
			return
		}
		named[i].Add(1)
	}
	var wg sync.WaitGroup
	for i, key := range s.keys { // marks of one key come in order
		wg.Go(func() {
			for round := range rounds {
				written[i].Add(1)
				m := strategy.write(key)
				name()
				strategy.read(key, m)
				if round%3 == 0 {
					strategy.release(key)
				}
			}
		})
	}
	wg.Wait()
	for range len(s.keys) {
		name()
	}
	for i, key := range s.keys {
		if n, w := named[i].Load(), written[i].Load(); n > w {
			t.Errorf("%v is named %d times, and was written %d times", key, n, w)
		}
	}
	if key, ok := strategy.NextToRelease(); ok {
		if _, bounded := strategy.Strategy.(eviction.Bounded); bounded {
			t.Errorf("it still names %v, after it has named as many keys as there are", key)
		}
	}
}

func boundedKeeps[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	bounded, ok := strategy.Strategy.(eviction.Bounded)
	if !ok {
		return
	}
	capacity := bounded.Capacity()
	if capacity < 0 || capacity >= len(s.keys) {
		t.Fatalf("its capacity is %d: the check needs one of 0 to %d, below the number of keys", capacity, len(s.keys)-1)
	}
	live := map[K]bool{}
	for round := range 3 {
		for _, key := range s.keys {
			strategy.write(key)
			live[key] = true
			before := len(live)
			if victim, ok := strategy.NextToRelease(); ok { // once a write, as the engine asks
				if before <= capacity {
					t.Fatalf("it names %v while %d keys live, and lets %d live", victim, before, capacity)
				}
				strategy.release(victim)
				delete(live, victim)
			}
			if len(live) > capacity {
				t.Fatalf("after the write of %v in round %d, %d keys live, and it lets %d live", key, round, len(live), capacity)
			}
		}
	}
}

func resetterForgets[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	resetter, ok := strategy.Strategy.(eviction.Resetter)
	if !ok {
		return
	}
	for _, key := range s.keys {
		strategy.write(key)
	}
	resetter.Reset()
	if named := drain(t, strategy.Strategy, len(s.keys)); len(named) > 0 {
		t.Fatalf("it names %v after Reset", named)
	}
	boundedKeeps(t, subject[K]{func() eviction.Strategy[K] { return strategy.Strategy }, s.keys})
}

// strangePlaces tells a strategy of entries that carry places of another one, as
// one that comes into force is told.
func strangePlaces[K comparable](t checks.TB, s subject[K]) {
	strategy := s.new()
	for i, key := range s.keys {
		e, next, other := meta(), meta(), meta()
		e.SetPlace(uint32(len(s.keys) - i)) // somebody else's, if anybody's
		strategy.MarkWritten(key, e, e)
		strategy.MarkWritten(key, next, e)
		other.SetPlace(1<<31 + uint32(i))
		strategy.MarkReleased(s.keys[(i+1)%len(s.keys)], other)
	}
	named := map[K]bool{}
	for _, key := range drain(t, strategy, len(s.keys)) {
		if named[key] {
			t.Errorf("it names %v twice, which was not written since", key)
		}
		named[key] = true
	}
}

// names is what a strategy names while every key is written twice.
func names[K comparable](s eviction.Strategy[K], keys []K, reads bool) []K {
	strategy := tell(s)
	var named []K
	for range 2 {
		for _, key := range keys {
			strategy.write(key)
			if reads {
				for _, other := range keys[:len(keys)/2] {
					strategy.MarkRead(other)
				}
			}
			if victim, ok := strategy.NextToRelease(); ok {
				strategy.release(victim)
				named = append(named, victim)
			}
		}
	}
	return named
}

func blindToReads[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	if _, blind := strategy.Strategy.(eviction.Blind); !blind {
		return
	}
	if _, marker := strategy.Strategy.(eviction.Marker); marker {
		t.Errorf("it is a Marker too, and would never be told of a read")
	}
	first, again, with := names(strategy.Strategy, s.keys, false), names(s.new(), s.keys, false), names(s.new(), s.keys, true)
	if !equal(first, again) {
		return // it leaves something to chance
	}
	if !equal(first, with) {
		t.Errorf("it names %v, and with reads %v: to be Blind is to say that reads make no difference", first, with)
	}
}

func equal[K comparable](a, b []K) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// markerMarks marks entries that are there, gone and not there yet, while keys
// are written.
func markerMarks[K comparable](t checks.TB, s subject[K]) {
	strategy := tell(s.new())
	marker, ok := strategy.Strategy.(eviction.Marker)
	if !ok {
		return
	}
	for _, key := range s.keys {
		m := meta()
		marker.Mark(m) // before it is written
		strategy.MarkWritten(key, m, strategy.swap(key, m))
		marker.Mark(m)
		strategy.release(key)
		marker.Mark(m) // a reader that comes late
	}
	if named := drain(t, strategy.Strategy, len(s.keys)); len(named) > 0 {
		t.Errorf("it names %v, all of which were released: a mark must not bring a key back", named)
	}
	m := strategy.write(s.keys[0])
	if n := testing.AllocsPerRun(10, func() { marker.Mark(m) }); n > 0 {
		t.Errorf("Mark allocates %v times: it is called on every hit", n)
	}
}
