package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// A pair is two processes that watch one server, each with its own way to it.
type pair struct {
	ways  [2]*server
	ones  [2]*resilient.Store
	seen  [2]*events
	stops []func()
}

func pairs(t *testing.T, test func(t *testing.T, p *pair), opts ...resilient.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{}
		p.ways[0] = newServer()
		p.ways[1] = p.ways[0].way()
		for i, way := range p.ways {
			p.ones[i], p.seen[i] = client(t, way, append([]resilient.Option{resilient.WriteAgain(true)}, opts...)...)
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = p.ones[i].Watch(ctx, "", func(storage.Changed) {})
			}()
			p.stops = append(p.stops, func() { stop(); <-ended })
		}
		synctest.Wait()
		t.Cleanup(func() {
			for _, stop := range p.stops { // also where the test has failed
				stop()
			}
		})
		test(t, p)
		for i, one := range p.ones {
			p.ways[i].start()
			later(time.Minute)
			p.stops[i]()
			if stats := one.Stats(); stats.Queued != stats.Delivered+stats.Superseded+stats.Conflicts+stats.Dropped || stats.Changes != 0 {
				t.Errorf("process %d has lost sight of a change: %+v", i, stats)
			}
			if err := one.Close(context.Background()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		synctest.Wait()
		_ = p.ways[0].memory.Close()
	})
}

func (p *pair) stop() {
	for _, way := range p.ways {
		way.stop()
	}
	later(time.Second)
}

func (p *pair) start() {
	for _, way := range p.ways {
		way.start()
	}
}

// empty restarts the server without its data.
func (p *pair) empty() {
	p.ways[0].empty()
	p.ways[1].set(func(s *server) { s.memory, s.state, s.began = p.ways[0].memory, p.ways[0].state, p.ways[0].began })
}

// emptied checks that each process was told how many changes are made again.
func (p *pair) emptied(t *testing.T, counts ...int) {
	t.Helper()
	for i, want := range counts {
		told := p.seen[i].of(resilient.Emptied)
		if len(told) != 1 || told[0].Changes != want || told[0].Err != nil {
			t.Errorf("process %d is told %+v, want one of %d changes", i, told, want)
		}
	}
}

func TestOwnRecordsAreWrittenAgain(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		put(t, p.ones[0], "mine", "1", committed)
		put(t, p.ones[1], "yours", "2", committed)
		put(t, p.ones[0], "taken over", "3", committed)
		synctest.Wait()
		put(t, p.ones[1], "taken over", "4", committed)
		put(t, p.ones[0], "gone", "5", committed)
		synctest.Wait()
		remove(t, p.ones[1], "gone", committed)
		update(t, p.ones[0], "counted", "6", committed)
		synctest.Wait()
		before, err := p.ways[0].Look(t.Context(), "mine", "yours", "taken over", "counted")
		if err != nil {
			t.Fatal(err)
		}
		p.stop()
		p.empty()
		p.start()
		later(time.Minute)
		p.emptied(t, 2, 3)
		lacks(t, p.ways[0], "gone")
		after, err := p.ways[0].Look(t.Context(), "mine", "yours", "taken over", "counted")
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range before {
			if got := after[i]; string(got.Value) != string(want.Value) || got.Version != want.Version {
				t.Errorf("record %d is %q of version %s, was %q of %s", i, got.Value, got.Version, want.Value, want.Version)
			}
		}
	})
}

// A server that restarts with its data is left alone, and so is one that is out of reach
// for a while.
func TestNothingIsWrittenAgainOverData(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		put(t, p.ones[0], "a", "1", committed)
		synctest.Wait()
		p.ways[0].stop()
		later(time.Second)
		remove(t, p.ones[1], "a", committed)
		p.ways[0].start()
		later(time.Minute)
		lacks(t, p.ways[0], "a")
		if told := p.seen[0].of(resilient.Emptied); len(told) > 0 {
			t.Errorf("it is told %+v", told)
		}
	})
}

// One process was cut off before the server lost its data, and knows less than the other:
// whoever is back first, what the other has set and deleted stands.
func TestProcessThatKnowsLessYields(t *testing.T) {
	for _, first := range []int{0, 1} {
		pairs(t, func(t *testing.T, p *pair) {
			put(t, p.ones[0], "set", "old", committed)
			put(t, p.ones[0], "deleted", "old", committed)
			synctest.Wait()
			p.ways[0].stop()
			later(time.Second)
			put(t, p.ones[1], "set", "new", committed)
			remove(t, p.ones[1], "deleted", committed)
			synctest.Wait()
			p.ways[1].stop()
			later(time.Second)
			p.empty()
			p.ways[first].start()
			later(20 * time.Second)
			p.ways[1-first].start()
			later(time.Minute)
			holds(t, p.ways[0], "set", "new")
			lacks(t, p.ways[0], "deleted")
			if told := append(p.seen[0].of(resilient.Conflict), p.seen[1].of(resilient.Conflict)...); len(told) > 0 {
				t.Errorf("conflicts are told of: %+v", told)
			}
		}, resilient.Random(func(time.Duration) time.Duration { return 0 }))
	}
}

// A record that is set after the server is back is newer than what anyone remembers.
func TestWhatIsSetAfterALossStays(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		put(t, p.ones[0], "a", "old", committed)
		put(t, p.ones[0], "b", "old", committed)
		synctest.Wait()
		p.stop()
		put(t, p.ones[0], "b", "of the outage", queued)
		p.empty()
		if err := p.ways[0].memory.Set(t.Context(), "a", []byte("new"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		p.start()
		later(time.Minute)
		holds(t, p.ways[0], "a", "new")
		holds(t, p.ways[0], "b", "of the outage")
		holds(t, p.ones[0], "a", "new")
		if told := p.seen[0].of(resilient.Conflict); len(told) > 0 {
			t.Errorf("conflicts are told of: %+v", told)
		}
	})
}

