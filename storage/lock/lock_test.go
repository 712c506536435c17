package lock

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// world is a stand-in and a process that has no faults, in virtual time.
type world struct {
	*testing.T
	server *standIn
	client *standInClient
	locks  *Locks
}

func inVirtualTime(t *testing.T, hold time.Duration, f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Minute) // until what runs in the background has ended
		w := &world{T: t, server: newStandIn()}
		w.client, w.locks = w.process(hold)
		f(w)
	})
}

func (w *world) process(hold time.Duration) (*standInClient, *Locks) {
	c := &standInClient{server: w.server, rand: rand.New(rand.NewPCG(1, 2))}
	return c, newLocks(c, hold, c.float)
}

func (w *world) acquire(path string) *Lock {
	w.Helper()
	return acquire(w.T, w.locks, path)
}

func (w *world) held(p place) bool {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	return w.server.held(p)
}

// away has the server answer nobody.
func (w *world) away(is bool) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	w.server.down = is
}

func TestHoldIsRenewed(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		l := w.acquire("a")
		time.Sleep(time.Hour)
		if l.Context().Err() != nil {
			w.Errorf("after an hour: %v", context.Cause(l.Context()))
		}
		if left := l.Left(); left < 19*time.Second || left > 30*time.Second {
			w.Errorf("%v are left, want about two thirds of the hold at least", left)
		}
		if _, err := w.locks.TryAcquire(w.Context(), "a"); !errors.Is(err, ErrHeld) {
			w.Errorf("TryAcquire says %v, want ErrHeld", err)
		}
		release(w.T, l)
		if l.Context().Err() == nil || context.Cause(l.Context()) != context.Canceled || l.Left() != 0 {
			w.Errorf("released: the cause is %v, %v are left", context.Cause(l.Context()), l.Left())
		}
		if err := l.Release(w.Context()); !errors.Is(err, ErrNotHeld) {
			w.Errorf("a second Release says %v, want ErrNotHeld", err)
		}
	})
}

// The context ends no later than the hold can, counted from before the server
// was asked, whatever becomes of the server.
func TestContextEndsInTime(t *testing.T) {
	for name, trouble := range map[string]func(w *world){
		"away": func(w *world) { w.away(true) },
		"empty": func(w *world) {
			w.server.mu.Lock()
			defer w.server.mu.Unlock()
			w.server.restart()
		},
		"given away": func(w *world) {
			w.server.mu.Lock()
			defer w.server.mu.Unlock()
			w.server.holds["a"] = held{owner: "somebody", ends: w.server.now().Add(time.Hour)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			const hold = 30 * time.Second
			inVirtualTime(t, hold, func(w *world) {
				asked := time.Now()
				l := w.acquire("a")
				trouble(w)
				<-l.Context().Done()
				if passed := time.Since(asked); passed > hold-hold/100 {
					w.Errorf("it ended after %v, its hold is %v", passed, hold)
				}
				if cause := context.Cause(l.Context()); !errors.Is(cause, ErrNotHeld) || !strings.Contains(cause.Error(), `"a"`) {
					w.Errorf("the cause is %v, want ErrNotHeld", cause)
				}
				w.away(false)
				if err := l.Release(w.Context()); !errors.Is(err, ErrNotHeld) {
					w.Errorf("Release says %v, want ErrNotHeld", err)
				}
				if w.held("a") != (name == "given away") {
					w.Errorf("after a late Release the lock is held: %v", w.held("a"))
				}
			})
		})
	}
}

// asked is a server that answers renewals late, and when the last that it
// answered was sent.
type asked struct {
	server
	last atomic.Int64
}

func (a *asked) renew(ctx context.Context, p place, owner string, token int64, hold time.Duration) (bool, error) {
	sent := time.Now()
	held, err := a.server.renew(ctx, p, owner, token, hold)
	if err == nil {
		a.last.Store(sent.UnixNano())
		time.Sleep(hold / 10)
	}
	return held, err
}

