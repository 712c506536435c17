package resilient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// Without a Watch nothing is written again; with two of the same prefix it is as long as
// one runs.
func TestNothingIsWrittenAgainWithoutAWatch(t *testing.T) {
	for _, more := range []int{0, 1} {
		pairs(t, func(t *testing.T, p *pair) {
			stops := []func(){func() {}}
			for range more {
				stops = append(stops, watch(t, p.ones[0], ""))
			}
			put(t, p.ones[0], "a", "1", committed)
			synctest.Wait()
			p.stops[0]()
			p.stop()
			p.empty()
			p.start()
			if more == 0 {
				p.stops[1]()
				lacks(t, p.ways[0], "a")
				later(time.Minute)
				lacks(t, p.ones[0], "a")
				lacks(t, p.ways[0], "a")
			} else {
				later(time.Minute)
				holds(t, p.ways[0], "a", "1")
			}
			for _, stop := range stops {
				stop()
			}
		})
	}
}

// Only records with the prefix of the Watch are written again.
func TestOnlyThePrefixIsWrittenAgain(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		stop := watch(t, s, "w:")
		defer stop()
		for _, key := range []string{"w:a", "other", "w:b"} {
			put(t, s, key, "1", committed)
		}
		remove(t, s, "w:b", committed)
		synctest.Wait()
		at.stop()
		lacks(t, s, "nothing")
		at.empty()
		at.start()
		later(time.Minute)
		holds(t, at.memory, "w:a", "1")
		lacks(t, at.memory, "other")
		lacks(t, s, "other")
		if told := seen.of(resilient.Emptied); len(told) != 1 || told[0].Changes != 2 {
			t.Errorf("it is told %+v", told)
		}
	}, resilient.WriteAgain(true))
}

// A record that was too late once is nobody's own any more: the next loss does not bring
// it back.
func TestLateRecordsStayLost(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		put(t, p.ones[0], "a", "1", committed)
		synctest.Wait()
		p.stop()
		p.empty()
		later(2 * storage.VersionsKept)
		p.start()
		later(time.Minute)
		p.stop()
		p.empty()
		p.start()
		later(time.Minute)
		lacks(t, p.ways[0], "a")
		told := p.seen[0].of(resilient.Emptied)
		if len(told) != 2 || !errors.Is(told[0].Err, resilient.ErrLate) || told[1].Err != nil || told[1].Changes != 0 {
			t.Errorf("it is told %+v", told)
		}
	})
}

// A record that does not fit into the queue is not written again, which is reported; an
// expired one is not either.
func TestQueueHasNoRoomToWriteAgain(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		for _, key := range []string{"a", "b", "c"} {
			put(t, p.ones[0], key, "1", committed)
		}
		if _, err := outcomeOf(p.ones[0].Set(t.Context(), "0", nil, time.Second)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		p.stop()
		p.empty()
		p.start()
		later(time.Minute)
		holds(t, p.ways[0], "a", "1")
		holds(t, p.ways[0], "b", "1")
		lacks(t, p.ways[0], "c")
		lacks(t, p.ways[0], "0")
		told, refused := p.seen[0].of(resilient.Emptied), p.seen[0].of(resilient.Refused)
		if len(told) != 1 || told[0].Changes != 2 || len(refused) != 1 || refused[0].Key != "c" || !errors.Is(refused[0].Err, resilient.ErrFull) {
			t.Errorf("it is told %+v, %+v", told, refused)
		}
		if stats := p.ones[0].Stats(); stats.Queued != 2 || stats.Refused != 1 || stats.Delivered != 2 {
			t.Errorf("stats: %+v", stats)
		}
	}, resilient.Queue(2, 0))
}

// Each loss reports the copies that were forgotten since the one before.
func TestForgottenPerLoss(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		for i, want := range []int{1, 0, 0} {
			if i == 0 {
				for _, key := range []string{"a", "b", "c"} {
					put(t, p.ones[0], key, "1", committed)
					synctest.Wait()
				}
			}
			p.stop()
			p.empty()
			p.start()
			later(time.Minute)
			told := p.seen[0].of(resilient.Emptied)
			if len(told) != i+1 || told[i].Forgotten != want || told[i].Changes != 2 {
				t.Errorf("it is told %+v, want %d forgotten", told, want)
			}
		}
	}, resilient.Copy(2, 0))
}

