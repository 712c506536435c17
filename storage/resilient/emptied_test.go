package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// asked is a server that records what it is asked.
type asked struct {
	*paced
	now     sync.Mutex
	looked  []string       // keys
	swapped []string       // keys
	states  int            // how often it was asked for its state
	age     *time.Duration // that it tells, if any
	told    func()         // is called once it has told its state, once
}

func (a *asked) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	a.now.Lock()
	a.looked = append(a.looked, keys...)
	a.now.Unlock()
	return a.paced.Look(ctx, keys...)
}

func (a *asked) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	a.now.Lock()
	a.swapped = append(a.swapped, changes[0].Key)
	a.now.Unlock()
	return a.paced.Swap(ctx, changes...)
}

func (a *asked) State(ctx context.Context) (string, time.Duration, error) {
	id, age, err := a.paced.State(ctx)
	a.now.Lock()
	a.states++
	if a.age != nil {
		age = *a.age
	}
	told := a.told
	a.told = nil
	a.now.Unlock()
	if told != nil {
		told()
	}
	return id, age, err
}

// anew returns what was asked, and forgets it.
func (a *asked) anew() (looked, swapped []string, states int) {
	a.now.Lock()
	defer a.now.Unlock()
	looked, swapped, states = a.looked, a.swapped, a.states
	a.looked, a.swapped, a.states = nil, nil, 0
	slices.Sort(looked)
	return looked, swapped, states
}

// overAsked runs a test of one process over a server that records what it is asked.
func overAsked(t *testing.T, test func(t *testing.T, at *asked, s *resilient.Store, seen *events), opts ...resilient.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		at := &asked{paced: &paced{server: newServer()}}
		s, seen := client(t, at, opts...)
		test(t, at, s, seen)
		at.start()
		at.set(func(s *server) { s.hangs, s.fault = false, nil })
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		_ = at.memory.Close()
	})
}

// overLossy is overAsked for a process that watches and writes again.
func overLossy(t *testing.T, test func(t *testing.T, at *asked, s *resilient.Store, seen *events), opts ...resilient.Option) {
	t.Helper()
	overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		stop := watch(t, s, "")
		test(t, at, s, seen)
		stop()
	}, append([]resilient.Option{resilient.WriteAgain(true)}, opts...)...)
}

// restarts stops the server and starts it without its data; it does not wait for the
// effects.
func (a *asked) restarts(t *testing.T, s *resilient.Store) {
	t.Helper()
	a.stop()
	lacks(t, s, "nothing")
	a.empty()
	a.anew()
	a.start()
}

// Each record that is written again is read once and sent once, in the order of the keys,
// and the server is asked for its state once.
func TestRoundTripsOfWritingAgain(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		keys := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
		for _, key := range keys {
			put(t, s, key, "1", committed)
		}
		synctest.Wait()
		at.set(func(s *server) { s.fault = on(errReset, "watch") })
		at.restarts(t, s)
		later(20 * time.Second)
		looked, swapped, states := at.anew()
		if want := append(slices.Clone(keys), "nothing"); !slices.Equal(looked, want) {
			t.Errorf("it looks at %q, want %q", looked, want)
		}
		if !slices.Equal(swapped, keys) || states != 1 {
			t.Errorf("it writes %q again, and asks %d times for the state", swapped, states)
		}
		var told []string
		for _, e := range seen.of(resilient.Delivered) {
			told = append(told, e.Key)
		}
		if !slices.Equal(told, keys) {
			t.Errorf("it is told of %q", told)
		}
	})
}

