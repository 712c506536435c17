package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// paced is a server whose answers to changes, and messages to watches, are delayed.
type paced struct {
	*server
	answers, tells atomic.Int64
	told           func(storage.Changed)
}

func (p *paced) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	made, err := p.server.Swap(ctx, changes...)
	time.Sleep(time.Duration(p.answers.Load()))
	return made, err
}

func (p *paced) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	p.told = changed
	return p.server.Watch(ctx, prefix, func(c storage.Changed) {
		select {
		case <-time.After(time.Duration(p.tells.Load())):
			changed(c)
		case <-ctx.Done():
		}
	})
}

// loses restarts the server without its data, and lets it accept changes after so long.
func (p *paced) loses(t *testing.T, s *resilient.Store, takes time.Duration) {
	t.Helper()
	p.stop()
	lacks(t, s, "nothing")
	p.empty()
	p.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
	p.start()
	later(takes)
	p.set(func(s *server) { s.fault = nil })
	later(time.Minute)
}

// What a watch tells while a change is in flight decides what is known of the record. Get
// costs no round trip if nothing came after the change. The record is written again if
// this process was the last to change it, also after a long time if the watch had told of
// it before the loss.
func TestWatchDuringAChange(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name     string
		tells    time.Duration
		before   string // what others set just before it, and is told of meanwhile
		meantime func(t *testing.T, at *paced)
		now      string
		looks    int64 // -1 where nobody looks
		again    bool  // it is written again
		late     bool  // also after two minutes
	}{
		{"the change itself", 0, "", func(*testing.T, *paced) {}, "1", 0, true, true},
		{"nothing yet", time.Hour, "", func(*testing.T, *paced) {}, "1", 0, true, false},
		{"what others set after it", 0, "", func(t *testing.T, at *paced) { stores(t, at.server, "a", "2") }, "2", 1, false, false},
		{"what others set after it, at which nobody looks", 0, "", func(t *testing.T, at *paced) { stores(t, at.server, "a", "2") }, "2", -1, false, false},
		{"what others set before it", 60 * ms, "0", func(*testing.T, *paced) {}, "1", 1, true, true},
		{"only what others set before it", 90 * ms, "0", func(_ *testing.T, at *paced) { at.tells.Store(int64(time.Hour)) }, "1", -1, true, false},
		{"only what others set before it, at which somebody looks", 90 * ms, "0", func(_ *testing.T, at *paced) { at.tells.Store(int64(time.Hour)) }, "1", 1, true, true},
		{"that some was missed", 0, "", func(t *testing.T, at *paced) {
			at.tells.Store(int64(time.Hour))
			stores(t, at.server, "a", "2")
			at.told(storage.Changed{Missed: true})
		}, "2", 1, false, false},
	} {
		for _, takes := range []time.Duration{0, 2 * time.Minute} {
			t.Run(fmt.Sprintf("%s, lost for %v", c.name, takes), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					at := &paced{server: newServer()}
					s, seen := client(t, at, resilient.WriteAgain(true))
					stop := watch(t, s, "")
					at.answers.Store(int64(100 * ms))
					at.tells.Store(int64(c.tells))
					if c.before != "" {
						stores(t, at.server, "a", c.before)
					}
					answered := make(chan struct{})
					go func() {
						defer close(answered)
						put(t, s, "a", "1", committed)
					}()
					later(50 * ms)
					c.meantime(t, at)
					<-answered
					if c.looks >= 0 {
						calls := at.calls.Load()
						holds(t, s, "a", c.now)
						if n := at.calls.Load() - calls; n != c.looks {
							t.Errorf("a Get asks the store %d times, want %d", n, c.looks)
						}
					}
					later(50 * ms)
					at.answers.Store(0)
					at.loses(t, s, takes)
					at.tells.Store(0)
					if c.again && (c.late || takes == 0) {
						holds(t, at.memory, "a", c.now)
						holds(t, s, "a", c.now)
					} else {
						lacks(t, at.memory, "a")
						lacks(t, s, "a")
					}
					told := seen.of(resilient.Dropped)
					if want := c.again && !c.late && takes > 0; want != (len(told) == 1 && errors.Is(told[0].Err, resilient.ErrLate)) {
						t.Errorf("it is told %+v, want ErrLate: %v", told, want)
					}
					if n := s.InFlight(); n != 0 {
						t.Errorf("%d changes are on their way for ever", n)
					}
					stop()
					if err := s.Close(t.Context()); err != nil {
						t.Error(err)
					}
					_ = at.memory.Close()
				})
			})
		}
	}
}