// So it does after renewals, each of which counts from before it was sent.
func TestContextEndsInTimeAfterARenewal(t *testing.T) {
	const hold = 30 * time.Second
	inVirtualTime(t, hold, func(w *world) {
		s := &asked{server: w.client}
		l := acquire(w.T, newLocks(s, hold, w.client.float), "a")
		time.Sleep(time.Minute)
		w.away(true)
		<-l.Context().Done()
		if passed := time.Since(time.Unix(0, s.last.Load())); passed != hold-hold/100 {
			w.Errorf("it ended %v after the last renewal was sent, its hold is %v", passed, hold)
		}
	})
}

func TestCauseTellsWhyTheServerWasNotReached(t *testing.T) {
	inVirtualTime(t, time.Second, func(w *world) {
		l := w.acquire("a")
		w.away(true)
		<-l.Context().Done()
		if cause := context.Cause(l.Context()); !errors.Is(cause, errLost) {
			w.Errorf("the cause is %v, want that of the last renewal in it", cause)
		}
	})
}

// An outage that is shorter than what is left of the hold is nobody's matter.
func TestRenewalsAreTriedAgain(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		l := w.acquire("a")
		for range 10 {
			w.away(true)
			time.Sleep(18 * time.Second) // the renewal after a third fails, and others
			w.away(false)
			time.Sleep(10 * time.Second)
		}
		if l.Context().Err() != nil {
			w.Error(context.Cause(l.Context()))
		}
		release(w.T, l)
	})
}

func TestContextHasTheValuesOfAcquire(t *testing.T) {
	type key struct{}
	inVirtualTime(t, time.Second, func(w *world) {
		ctx, cancel := context.WithCancel(context.WithValue(w.Context(), key{}, "value"))
		l, err := w.locks.Acquire(ctx, "a")
		cancel()
		if err != nil || l.Context().Value(key{}) != "value" || l.Context().Err() != nil {
			w.Errorf("%v; the context has %v, and has ended: %v", err, l.Context().Value(key{}), l.Context().Err())
		}
		release(w.T, l)
	})
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		l := w.acquire("a")
		short, cancel := context.WithTimeout(w.Context(), 7*time.Second)
		defer cancel()
		began := time.Now()
		_, err := w.locks.Acquire(short, "a")
		if !errors.Is(err, ErrLockTimeout) || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 7*time.Second {
			w.Errorf("after %v: %v", time.Since(began), err)
		}
		cause := errors.New("enough")
		ctx, stop := context.WithCancelCause(w.Context())
		time.AfterFunc(time.Second, func() { stop(cause) })
		if _, err := w.locks.Acquire(ctx, "a/b"); !errors.Is(err, ErrLockTimeout) || !errors.Is(err, cause) {
			w.Errorf("cancelled: %v", err)
		}
		w.away(true)
		if _, err := w.locks.Acquire(ctx, "free"); !errors.Is(err, ErrLockTimeout) {
			w.Errorf("under a context that is over: %v", err)
		}
		w.away(false)
		release(w.T, l)
		synctest.Wait()
		if len(w.locks.queues.of) > 0 || len(w.locks.listener.waiters) > 0 {
			w.Errorf("there are queues %v and waiters %v in the end", w.locks.queues.of, w.locks.listener.waiters)
		}
	})
}

// A server that is away is an error at once, unless it goes while Acquire waits.
func TestServerAway(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		w.away(true)
		if _, err := w.locks.Acquire(w.Context(), "a"); !errors.Is(err, errLost) || errors.Is(err, ErrLockTimeout) {
			w.Errorf("Acquire says %v", err)
		}
		if _, err := w.locks.TryAcquire(w.Context(), "a"); !errors.Is(err, errLost) {
			w.Errorf("TryAcquire says %v", err)
		}
		if _, err := w.locks.Held(w.Context(), "a"); !errors.Is(err, errLost) {
			w.Errorf("Held says %v", err)
		}
		w.away(false)

		l := w.acquire("a")
		time.AfterFunc(time.Second, func() { w.away(true) })
		time.AfterFunc(time.Minute, func() { w.away(false) })
		second := w.acquireAfter(2*time.Minute, "a") // l is lost meanwhile
		if l.Context().Err() == nil {
			w.Error("two hold it")
		}
		release(w.T, second)

		l = w.acquire("a")
		time.AfterFunc(time.Second, func() { w.away(true) })
		ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second)
		defer cancel()
		if _, err := w.locks.Acquire(ctx, "a"); !errors.Is(err, ErrLockTimeout) || !errors.Is(err, errLost) {
			w.Errorf("Acquire says %v, want the trouble with the server in it", err)
		}
		w.away(false)
		release(w.T, l)
	})
}