// After a Missed only own records are read again, if they are watched and nothing waits
// for them.
func TestReadsAfterAMissed(t *testing.T) {
	for _, again := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			at := &asked{paced: &paced{server: newServer()}}
			s, _ := client(t, at, resilient.WriteAgain(again))
			stop := watch(t, s, "w:")
			for _, key := range []string{"w:own", "w:waits", "other"} {
				put(t, s, key, "1", committed)
			}
			stores(t, at.server, "w:theirs", "1")
			holds(t, s, "w:theirs", "1")
			synctest.Wait()
			at.stop()
			update(t, s, "w:waits", "+", queued)
			at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
			at.start()
			later(20 * time.Second)
			at.anew()
			at.paced.told(storage.Changed{Missed: true})
			looked, _, states := at.anew()
			if again && (fmt.Sprint(looked) != "[w:own]" || states != 1) {
				t.Errorf("it looks at %q, and asks %d times for the state", looked, states)
			}
			if !again && (len(looked) > 0 || states != 0) {
				t.Errorf("with nothing to write again it looks at %q, and asks %d times for the state", looked, states)
			}
			at.set(func(s *server) { s.fault = nil })
			later(time.Minute)
			stop()
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			_ = at.memory.Close()
		})
	}
}

// If the server loses its data right after it was asked for its state, the next reads
// find out.
func TestLossBetweenStateAndRead(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		put(t, s, "b", "1", committed)
		synctest.Wait()
		at.anew()
		at.told = func() {
			at.empty()
			stores(t, at.server, "b", "2")
		}
		at.paced.told(storage.Changed{Missed: true})
		later(time.Minute)
		holds(t, at.memory, "a", "1")
		holds(t, at.memory, "b", "2")
		if told := seen.of(resilient.Emptied); len(told) != 1 || told[0].Err != nil {
			t.Errorf("it is told %+v", told)
		}
	})
}

// If the server is away when it is asked for its state, it is asked again, and no event
// is told.
func TestStateIsAskedForAgain(t *testing.T) {
	for _, fault := range []error{errReset, errors.New("what is this?")} {
		overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
			put(t, s, "a", "1", committed)
			synctest.Wait()
			var asked atomic.Int64
			at.set(func(s *server) {
				s.fault = func(verb, _ string) error {
					if verb == "state" && asked.Add(1) <= 2 {
						return fault
					}
					return nil
				}
			})
			at.restarts(t, s)
			later(time.Minute)
			holds(t, at.memory, "a", "1")
			if told := seen.of(resilient.Emptied); len(told) != 1 || told[0].Err != nil || told[0].Changes != 1 {
				t.Errorf("it is told %+v", told)
			}
		})
	}
}

// A Watch that ends while the server is asked for its state says nothing about the
// server.
func TestWatchEndsWhileTheStateIsAskedFor(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		ctx, cancel := context.WithCancel(t.Context())
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "state" {
					cancel()
					return errReset
				}
				return nil
			}
		})
		if err := s.Watch(ctx, "", func(storage.Changed) {}); !errors.Is(err, context.Canceled) {
			t.Errorf("Watch: %v", err)
		}
		if told := seen.sofar(); len(told) > 0 {
			t.Errorf("it is told %+v", told)
		}
	})
}

// An Update whose record is missing waits while the server's state can't be asked for: it
// is not applied to nothing.
func TestStateThatIsAwayStopsADelivery(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		synctest.Wait()
		at.stop()
		update(t, s, "a", "2", queued)
		at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
		at.start()
		later(5 * time.Second)
		at.empty() // with the delivery stuck, and nobody told
		var asked atomic.Bool
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				switch {
				case verb == "watch":
					return errReset
				case verb == "state" && !asked.Swap(true):
					return errReset
				}
				return nil
			}
		})
		later(30 * time.Second)
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		holds(t, at.memory, "a", "12")
	})
}

// A server that has been back for as long as deletions are remembered is in time; after
// that it is too late.
func TestWhenALossIsLate(t *testing.T) {
	for _, beyond := range []time.Duration{0, 1} {
		overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
			put(t, s, "a", "1", committed)
			synctest.Wait()
			age := storage.VersionsKept + beyond
			at.age = &age
			at.restarts(t, s)
			later(time.Minute)
			told := seen.of(resilient.Emptied)
			if len(told) != 1 || errors.Is(told[0].Err, resilient.ErrLate) != (beyond > 0) {
				t.Errorf("it is told %+v", told)
			}
			if beyond > 0 {
				lacks(t, at.memory, "a")
			} else {
				holds(t, at.memory, "a", "1")
			}
		})
	}
}