// A process that was cut off and is back first, after one loss or two, writes again what
// others have replaced since. They replace it again if that was at most eight changes
// ago, also if they have deleted the record in between.
func TestStaleRewriteIsReplaced(t *testing.T) {
	for _, losses := range []int{1, 2} {
		pairs(t, func(t *testing.T, p *pair) {
			for _, key := range []string{"once", "deleted", "eight", "nine"} {
				put(t, p.ones[1], key, "old", committed)
			}
			synctest.Wait()
			p.ways[1].stop()
			synctest.Wait() // until it is told of nothing any more
			put(t, p.ones[0], "once", "new", committed)
			remove(t, p.ones[0], "deleted", committed)
			put(t, p.ones[0], "deleted", "new", committed)
			for range 8 {
				put(t, p.ones[0], "eight", "new", committed)
				put(t, p.ones[0], "nine", "new", committed)
			}
			put(t, p.ones[0], "nine", "new", committed)
			synctest.Wait()
			for range losses - 1 {
				p.ways[0].stop()
				lacks(t, p.ones[0], "nothing")
				p.empty()
				p.ways[0].start()
				later(20 * time.Second)
				holds(t, p.ways[0], "once", "new")
			}
			p.ways[0].stop()
			lacks(t, p.ones[0], "nothing")
			p.empty()
			p.ways[1].start()
			later(40 * time.Second)
			holds(t, p.ways[1], "once", "old")
			p.ways[0].start()
			later(time.Minute)
			holds(t, p.ways[0], "once", "new")
			holds(t, p.ways[0], "deleted", "new")
			holds(t, p.ways[0], "eight", "new")
			holds(t, p.ways[0], "nine", "old")
			for i, seen := range p.seen {
				if told := append(seen.of(resilient.Conflict), seen.of(resilient.Dropped)...); len(told) > 0 {
					t.Errorf("process %d is told %+v", i, told)
				}
			}
		}, resilient.Random(func(time.Duration) time.Duration { return 0 }))
	}
}

// A delivered change that the watch does not tell of, because it was made before, is read
// once and costs no round trip then. It is this process's own, and is written again after
// a loss.
func TestRedeliveredRecordIsConfirmed(t *testing.T) {
	for _, want := range []map[string]string{{"a": "12"}, {"a": "12", "b": "1"}} {
		bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
			stop := watch(t, s, "")
			defer stop()
			put(t, s, "a", "1", committed)
			at.set(func(s *server) { s.faulty, s.unheard = "swap", 1 })
			update(t, s, "a", "2", queued)
			if want["b"] != "" {
				put(t, s, "b", "1", queued)
			}
			at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
			at.stop()
			later(time.Second)
			at.start()
			later(10 * time.Second) // it watches again
			at.set(func(s *server) { s.fault = nil })
			later(30 * time.Second)
			for key, value := range want {
				calls := at.calls.Load()
				holds(t, s, key, value)
				if n := at.calls.Load() - calls; n != 0 {
					t.Errorf("a Get at %q asks the store %d times", key, n)
				}
			}
			at.stop()
			lacks(t, s, "nothing")
			at.empty()
			at.start()
			later(time.Minute)
			for key, value := range want {
				holds(t, at.memory, key, value)
			}
		}, resilient.WriteAgain(true))
	}
}

// A record that is set right after a deletion is this process's own though the watch
// tells of the deletion late, but not if others have deleted it then.
func TestOwnAfterADeletion(t *testing.T) {
	for _, others := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			at := &paced{server: newServer()}
			s, _ := client(t, at, resilient.WriteAgain(true))
			stop := watch(t, s, "")
			at.tells.Store(int64(100 * time.Millisecond))
			put(t, s, "a", "1", committed)
			remove(t, s, "a", committed)
			put(t, s, "a", "2", committed)
			later(time.Second)
			calls := at.calls.Load()
			holds(t, s, "a", "2")
			if n := at.calls.Load() - calls; n != 0 {
				t.Errorf("a Get asks the store %d times", n)
			}
			if others {
				if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
				later(time.Second)
			}
			at.loses(t, s, 0)
			if others {
				lacks(t, at.memory, "a")
			} else {
				holds(t, at.memory, "a", "2")
			}
			stop()
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			_ = at.memory.Close()
		})
	}
}

// A record that is kept for the shortest time is there that long.
func TestShortestTime(t *testing.T) {
	const shortest = time.Nanosecond
	for _, c := range []struct {
		name string
		away bool
	}{{"committed", false}, {"queued", true}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
				if c.away {
					at.stop()
					lacks(t, s, "nothing")
				}
				if _, err := outcomeOf(s.Set(t.Context(), "put", []byte("1"), shortest)); err != nil {
					t.Error(err)
				}
				if r, _, err := updated(s.Update(t.Context(), "updated", func(record) ([]byte, time.Duration, error) { return []byte("1"), shortest, nil })); err != nil || !r.Found {
					t.Errorf("Update: %+v, %v", r, err)
				}
				at.stop()
				lacks(t, s, "nothing")
				for _, key := range []string{"put", "updated"} {
					if r, err := s.Get(t.Context(), key); err != nil || string(r.Value) != "1" || !r.Found || r.Left != shortest {
						t.Errorf("Get of %q: %+v, %v", key, r, err)
					}
				}
				time.Sleep(shortest)
				lacks(t, s, "put")
				lacks(t, s, "updated")
			})
		})
	}
}