// While records wait to be written again, a Set or Delete comes first, an Update comes on
// top, and there is no conflict.
func TestChangesDuringRewrites(t *testing.T) {
	for _, c := range []struct {
		name  string
		sent  bool // it has been sent, and the answer is lost
		do    func(t *testing.T, s *resilient.Store)
		now   outcome
		want  string
		again string
	}{
		{"nothing", false, nil, 0, "1", ""},
		{"put", false, func(t *testing.T, s *resilient.Store) {
			_, _ = outcomeOf(s.Set(t.Context(), "b", []byte("2"), storage.Forever))
		}, 0, "2", ""},
		{"remove", false, func(t *testing.T, s *resilient.Store) { _, _ = deleted(s.Delete(t.Context(), "b")) }, 0, "", ""},
		{"update", false, func(t *testing.T, s *resilient.Store) { update(t, s, "b", "+", queued) }, 0, "1+", ""},
		{"update and put", false, func(t *testing.T, s *resilient.Store) {
			update(t, s, "b", "+", queued)
			put(t, s, "b", "3", queued)
		}, 0, "3", ""},
		{"sent", true, nil, 0, "1", ""},
		{"sent, put", true, func(t *testing.T, s *resilient.Store) { put(t, s, "b", "2", queued) }, 0, "2", ""},
		{"sent, remove", true, func(t *testing.T, s *resilient.Store) { remove(t, s, "b", queued) }, 0, "", ""},
		{"sent, update", true, func(t *testing.T, s *resilient.Store) { update(t, s, "b", "+", queued) }, 0, "1+", ""},
	} {
		for _, twice := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				pairs(t, func(t *testing.T, p *pair) {
					s := p.ones[0]
					put(t, s, "b", "1", committed)
					put(t, s, "b", "1", committed)
					synctest.Wait()
					p.stop()
					p.empty()
					lost := false
					p.ways[0].set(func(s *server) {
						s.fault = func(verb, _ string) error {
							switch {
							case verb != "swap":
								return nil
							case c.sent && !lost:
								lost = true
								return errReset
							}
							return errReadOnly
						}
					})
					p.start()
					if twice {
						later(20 * time.Second)
						p.stop()
						p.empty()
						p.start()
					}
					later(15 * time.Second)
					if stats := s.Stats(); stats.Changes != 1 {
						t.Errorf("stats: %+v", stats)
					}
					if c.do != nil {
						if !c.sent {
							p.ways[0].set(func(s *server) { s.fault = on(errReadOnly, "swap") })
							switch c.name {
							case "put", "remove": // they need not wait
								p.ways[0].set(func(s *server) { s.fault = nil })
							}
						}
						c.do(t, s)
					}
					p.ways[0].set(func(s *server) { s.fault = nil })
					later(time.Minute)
					if c.want == "" {
						lacks(t, p.ways[0], "b")
						lacks(t, s, "b")
					} else {
						holds(t, p.ways[0], "b", c.want)
						holds(t, s, "b", c.want)
					}
					for _, kind := range []resilient.Kind{resilient.Conflict, resilient.Dropped, resilient.Refused} {
						if told := p.seen[0].of(kind); len(told) > 0 {
							t.Errorf("it is told %+v", told)
						}
					}
				}, resilient.InDoubt(storage.Forever))
			})
		}
	}
}

// A change that is in flight when its record is found to be lost replaces the rewrite.
func TestChangeOvertakesARewrite(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		s := p.ones[0]
		put(t, s, "a", "1", committed)
		remove(t, s, "a", committed)
		put(t, s, "b", "1", committed)
		synctest.Wait()
		p.empty() // with no connection broken
		p.ways[0].set(func(s *server) {
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
		holds(t, s, "b", "1") // which finds out
		<-ended
		later(time.Minute)
		holds(t, p.ways[0], "a", "2")
		holds(t, p.ways[0], "b", "1")
		if stats := s.Stats(); stats.Changes != 0 || stats.Conflicts+stats.Dropped != 0 || stats.Superseded != 1 {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// Only a version that a record had replaced is replaced again.
func TestFewVersionsAreRemembered(t *testing.T) {
	pairs(t, func(t *testing.T, p *pair) {
		for _, value := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"} {
			put(t, p.ones[0], "a", value, committed)
			synctest.Wait()
		}
		before := p.ones[0].Stats().CopyBytes
		for range 20 {
			put(t, p.ones[0], "a", "12", committed)
			synctest.Wait()
		}
		if after := p.ones[0].Stats().CopyBytes; after != before {
			t.Errorf("the copy takes %d bytes, then %d", before, after)
		}
		p.stop()
		p.empty()
		p.start()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.ones[0].Flush(ctx); err != nil {
			t.Error(err)
		}
		later(time.Minute)
		holds(t, p.ways[0], "a", "12")
	})
}
