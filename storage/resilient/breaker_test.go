package resilient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// One fault opens the breaker. From then on only the probes ask the store, at times that
// double, with jitter, from 2 s to 30 s.
func TestBreakerProbes(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		lacks(t, s, "a")
		put(t, s, "b", "1", queued)
		before := at.calls.Load()
		began := time.Now()
		later(5 * time.Minute)
		probes := len(seen.of(resilient.HalfOpen))
		if asked := at.calls.Load() - before; asked != int64(probes) {
			t.Errorf("the store was asked %d times by %d probes", asked, probes)
		}
		opened := seen.of(resilient.Opened)
		if len(opened) != probes+1 {
			t.Fatalf("opened %d times by %d probes", len(opened), probes)
		}
		last := began
		for i, e := range opened {
			least := min(2*time.Second<<i, 20*time.Second)
			if e.Wait < least || e.Wait > least*3/2 || e.Err == nil {
				t.Errorf("wait %d is %v (%v), want %v to %v", i, e.Wait, e.Err, least, least*3/2)
			}
			if i > 0 && e.Time.Sub(last) != opened[i-1].Wait {
				t.Errorf("probe %d came after %v, it was to be %v", i, e.Time.Sub(last), opened[i-1].Wait)
			}
			last = e.Time
		}
		if stats := s.Stats(); stats.Trips != 1 || !errors.Is(stats.Err, errRefusedConnection) {
			t.Errorf("stats: %+v", stats)
		}
	})
}

// While a probe is in flight, nobody else asks the store.
func TestHalfOpenHasOneProbe(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "1", committed)
		at.stop()
		holds(t, s, "a", "1")
		at.set(func(s *server) { s.hangs = true })
		at.start()
		for len(seen.of(resilient.HalfOpen)) == 0 {
			later(100 * time.Millisecond)
		}
		if state := s.Stats().State; state != resilient.StateHalfOpen {
			t.Fatalf("the breaker is %v", state)
		}
		before := at.calls.Load()
		for range 100 {
			holds(t, s, "a", "1")
			put(t, s, "b", "1", queued)
		}
		if n := at.calls.Load() - before; n != 0 {
			t.Errorf("%d calls besides the probe", n)
		}
	})
}

// A store that goes away as soon as it was back is not asked every two seconds.
func TestBackoffContinuesIfTheStoreGoesAgain(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		put(t, s, "a", "0", committed)
		at.set(func(s *server) {
			s.fault = func(verb, _ string) error {
				if verb == "swap" {
					return errReset
				}
				return nil
			}
		})
		put(t, s, "a", "1", queued)
		later(10 * time.Minute)
		if n := len(seen.of(resilient.Opened)); n < 20 || n > 45 {
			t.Errorf("opened %d times in ten minutes", n)
		}
		holds(t, s, "a", "1")
	})
}

// An error that is the user's mistake is returned, opens nothing and changes nothing.
func TestMistakesDoNotOpenTheBreaker(t *testing.T) {
	for _, mistake := range []error{
		storage.Refused(errors.New("the value is too large")),
		fmt.Errorf("get: %w", storage.ErrUnreadable),
		errors.New("WRONGTYPE Operation against a key holding the wrong kind of value"),
		errors.New("WRONGPASS invalid username-password pair"),
		errors.New("NOAUTH Authentication required."),
		errors.New("READONLY You can't write against a read only replica."),
	} {
		t.Run(mistake.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
				put(t, s, "a", "1", committed)
				at.set(func(s *server) { s.fault = func(string, string) error { return mistake } })
				if _, err := s.Get(t.Context(), "a"); !errors.Is(err, mistake) {
					t.Errorf("Get: %v", err)
				}
				if outcome, err := outcomeOf(s.Set(t.Context(), "a", []byte("2"), storage.Forever)); !errors.Is(err, mistake) || outcome != 0 {
					t.Errorf("Set: %v, %v", outcome, err)
				}
				if _, err := deleted(s.Delete(t.Context(), "a")); !errors.Is(err, mistake) {
					t.Errorf("Delete: %v", err)
				}
				if _, _, err := updated(s.Update(t.Context(), "a", appends("2"))); !errors.Is(err, mistake) {
					t.Errorf("Update: %v", err)
				}
				at.set(func(s *server) { s.fault = nil })
				holds(t, s, "a", "1")
				if len(seen.all) > 0 || s.Stats().Changes > 0 {
					t.Errorf("events: %v, stats: %+v", seen.all, s.Stats())
				}
			})
		})
	}
}