// A record that was too late once is nobody's own any more, also if nobody has read it
// since.
func TestLateRecordsAreNotRead(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		synctest.Wait()
		at.set(func(s *server) { s.fault = on(errReadOnly, "look") })
		for i, late := range []bool{true, false} {
			at.stop()
			lacks(t, s, "nothing")
			later(time.Second)
			at.empty()
			if late {
				later(2 * storage.VersionsKept)
			}
			at.start()
			later(time.Minute)
			told := seen.of(resilient.Emptied)
			if len(told) != i+1 || told[i].Changes != 0 || errors.Is(told[i].Err, resilient.ErrLate) != late {
				t.Errorf("it is told %+v", told)
			}
		}
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		lacks(t, at.memory, "a")
	})
}

// A record that others may have deleted since the loss is written again within a minute
// of it, less the time to read and to send.
func TestDeadlineOfARewrite(t *testing.T) {
	const age = 20 * time.Second
	until := resilient.DefaultInDoubt - age - 2*resilient.DefaultTimeout
	for _, c := range []struct {
		name    string
		after   time.Duration
		inDoubt time.Duration
		want    bool
	}{
		{"in time", until - 1, resilient.DefaultInDoubt, true},
		{"late", until, resilient.DefaultInDoubt, false},
		{"whenever", 2 * time.Hour, storage.Forever, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
				at.tells.Store(int64(time.Hour))
				put(t, s, "a", "1", committed)
				is := age
				at.age = &is
				at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
				at.restarts(t, s)
				later(10 * time.Second)
				told := seen.of(resilient.Emptied)
				if len(told) != 1 || told[0].Changes != 1 {
					t.Fatalf("it is told %+v", told)
				}
				later(time.Until(told[0].Time.Add(c.after)))
				at.set(func(s *server) { s.fault = nil })
				if err := s.Flush(t.Context()); err != nil {
					t.Error(err)
				}
				dropped := seen.of(resilient.Dropped)
				if c.want {
					holds(t, at.memory, "a", "1")
				} else {
					lacks(t, at.memory, "a")
				}
				if n := len(dropped); n > 1 || (n == 0) != c.want || n == 1 && !errors.Is(dropped[0].Err, resilient.ErrLate) {
					t.Errorf("dropped: %+v", dropped)
				}
			}, resilient.InDoubt(c.inDoubt))
		})
	}
}

// A rewrite whose answer is lost until it is too late is done if it was made and dropped
// if not. An Update behind it is made once in either case.
func TestRewriteWhoseAnswerIsLost(t *testing.T) {
	for _, c := range []struct {
		name         string
		made, behind bool
		want         string
	}{
		{"made", true, false, "1"},
		{"not made", false, false, ""},
		{"made, and an Update", true, true, "1+"},
		{"not made, and an Update", false, true, "+"},
	} {
		t.Run(c.name, func(t *testing.T) {
			overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
				at.tells.Store(int64(time.Hour))
				put(t, s, "a", "1", committed)
				at.set(func(s *server) {
					if s.faulty = "swap"; c.made {
						s.unheard = 1
					} else {
						s.unsaid = 1
					}
				})
				at.restarts(t, s)
				for len(seen.of(resilient.Opened)) < 2 {
					later(100 * time.Millisecond)
				}
				at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
				later(10 * time.Second)
				if c.behind {
					update(t, s, "a", "+", queued)
				}
				later(2 * time.Minute)
				at.set(func(s *server) { s.fault = nil })
				later(time.Minute)
				if c.want == "" {
					lacks(t, at.memory, "a")
				} else {
					holds(t, at.memory, "a", c.want)
				}
				dropped := seen.of(resilient.Dropped)
				if n := len(dropped); n > 1 || (n == 0) != c.made || n == 1 && (!errors.Is(dropped[0].Err, resilient.ErrLate) || dropped[0].Changes != 1) {
					t.Errorf("dropped: %+v", dropped)
				}
				if stats := s.Stats(); stats.Queued != stats.Delivered+stats.Dropped || stats.Changes != 0 || stats.Conflicts+stats.Superseded != 0 {
					t.Errorf("stats: %+v", stats)
				}
			})
		})
	}
}