func (w *world) acquireAfter(most time.Duration, path string) *Lock {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), most)
	defer cancel()
	l, err := w.locks.Acquire(ctx, path)
	if err != nil {
		w.Fatal(err)
	}
	return l
}

// slow is a server whose answers take their time.
type slow struct {
	server
	takes time.Duration
}

func (s slow) acquire(ctx context.Context, p place, owner string, hold time.Duration) (token int64, left time.Duration, err error) {
	token, left, err = s.server.acquire(ctx, p, owner, hold)
	time.Sleep(s.takes)
	return token, left, err
}

func TestAnswerThatComesTooLate(t *testing.T) {
	inVirtualTime(t, time.Second, func(w *world) {
		locks := newLocks(slow{w.client, 990 * time.Millisecond}, time.Second, w.client.float)
		if _, err := locks.TryAcquire(w.Context(), "a"); !errors.Is(err, errLate) {
			w.Errorf("TryAcquire says %v", err)
		}
		if _, err := locks.Acquire(w.Context(), "b"); !errors.Is(err, errLate) {
			w.Errorf("Acquire says %v", err)
		}
		time.Sleep(100 * time.Millisecond) // far less than the hold that the last has
		if w.held("a") || w.held("b") {
			w.Error("what came too late is not released")
		}
	})
}

// Who gives up while the server is asked leaves no lock behind.
func TestGivenUpIsReleased(t *testing.T) {
	inVirtualTime(t, time.Hour, func(w *world) {
		for i := range 100 {
			ctx, cancel := context.WithTimeout(w.Context(), time.Duration(i)*20*time.Microsecond)
			if l, err := w.locks.Acquire(ctx, "a"); err == nil {
				release(w.T, l)
			}
			cancel()
			time.Sleep(2 * patience)
			if w.held("a") {
				w.Fatalf("given up after %v, it is held", time.Duration(i)*20*time.Microsecond)
			}
		}
	})
}

// counted counts what is asked of a server.
type counted struct {
	server
	acquires atomic.Int64
}

func (c *counted) acquire(ctx context.Context, p place, owner string, hold time.Duration) (int64, time.Duration, error) {
	c.acquires.Add(1)
	return c.server.acquire(ctx, p, owner, hold)
}

// However many wait in a process, one of them asks; and they come in their order.
func TestOneOfALineAsks(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		c := &counted{server: w.client}
		locks := newLocks(c, 30*time.Second, w.client.float)
		first := acquire(w.T, locks, "a")
		const waiting = 1000
		var order []int
		var wg sync.WaitGroup
		for i := range waiting {
			wg.Go(func() {
				l, err := locks.Acquire(w.Context(), "a")
				if err != nil {
					w.Error(err)
					return
				}
				order = append(order, i) // under the lock
				release(w.T, l)
			})
			synctest.Wait()
		}
		time.Sleep(10 * time.Second)
		if n := c.acquires.Load(); n > 1+2+10*2 {
			w.Errorf("%d were asked in 10 s while %d waited, want two a second at most", n, waiting)
		}
		before := c.acquires.Load()
		release(w.T, first)
		wg.Wait()
		if asked := c.acquires.Load() - before; asked > 3*waiting {
			w.Errorf("%d were asked to hand it over %d times", asked, waiting)
		}
		for i, who := range order {
			if i != who {
				w.Fatalf("number %d comes in place %d", who, i)
			}
		}
	})
}

