package storagetest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var concurrencyChecks = []bytesCheck{
	{Name: "a read sees one value with its own time", run: wholeRecords},
	{Name: "of many who add one succeeds", needs: Adder, run: oneAdds},
	{Name: "of many who delete one is told that it was there", run: oneDeletes},
	{Name: "keys are written at the same time", run: writersOfTheirOwn},
	{Name: "no fill survives a delete that came after its claim", needs: Fenced, run: fillsRaceDeletes},
}

// rounds is how often something is tried that goes wrong by chance.
func (s *bytesSubject) rounds() int {
	if s.Exact {
		return 300
	}
	return 50
}

// wholeRecords has writers of one key, each with a value and a time of its own.
func wholeRecords(t checks.TB, s *bytesSubject) {
	const writers, readers = 4, 3
	key := s.key("foo")
	value := func(w int) string { return strings.Repeat(string(rune('a'+w)), 100+1000*w) }
	keep := func(w int) time.Duration { return time.Duration(w+1) * 100 * long }
	s.set(t, key, value(0), keep(0))
	var writing, reading sync.WaitGroup
	var over atomic.Bool
	for w := range writers {
		writing.Go(func() {
			for range s.rounds() {
				if err := s.b.Set(s.ctx, key, []byte(value(w)), keep(w)); err != nil {
					t.Errorf("Set: %v", err)
					return
				}
			}
		})
	}
	for range readers {
		reading.Go(func() {
			for !over.Load() {
				r, err := s.b.Get(s.ctx, key)
				if err != nil || len(r.Value) == 0 {
					t.Errorf("Get returns %s, found %v, %v", brief(r.Value), r.Found, err)
					return
				}
				w := int(r.Value[0] - 'a')
				if w < 0 || w >= writers || string(r.Value) != value(w) {
					t.Errorf("a reader sees %s, which nobody wrote", brief(r.Value))
					return
				}
				if !s.left(t, fmt.Sprintf("Get while others Set: the value of writer %d", w), key, r, keep(w)) {
					return
				}
				runtime.Gosched()
			}
		})
	}
	writing.Wait()
	over.Store(true)
	reading.Wait()
}

func oneAdds(t checks.TB, s *bytesSubject) {
	const adders = 8
	for round := range s.rounds() / 10 {
		key := s.key(fmt.Sprint(round))
		var all sync.WaitGroup
		var winner, won atomic.Int64
		for i := range int64(adders) {
			all.Go(func() {
				added, err := s.adder().Add(s.ctx, key, []byte(fmt.Sprint(i)), long)
				if err != nil {
					t.Errorf("Add: %v", err)
				}
				if added {
					won.Add(1)
					winner.Store(i)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of %d add the same key", won.Load(), adders)
		}
		s.holds(t, key, fmt.Sprint(winner.Load()))
	}
}

func oneDeletes(t checks.TB, s *bytesSubject) {
	for round := range s.rounds() / 10 {
		key := s.key(fmt.Sprint(round))
		s.set(t, key, "there", long)
		var all sync.WaitGroup
		var told atomic.Int64
		for range 8 {
			all.Go(func() {
				existed, err := s.b.Delete(s.ctx, key)
				if err != nil {
					t.Errorf("Delete: %v", err)
				}
				if existed {
					told.Add(1)
				}
			})
		}
		all.Wait()
		if told.Load() != 1 {
			t.Fatalf("%d deleters are told that they deleted it", told.Load())
		}
	}
}

func writersOfTheirOwn(t checks.TB, s *bytesSubject) {
	const writers = 6
	var all sync.WaitGroup
	for w := range writers {
		key := s.key(fmt.Sprint(w))
		all.Go(func() {
			for round := range s.rounds() {
				value := fmt.Sprintf("%d of %d", round, w)
				if err := s.b.Set(s.ctx, key, []byte(value), long); err != nil {
					t.Errorf("Set: %v", err)
					return
				}
				if r, err := s.b.Get(s.ctx, key); err != nil || string(r.Value) != value {
					t.Errorf("a writer does not see what it wrote: %s instead of %.80q, %v", brief(r.Value), value, err)
					return
				}
				if round%3 > 0 {
					continue
				}
				if existed, err := s.b.Delete(s.ctx, key); err != nil || !existed {
					t.Errorf("a writer can't delete what it wrote: %v, %v", existed, err)
					return
				}
				if r, err := s.b.Get(s.ctx, key); err != nil || r.Found {
					t.Errorf("a writer sees what it has deleted: %s, %v", brief(r.Value), err)
					return
				}
			}
		})
	}
	all.Wait()
	for w := range writers { // the last of what each wrote
		if key, last := s.key(fmt.Sprint(w)), s.rounds()-1; last%3 == 0 {
			s.lacks(t, key)
		} else {
			s.holds(t, key, fmt.Sprintf("%d of %d", last, w))
		}
	}
}

// fillsRaceDeletes has loaders that claim, load and fill, and a writer that
// changes what is loaded and deletes the record. Once the writer's delete has
// returned, no load that began before it is ever seen.
func fillsRaceDeletes(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	var source, deleted atomic.Int64 // what is loaded; what of it was deleted for certain
	var loading sync.WaitGroup
	var over atomic.Bool
	for range 3 {
		loading.Go(func() {
			for range s.rounds() {
				least := deleted.Load()
				claims, err := s.fenced().Claim(s.ctx, long, key)
				if err != nil || len(claims) != 1 {
					t.Errorf("Claim: %v", err)
					return
				}
				if r := claims[0]; r.Found && number(r.Value) < least {
					t.Errorf("version %d is seen after the delete that followed version %d", number(r.Value), least)
					return
				}
				value := []byte(fmt.Sprint(source.Load()))
				for range rand.IntN(10) {
					runtime.Gosched() // a load takes some time
				}
				if _, err := s.fenced().Fill(s.ctx, storage.Filling{Item: storage.Item{Key: key, Value: value, Keep: long}, Token: claims[0].Token}); err != nil {
					t.Errorf("Fill: %v", err)
					return
				}
			}
		})
	}
	var changing sync.WaitGroup
	changing.Go(func() {
		for !over.Load() {
			version := source.Add(1)
			if _, err := s.b.Delete(s.ctx, key); err != nil {
				t.Errorf("Delete: %v", err)
				return
			}
			deleted.Store(version)
			if r, err := s.b.Get(s.ctx, key); err != nil || r.Found && number(r.Value) < version {
				t.Errorf("after the delete that followed version %d, Get returns %s, %v", version, brief(r.Value), err)
				return
			}
			runtime.Gosched()
		}
	})
	loading.Wait()
	over.Store(true)
	changing.Wait()
}

func number(value []byte) (n int64) {
	if _, err := fmt.Sscan(string(value), &n); err != nil {
		return -1
	}
	return n
}