// A record that can't be read is not written again until it can.
func TestRewriteWaitsForARefusedRead(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		synctest.Wait()
		at.set(func(s *server) { s.fault = on(errReadOnly, "look") })
		at.restarts(t, s)
		later(20 * time.Second)
		if looked, swapped, _ := at.anew(); len(looked) > 10 || len(swapped) > 0 {
			t.Errorf("it looks %d times, and writes %q", len(looked), swapped)
		}
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		holds(t, at.memory, "a", "1")
	})
}

// If another server comes back, with some of the data, existing records are left as they
// are, and changes in doubt on top of them are made once.
func TestServerWithOtherData(t *testing.T) {
	for _, c := range []struct {
		name  string
		doubt func(t *testing.T, at *asked, s *resilient.Store)
		want  string
	}{
		{"nothing", func(*testing.T, *asked, *resilient.Store) {}, "1"},
		{"an Update", func(t *testing.T, at *asked, s *resilient.Store) {
			at.set(func(s *server) { s.faulty, s.unsaid = "swap", 1 })
			update(t, s, "a", "2", queued)
		}, "12"},
		{"a Set", func(t *testing.T, at *asked, s *resilient.Store) {
			at.set(func(s *server) { s.faulty, s.unsaid = "swap", 1 })
			put(t, s, "a", "3", queued)
		}, "3"},
	} {
		t.Run(c.name, func(t *testing.T) {
			overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
				put(t, s, "a", "1", committed)
				put(t, s, "b", "1", committed)
				synctest.Wait()
				c.doubt(t, at, s)
				at.stop()
				lacks(t, s, "nothing")
				at.set(func(s *server) { s.state, s.began = "another", time.Now() })
				at.start()
				later(time.Minute)
				holds(t, at.memory, "a", c.want)
				holds(t, at.memory, "b", "1")
				if stats := s.Stats(); stats.Queued != stats.Delivered || stats.Superseded != 0 || len(seen.of(resilient.Emptied)) != 1 {
					t.Errorf("stats: %+v", stats)
				}
			})
		})
	}
}

// A change that was made right after the loss, before that was known, and whose answer
// was lost, is made once, also on this process's own deletion.
func TestUpdateMadeAfterTheLossIsMadeOnce(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		remove(t, s, "a", committed)
		synctest.Wait()
		at.empty() // with no connection broken
		at.set(func(s *server) {
			s.faulty, s.unheard = "swap", 1
			s.fault = func(verb, key string) error {
				switch {
				case verb == "watch":
					return errReset
				case verb == "swap" && key == "b":
					return errReset
				case verb == "swap":
					time.Sleep(50 * time.Millisecond)
				}
				return nil
			}
		})
		reported := make(chan struct{})
		go func() {
			defer close(reported)
			update(t, s, "a", "+", queued)
		}()
		synctest.Wait()
		put(t, s, "b", "1", queued) // at which it looks first
		<-reported
		at.set(func(s *server) { s.fault = nil })
		later(time.Minute)
		holds(t, at.memory, "a", "+")
		holds(t, at.memory, "b", "1")
		if stats := s.Stats(); stats.Changes != 0 || stats.Conflicts+stats.Dropped != 0 || len(seen.of(resilient.Emptied)) != 1 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A change that was in flight long before the loss is made on the record that is written
// again, and is not dropped as in doubt.
func TestOldChangeInDoubtOverARewrite(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		synctest.Wait()
		at.set(func(s *server) { s.faulty, s.unheard = "swap", 1 })
		update(t, s, "a", "2", queued)
		at.stop()
		later(time.Hour)
		at.empty()
		at.start()
		later(time.Minute)
		holds(t, at.memory, "a", "12")
		if told := seen.of(resilient.Dropped); len(told) > 0 {
			t.Errorf("dropped: %+v", told)
		}
	})
}

