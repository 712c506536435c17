package resilient_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// inDoubt lets a process make an update whose answer is lost, and leaves it cut off.
func (p *pair) inDoubt(t *testing.T, s *resilient.Store, text string) {
	t.Helper()
	p.ways[0].set(func(s *server) { s.faulty, s.unheard = "swap", 1 })
	update(t, s, "a", text, queued)
	p.ways[0].stop()
	later(time.Second)
}

// lose makes the server lose its data, which only the second process finds out.
func (p *pair) lose() {
	p.ways[1].stop()
	later(time.Second)
	p.empty()
	p.ways[1].start()
	later(10 * time.Second)
}

// An Update whose answer was lost with the data may be part of what others write again,
// or have deleted since: it is not made a second time.
func TestUpdateIsInWhatOthersWriteAgain(t *testing.T) {
	const nothing, mine, theirs = "nothing", "a record of its own", "a record of others"
	for _, on := range []string{nothing, mine, theirs} {
		for _, watches := range []bool{true, false} {
			for _, deleted := range []bool{true, false} {
				if on == mine && watches && deleted { // it writes that again itself, and who has deleted has never seen it
					continue
				}
				t.Run(fmt.Sprintf("on %s, watches %v, deleted %v", on, watches, deleted), func(t *testing.T) {
					pairs(t, func(t *testing.T, p *pair) {
						s, seen, want := p.ones[0], p.seen[0], "12"
						if !watches { // but it has found the server away, and asked it for its state
							s, seen = client(t, p.ways[0], resilient.WriteAgain(true))
							p.ways[0].stop()
							lacks(t, s, "nothing")
							p.ways[0].start()
							later(10 * time.Second)
						}
						switch on {
						case mine:
							put(t, s, "a", "0", committed)
							want = "012"
						case theirs:
							put(t, p.ones[1], "a", "0", committed)
							want = "012"
						}
						later(time.Second)
						p.inDoubt(t, s, "1")
						update(t, p.ones[1], "a", "2", committed)
						holds(t, p.ways[1], "a", want)
						later(time.Second)
						p.lose()
						holds(t, p.ways[1], "a", want)
						if deleted {
							remove(t, p.ones[1], "a", committed)
						}
						p.ways[0].start()
						later(40 * time.Second)
						if deleted {
							lacks(t, p.ways[1], "a")
						} else {
							holds(t, p.ways[1], "a", want)
						}
						dropped := seen.of(resilient.Dropped)
						if !deleted && len(dropped) != 1 || len(dropped) > 1 || len(dropped) == 1 && !errors.Is(dropped[0].Err, resilient.ErrInDoubt) {
							t.Errorf("dropped: %+v", dropped)
						}
						if !watches {
							if err := s.Close(t.Context()); err != nil {
								t.Error(err)
							}
						}
					})
				})
			}
		}
	}
}

// The same if the loss is found by the change that is sent again.
func TestLossFoundByAResend(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		p.inDoubt(t, p.ones[0], "1")
		update(t, p.ones[1], "a", "2", committed)
		p.ways[0].set(func(s *server) { s.fault = on(errReadOnly, "swap") })
		p.ways[0].start()
		later(5 * time.Second)
		p.ways[0].set(func(s *server) {
			s.fault = func(verb, _ string) error {
				switch verb {
				case "swap":
					return errReadOnly
				case "watch":
					return errReset
				}
				return nil
			}
		})
		p.lose()
		p.ways[0].set(func(s *server) { s.fault = on(errReset, "watch") })
		later(time.Minute)
		holds(t, p.ways[1], "a", "12")
		if told := p.seen[0].of(resilient.Dropped); len(told) != 1 || !errors.Is(told[0].Err, resilient.ErrInDoubt) {
			t.Errorf("dropped: %+v", told)
		}
		p.ways[0].set(func(s *server) { s.fault = nil })
	})
}

