package storagetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/perennial-go/perennial/internal/checks"
)

// versionRaceChecks are those of many who change one record.
var versionRaceChecks = []bytesCheck{
	{Name: "of many who swap one version one succeeds", needs: Versioned, run: oneSwaps},
	{Name: "no change is lost between looks and swaps", needs: Versioned, run: noSwapIsLost},
}

func oneSwaps(t checks.TB, s *bytesSubject) {
	for round := range s.rounds() / 5 {
		key := s.key(fmt.Sprint(round))
		was := ""
		if round%2 > 0 {
			s.set(t, key, "old", long)
			was = s.look(t, key).Version
		}
		var all sync.WaitGroup
		var won, winner atomic.Int64
		for i := range int64(8) {
			all.Go(func() {
				made, err := s.versioned().Swap(s.ctx, change(key, was, fmt.Sprint(i), long))
				if err != nil || len(made) != 1 {
					t.Errorf("Swap: %v", err)
				} else if made[0] {
					won.Add(1)
					winner.Store(i)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d swap the same version", won.Load())
		}
		s.holds(t, key, fmt.Sprint(winner.Load()))
	}
}

// noSwapIsLost has counters that look, add one and swap, and send what was made
// again.
func noSwapIsLost(t checks.TB, s *bytesSubject) {
	const counters = 4
	key := s.key("foo")
	s.set(t, key, "0", long)
	var all sync.WaitGroup
	for range counters {
		all.Go(func() {
			for range s.rounds() {
				for made := false; !made; {
					found, err := s.versioned().Look(s.ctx, key)
					if err != nil || !found[0].Found {
						t.Errorf("Look returns %v, %v", found, err)
						return
					}
					c := change(key, found[0].Version, fmt.Sprint(number(found[0].Value)+1), long)
					for range 2 { // the second time it may be too long ago to be known
						said, err := s.versioned().Swap(s.ctx, c)
						if err != nil || len(said) != 1 {
							t.Errorf("Swap says %v, %v", said, err)
							return
						}
						made = made || said[0]
					}
				}
			}
		})
	}
	all.Wait()
	s.holds(t, key, fmt.Sprint(counters*s.rounds()))
}