// Who waits is woken: a hand-over takes what messages take, and no poll.
func TestWaitersAreWoken(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		_, other := w.process(30 * time.Second)
		for i, c := range []struct{ held, wanted string }{{"a", "a"}, {"a", "a/b"}, {"a/b", "a"}, {"a/b/c/d", "a/b"}, {"x", "x"}} {
			l := w.acquire(c.held)
			got := make(chan time.Time)
			go func() {
				l := acquire(w.T, other, c.wanted)
				got <- time.Now()
				release(w.T, l)
			}()
			time.Sleep(time.Duration(1234+i*100) * time.Millisecond)
			before := time.Now()
			release(w.T, l)
			if passed := (<-got).Sub(before); passed > 50*time.Millisecond { // five trips of 10 ms at most
				w.Errorf("from %q to %q it took %v", c.held, c.wanted, passed)
			}
			time.Sleep(time.Duration(i) * time.Second)
		}
	})
}

// A release between the first look and the subscription is not missed.
func TestReleaseBeforeTheSubscription(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		_, other := w.process(30 * time.Second)
		for after := time.Duration(0); after < 8*time.Millisecond; after += 250 * time.Microsecond {
			l := w.acquire("a")
			time.AfterFunc(after, func() { release(w.T, l) })
			began := time.Now()
			release(w.T, acquire(w.T, other, "a"))
			if passed := time.Since(began); passed > 50*time.Millisecond {
				w.Errorf("released after %v, it was had after %v", after, passed)
			}
			time.Sleep(time.Second) // the subscription has ended
		}
	})
}

// deaf is a server that tells of no release.
type deaf struct{ server }

func (d deaf) subscribe() subscription { return &silent{make(chan struct{})} }

type silent struct{ closed chan struct{} }

func (s *silent) change(context.Context, []string, []string) error { return nil }
func (s *silent) close()                                           { close(s.closed) }
func (s *silent) receive(context.Context) (string, place, error) {
	<-s.closed
	return "", "", errLost
}

// mute is a server to which nobody can subscribe.
type mute struct{ server }

func (m mute) subscribe() subscription { return failing{} }

type failing struct{}

func (failing) change(context.Context, []string, []string) error        { return errLost }
func (failing) close()                                                  {}
func (failing) receive(context.Context) (tree string, p place, e error) { return "", "", errLost }

// A message that is lost costs a poll, and nothing else.
func TestPolling(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		for name, s := range map[string]server{"deaf": deaf{w.client}, "mute": mute{w.client}} {
			locks := newLocks(s, 30*time.Second, w.client.float)
			l := w.acquire("a")
			time.AfterFunc(10*time.Second, func() { release(w.T, l) })
			began := time.Now()
			release(w.T, acquire(w.T, locks, "a"))
			if passed := time.Since(began); passed < 10*time.Second || passed > 10*time.Second+poll+100*time.Millisecond {
				w.Errorf("%s: it took %v, want a poll after 10 s at most", name, passed)
			}
		}
	})
}

// The hold of a holder that has died is taken over when it ends, and not a poll
// later.
func TestTakenOverAtTheEndOfAHold(t *testing.T) {
	inVirtualTime(t, 3300*time.Millisecond, func(w *world) {
		_, other := w.process(time.Second)
		l := acquire(w.T, other, "a/b")
		l.die()
		began := time.Now()
		release(w.T, w.acquire("a"))
		if passed := time.Since(began); passed < 950*time.Millisecond || passed > 1050*time.Millisecond {
			w.Errorf("it took %v, want about a second", passed)
		}
	})
}