// The store knows an Update that was made after the loss, before that was known, also if
// its record is this process's own by now.
func TestUpdateMadeAfterTheLossIsKnown(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second} {
		for _, deleted := range []bool{true, false} {
			overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
				later(time.Second)
				at.set(func(s *server) { s.fault = on(errReset, "watch") })
				at.empty()
				later(after)
				put(t, s, "a", "1", committed)
				at.set(func(s *server) { s.faulty, s.unheard = "swap", 1 })
				update(t, s, "a", "2", queued)
				if deleted {
					if _, err := at.memory.Delete(t.Context(), "a"); err != nil {
						t.Fatal(err)
					}
				}
				at.set(func(s *server) { s.fault = nil })
				later(time.Minute)
				if deleted {
					lacks(t, at.memory, "a")
				} else {
					holds(t, at.memory, "a", "12")
				}
				if told := seen.of(resilient.Emptied); len(told) != 1 {
					t.Errorf("it is told %+v", told)
				}
				if told := seen.of(resilient.Dropped); len(told) != 0 {
					t.Errorf("dropped: %+v", told)
				}
			})
		}
	}
}

// A change that was sent before the loss is sent again as it was, on the record that it
// was made on, so that others know its version. A change that replaces it meanwhile is
// sent instead.
func TestInDoubtOnARewrite(t *testing.T) {
	for _, c := range []struct {
		then, want string
		same       bool // as it was made
	}{
		{"", "12", true},
		{"update", "123", false},
		{"put", "3", false},
	} {
		for _, made := range []bool{true, false} {
			t.Run(fmt.Sprintf("then %q, made %v", c.then, made), func(t *testing.T) {
				overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
					put(t, s, "a", "1", committed)
					later(time.Second)
					at.set(func(s *server) {
						if s.faulty = "swap"; made {
							s.unheard = 1
						} else {
							s.unsaid = 1
						}
					})
					update(t, s, "a", "2", queued)
					was, err := at.memory.Look(t.Context(), "a")
					if err != nil {
						t.Fatal(err)
					}
					at.restarts(t, s)
					swaps := 0
					at.set(func(s *server) {
						s.fault = func(verb, _ string) error { // once it was sent again in vain
							if verb != "swap" {
								return nil
							}
							if swaps++; swaps > 1 {
								return errReadOnly
							}
							return nil
						}
					})
					later(5 * time.Second)
					switch c.then {
					case "update":
						update(t, s, "a", "3", queued)
					case "put":
						put(t, s, "a", "3", queued)
					}
					at.set(func(s *server) { s.fault = nil })
					later(time.Minute)
					holds(t, at.memory, "a", c.want)
					is, err := at.memory.Look(t.Context(), "a")
					if err != nil || made && c.same != (is[0].Version == was[0].Version) {
						t.Errorf("it is %+v, was %+v, %v", is, was, err)
					}
					if stats := s.Stats(); stats.Changes != 0 || stats.Bytes != 0 || stats.Dropped+stats.Conflicts != 0 {
						t.Errorf("stats: %+v", stats)
					}
				})
			})
		}
	}
}

// A change that is in flight when its record is queued to be written again counts as
// behind that: it is made once.
func TestUpdateInFlightBeforeARewrite(t *testing.T) {
	for _, made := range []bool{true, false} {
		overLossy(t, func(t *testing.T, at *asked, s *resilient.Store, seen *events) {
			put(t, s, "a", "1", committed)
			old, err := at.memory.Look(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, "a", "2", committed)
			later(time.Second)
			at.restarts(t, s)
			later(10 * time.Second)
			holds(t, at.memory, "a", "2")
			at.set(func(s *server) {
				if s.faulty = "swap"; made {
					s.unheard = 1
				} else {
					s.unsaid = 1
				}
				s.delay = 50 * time.Millisecond
			})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				update(t, s, "a", "3", queued)
			}()
			synctest.Wait()
			at.paced.told(storage.Changed{Key: "a", Version: old[0].Version}) // which others seem to have written again
			<-ended
			at.set(func(s *server) { s.delay = 0 })
			later(time.Minute)
			holds(t, at.memory, "a", "23")
			if stats := s.Stats(); stats.Changes != 0 || stats.Dropped+stats.Conflicts != 0 {
				t.Errorf("stats: %+v", stats)
			}
		})
	}
}