// A change that is made replaces the rewrite of its record at once.
func TestChangeReplacesARewriteAtOnce(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		remove(t, s, "a", committed)
		put(t, s, "b", "1", committed)
		synctest.Wait()
		at.empty() // with no connection broken
		at.set(func(s *server) {
			s.fault = func(verb, key string) error {
				switch {
				case verb == "swap" && key == "a":
					time.Sleep(100 * time.Millisecond)
				case verb == "look" && key == "a":
					time.Sleep(200 * time.Millisecond)
				}
				return nil
			}
		})
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			put(t, s, "a", "2", committed)
		}()
		later(10 * time.Millisecond)
		holds(t, s, "b", "1")
		<-ended
		if stats := s.Stats(); stats.Superseded != 1 {
			t.Errorf("stats: %+v", stats)
		}
		later(time.Minute)
		holds(t, at.memory, "a", "2")
	})
}

// A process that finds another record, or a record missing that it does not watch, does
// not ask for the server's state; one that finds what it had replaced does.
func TestWhatSuggestsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		at := &asked{paced: &paced{server: newServer()}}
		s, seen := client(t, at, resilient.WriteAgain(true))
		stop := watch(t, s, "w:")
		stores(t, at.server, "w:a", "0")
		was, err := at.Look(t.Context(), "w:a")
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, "w:a", "1", committed)
		put(t, s, "w:b", "1", committed)
		put(t, s, "other", "1", committed)
		synctest.Wait()
		at.tells.Store(int64(time.Hour))
		stores(t, at.server, "w:b", "2")
		if _, err := at.memory.Delete(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
		later(2 * resilient.RecheckAfter)
		at.anew()
		holds(t, s, "w:b", "2")
		lacks(t, s, "other")
		if _, _, states := at.anew(); states != 0 {
			t.Errorf("it asks %d times for the state", states)
		}
		at.set(func(s *server) { s.fault = on(errReset, "watch") })
		at.empty()
		if made, err := at.memory.Swap(t.Context(), storage.Change{Item: storage.Item{Key: "w:a", Value: []byte("0"), Keep: storage.Forever}, Becomes: was[0].Version}); err != nil || !made[0] {
			t.Fatalf("Swap: %v, %v", made, err)
		}
		later(time.Second)
		holds(t, s, "w:a", "1")
		if _, _, states := at.anew(); states != 1 {
			t.Errorf("it asks %d times for the state", states)
		}
		at.set(func(s *server) { s.fault = nil })
		at.tells.Store(0)
		later(time.Minute)
		holds(t, at.memory, "w:a", "1")
		if told := seen.of(resilient.Emptied); len(told) != 1 || told[0].Changes != 1 {
			t.Errorf("it is told %+v", told)
		}
		stop()
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		_ = at.memory.Close()
	})
}

// A record that others set soon after a loss stays, though it was this process's own.
func TestWhatOthersSetAfterALossStays(t *testing.T) {
	overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		synctest.Wait()
		at.restarts(t, s)
		later(20 * time.Second)
		holds(t, at.memory, "a", "1")
		stores(t, at.server, "a", "2")
		later(20 * time.Second)
		holds(t, at.memory, "a", "2")
		holds(t, s, "a", "2")
		if stats := s.Stats(); stats.Queued != 1 || stats.Delivered != 1 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// A Set or Delete of a record that waits to be written again does not wait if the server
// answers.
func TestSetReplacesARewrite(t *testing.T) {
	for _, removes := range []bool{false, true} {
		overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
			put(t, s, "a", "1", committed)
			synctest.Wait()
			at.set(func(s *server) { s.fault = on(errReadOnly, "swap") })
			at.restarts(t, s)
			later(20 * time.Second)
			at.set(func(s *server) { s.fault = nil })
			if removes {
				remove(t, s, "a", committed)
				lacks(t, at.memory, "a")
			} else {
				put(t, s, "a", "2", committed)
				holds(t, at.memory, "a", "2")
			}
			if stats := s.Stats(); stats.Changes != 0 || stats.Queued != 1 || stats.Superseded != 1 {
				t.Errorf("stats: %+v", stats)
			}
			later(time.Minute)
			if removes {
				lacks(t, at.memory, "a")
			} else {
				holds(t, at.memory, "a", "2")
			}
		})
	}
}