func TestDo(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		type key struct{}
		outer := context.WithValue(w.Context(), key{}, "value")
		var last int64
		if err := w.locks.Do(outer, "a", func(ctx context.Context, token int64) error {
			if ctx.Value(key{}) != "value" || !w.held("a") {
				w.Errorf("the context has %v, the lock is held: %v", ctx.Value(key{}), w.held("a"))
			}
			last = token
			return nil
		}); err != nil {
			w.Error(err)
		}
		mine := errors.New("mine")
		if err := w.locks.Do(outer, "a", func(_ context.Context, token int64) error {
			if token <= last {
				w.Errorf("token %d after %d", token, last)
			}
			return mine
		}); !errors.Is(err, mine) || errors.Is(err, ErrNotHeld) {
			w.Errorf("Do says %v", err)
		}
		func() {
			defer func() {
				if p := recover(); p != "panic" {
					w.Errorf("it panics with %v", p)
				}
			}()
			_ = w.locks.Do(outer, "a", func(context.Context, int64) error { panic("panic") })
		}()
		if w.held("a") {
			w.Error("after a panic it is held")
		}
		if err := w.locks.Do(outer, "a", func(ctx context.Context, _ int64) error {
			w.away(true)
			<-ctx.Done()
			w.away(false)
			return context.Cause(ctx)
		}); !errors.Is(err, ErrNotHeld) {
			w.Errorf("the lock was lost, Do says %v", err)
		}
		ctx, cancel := context.WithCancel(outer)
		time.AfterFunc(time.Second, cancel)
		if err := w.locks.Do(ctx, "a", func(ctx context.Context, _ int64) error {
			<-ctx.Done()
			return ctx.Err()
		}); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotHeld) || w.held("a") {
			w.Errorf("the context was cancelled, Do says %v; the lock is held: %v", err, w.held("a"))
		}
		w.away(true)
		if err := w.locks.Do(outer, "a", func(context.Context, int64) error { panic("it runs") }); !errors.Is(err, errLost) {
			w.Errorf("Do says %v", err)
		}
		if err := w.locks.Do(outer, "/", nil); !errors.Is(err, ErrPath) {
			w.Errorf("Do says %v", err)
		}
	})
}

// A release that the server did not hear of can be made again.
func TestReleaseFails(t *testing.T) {
	inVirtualTime(t, 30*time.Second, func(w *world) {
		l := w.acquire("a")
		w.away(true)
		if err := l.Release(w.Context()); !errors.Is(err, errLost) || errors.Is(err, ErrNotHeld) {
			w.Errorf("Release says %v", err)
		}
		if l.Context().Err() == nil || l.Left() != 0 {
			w.Error("the context goes on")
		}
		time.Sleep(2 * time.Second)
		w.away(false)
		if !w.held("a") {
			w.Fatal("the server has heard of it")
		}
		release(w.T, l)
		if w.held("a") {
			w.Error("it is held")
		}

		l = w.acquire("a")
		over, cancel := context.WithCancel(w.Context())
		cancel()
		if err := l.Release(over); !errors.Is(err, context.Canceled) {
			w.Errorf("under a context that is over Release says %v", err)
		}
		time.Sleep(time.Second)
		if w.held("a") {
			w.Error("it is held for as long as its hold, though the server can be told")
		}
	})
}

// A holder that was lost may have been so for long: renewals are for the token,
// not for whom the server takes for its holder by a request that was late.
func TestRenewalIsForTheToken(t *testing.T) {
	inVirtualTime(t, time.Second, func(w *world) {
		l := w.acquire("a")
		w.server.mu.Lock()
		delete(w.server.holds, "a")
		other, _ := w.server.acquire("a", "other", time.Minute)
		w.server.release("a", "other")
		late, _ := w.server.acquire("a", l.owner, time.Minute)
		w.server.mu.Unlock()
		if !(l.token < other && other < late) {
			w.Fatalf("tokens are %d, %d, %d", l.token, other, late)
		}
		<-l.Context().Done()
		if cause := context.Cause(l.Context()); !errors.Is(cause, errGone) {
			w.Errorf("the cause is %v", cause)
		}
	})
}

func TestOptionsThatAreWrong(t *testing.T) {
	for want, opts := range map[string][]Option{
		"a hold of 99ms":    {Hold(99 * time.Millisecond)},
		"a hold of 24h0m1s": {Hold(24*time.Hour + time.Second)},
		"a hold of 0s":      {Hold(time.Microsecond)},
		`the prefix "{a}:"`: {Prefix("{a}:")},
		"1025 bytes":        {Prefix(strings.Repeat("x", 1025))},
	} {
		l, err := New(nil, opts...)
		if l != nil || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "the client is nil") {
			t.Errorf("%v, want all faults, %q among them", err, want)
		}
	}
	if got := fmt.Sprint(ErrHeld, ErrNotHeld, ErrLockTimeout, ErrPath); strings.Count(got, "lock: ") != 4 {
		t.Errorf("errors say %s", got)
	}
}