// A process that comes back later than deletions are remembered writes nothing.
func TestNothingIsWrittenAgainLate(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		put(t, p.ones[0], "a", "1", committed)
		synctest.Wait()
		p.stop()
		p.empty()
		later(storage.VersionsKept)
		p.start()
		later(time.Minute)
		lacks(t, p.ways[0], "a")
		told := p.seen[0].of(resilient.Emptied)
		if len(told) != 1 || told[0].Changes != 0 || !errors.Is(told[0].Err, resilient.ErrLate) {
			t.Errorf("it is told %+v, want ErrLate", told)
		}
	})
}

// A server that does not tell its state is used as it is, and that is reported.
func TestStateThatIsRefused(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		refused := storage.Refused(errors.New("no such command for you"))
		p.ways[0].set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "state" {
					return refused
				}
				return nil
			}
		})
		put(t, p.ones[0], "a", "1", committed)
		synctest.Wait()
		p.stop()
		p.empty()
		p.ways[0].start()
		later(time.Minute)
		lacks(t, p.ways[0], "a")
		if told := p.seen[0].of(resilient.Emptied); len(told) == 0 || !errors.Is(told[0].Err, refused) {
			t.Errorf("it is told %+v", told)
		}
		put(t, p.ones[0], "a", "2", committed)
	})
}

// An update while the server is away, or before its loss is known, is applied to what the
// record was.
func TestUpdatesGoOnFromWhatWasLost(t *testing.T) {
	for _, noticed := range []bool{true, false} {
		pairs(t, func(t *testing.T, p *pair) {
			put(t, p.ones[0], "a", "1", committed)
			synctest.Wait()
			if noticed {
				p.stop()
				update(t, p.ones[0], "a", "2", queued)
				p.empty()
				p.ways[0].start()
			} else {
				p.empty() // with no connection broken
				update(t, p.ones[0], "a", "2", queued)
			}
			p.ways[1].start()
			later(time.Minute)
			holds(t, p.ways[0], "a", "12")
		})
	}
}

// The answer to an update is lost with the data.
func TestUpdateIsMadeOnceOverLostData(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		put(t, p.ones[0], "a", "1", committed)
		synctest.Wait()
		p.ways[0].set(func(s *server) { s.faulty, s.unheard = "swap", 1 })
		update(t, p.ones[0], "a", "2", queued)
		p.stop()
		p.empty()
		p.start()
		later(time.Minute)
		holds(t, p.ways[0], "a", "12")
	})
}

// If changes may have gone unseen for a while, own records are read again, many at once.
func TestOwnRecordsOutliveAGap(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		put(t, p.ones[0], "a", "1", committed)
		put(t, p.ones[0], "b", "1", committed)
		put(t, p.ones[0], "c", "1", committed)
		synctest.Wait()
		p.ways[0].stop()
		later(time.Second)
		put(t, p.ones[1], "b", "2", committed)
		remove(t, p.ones[1], "c", committed)
		p.ways[0].start()
		later(time.Minute)
		p.stops[1]() // who has changed b and deleted c knows nothing of it any more
		p.stop()
		p.empty()
		p.ways[0].start()
		later(time.Minute)
		holds(t, p.ways[0], "a", "1")
		lacks(t, p.ways[0], "b")
		lacks(t, p.ways[0], "c")
	})
}

// Records that the copies have no room for are not written again, and are counted in
// events: when they are forgotten, and when they are missing.
func TestForgottenIsReported(t *testing.T) {
	const most, records = 10, 30
	pairs(t, func(t *testing.T, p *pair) {
		for i := range records {
			put(t, p.ones[0], fmt.Sprintf("%02d", i), "1", committed)
			synctest.Wait()
		}
		forgot := p.seen[0].of(resilient.Forgot)
		var counts []int
		for _, e := range forgot {
			counts = append(counts, e.Forgotten)
			if e.Err == nil || !strings.Contains(e.Err.Error(), "10 records") {
				t.Errorf("it is told %v", e.Err)
			}
		}
		if want := []int{1, 2, 4, 8, 16}; !slices.Equal(counts, want) {
			t.Errorf("it is told that %d are forgotten, want %d", counts, want)
		}
		if n := p.ones[0].Stats().Forgotten; n != records-most {
			t.Errorf("%d are forgotten, want %d", n, records-most)
		}
		p.stop()
		p.empty()
		p.start()
		later(time.Minute)
		told := p.seen[0].of(resilient.Emptied)
		if len(told) != 1 || told[0].Changes != most || told[0].Forgotten != records-most {
			t.Errorf("it is told %+v, want %d that are made again and %d that are forgotten", told, most, records-most)
		}
	}, resilient.Copy(most, 0))
}

// A process that has made nothing has forgotten nothing of its own.
func TestForgottenRecordsOfOthers(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		for i := range 30 {
			if err := p.ways[0].memory.Set(t.Context(), fmt.Sprint(i), nil, storage.Forever); err != nil {
				t.Fatal(err)
			}
			holds(t, p.ones[0], fmt.Sprint(i), "")
		}
		p.stop()
		p.empty()
		p.start()
		later(time.Minute)
		p.emptied(t, 0, 0)
		if told := p.seen[0].of(resilient.Emptied); told[0].Forgotten != 0 {
			t.Errorf("it is told %+v", told)
		}
		if n := p.ones[0].Stats().Forgotten; n != 20 {
			t.Errorf("%d are forgotten", n)
		}
	}, resilient.Copy(10, 0))
}