func TestJudgeError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want resilient.Verdict
	}{
		{errRefusedConnection, resilient.Away},
		{fmt.Errorf("redisstore: get: %w", errReset), resilient.Away},
		{context.DeadlineExceeded, resilient.Away},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, resilient.Away},
		{errors.New("LOADING Redis is loading the dataset in memory"), resilient.Away},
		{errors.New("redis: connection pool timeout"), resilient.Away},
		{errors.New("redis: client is closed"), resilient.Unwilling},
		{storage.Refused(errors.New("READONLY You can't write against a read only replica.")), resilient.Unwilling},
		{storage.ErrClosed, resilient.Unwilling},
		{storage.Refused(errors.New("too large")), resilient.Unfit},
		{errors.New("something else"), resilient.Unknown},
		{fmt.Errorf("get %q: %w", "READONLY", errReset), resilient.Away}, // a key says nothing
	} {
		if got := resilient.JudgeError(c.err); got != c.want {
			t.Errorf("%v is %v, want %v", c.err, got, c.want)
		}
	}
}

// A Judge says what the errors of an unknown server mean.
func TestJudge(t *testing.T) {
	opaque := errors.New("opaque")
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.set(func(s *server) { s.fault = func(string, string) error { return opaque } })
		if _, err := s.Get(t.Context(), "a"); !errors.Is(err, opaque) {
			t.Errorf("Get: %v", err)
		}
		if n := len(seen.of(resilient.Opened)); n != 0 {
			t.Errorf("opened %d times", n)
		}
	}, resilient.Judge(func(error) resilient.Verdict { return resilient.Unfit }))
}

// FailAway tells a missing record from one that can't be known.
func TestFailAway(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		remove(t, s, "b", committed)
		at.stop()
		holds(t, s, "a", "1")
		lacks(t, s, "b")
		if _, err := s.Get(t.Context(), "c"); !errors.Is(err, resilient.ErrAway) || !errors.Is(err, errRefusedConnection) {
			t.Errorf("Get of what was never seen: %v, want ErrAway and why", err)
		}
		update(t, s, "c", "x", queued)
		holds(t, s, "c", "x")
	}, resilient.FailAway())
}

// A dead server costs nothing: see BenchmarkAway.
func TestAwayAsksNothing(t *testing.T) {
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
		put(t, s, "a", "1", committed)
		at.stop()
		holds(t, s, "a", "1")
		before, began := at.calls.Load(), time.Now()
		for i := range 10_000 {
			switch i % 3 {
			case 0:
				holds(t, s, "a", "1")
			case 1:
				put(t, s, fmt.Sprint("k", i%100), "1", queued)
			case 2:
				lacks(t, s, "nothing")
			}
		}
		if n := at.calls.Load() - before; n != 0 {
			t.Errorf("the store was asked %d times", n)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("somebody waited: %v", took)
		}
	})
}

// Observers are called in the order of the events and with no lock held, and their panics
// do no harm.
func TestObserverMayReadAndPanic(t *testing.T) {
	var s *resilient.Store
	var told []resilient.State
	bubble(t, func(t *testing.T, at *server, _ *resilient.Store, _ *events) {
		var err error
		s, err = resilient.New(at, resilient.Observe(func(e resilient.Event) {
			told = append(told, s.Stats().State)
			_, _ = s.Get(context.Background(), "a")
			panic("observer")
		}))
		if err != nil {
			t.Fatal(err)
		}
		at.stop()
		lacks(t, s, "a")
		at.start()
		later(time.Minute)
		if len(told) < 3 {
			t.Errorf("told of %v", told)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A client that ignores contexts, with a server that hangs, blocks the one caller who met
// it first, and nobody else.
func TestStoreThatIgnoresContexts(t *testing.T) {
	for name, c := range map[string]struct {
		deadline time.Duration
		calls    int // until the store counts as away
	}{"at the timeout": {time.Hour, 1}, "at the callers' deadlines": {resilient.DefaultTimeout / 2, 3}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, at *server, s *resilient.Store, _ *events) {
				at.set(func(s *server) { s.delay = time.Minute })
				call := func(key string) {
					ctx, cancel := context.WithTimeout(t.Context(), c.deadline)
					defer cancel()
					_, _ = s.Get(ctx, key)
				}
				var left sync.WaitGroup
				for i := range c.calls {
					if s.Stats().State != resilient.StateClosed {
						t.Errorf("the store counts as away after %d calls", i)
					}
					left.Go(func() { call(strconv.Itoa(i)) })
					later(resilient.DefaultTimeout)
				}
				began, before := time.Now(), at.calls.Load()
				call("other")
				if took := time.Since(began); took != 0 || s.Stats().State == resilient.StateClosed {
					t.Errorf("after %d calls another takes %v", c.calls, took)
				}
				if n := at.calls.Load() - before; n != 0 {
					t.Errorf("it asks %d times", n)
				}
				at.set(func(s *server) { s.delay = 0 })
				left.Wait()
			})
		})
	}
}
