// Package statusestest proves that a statuses.UpdateStatuses does what the
// engine relies on:
//
//	func TestConformance(t *testing.T) {
//		statusestest.Run(t, func() statuses.UpdateStatuses[string, int] { return mine.New() })
//	}
//
// Run it with the race detector too. What must wait is shown to wait by a
// context that ends after a few milliseconds; a sound registry never fails for
// the speed of the machine.
package statusestest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/statuses"
)

// Run checks the registries that the function makes, which must have no lock
// timeout of less than a minute.
func Run(t *testing.T, newRegistry func() statuses.UpdateStatuses[string, int]) {
	t.Helper()
	checks.Run(t, suite, func(*testing.T) registry { return newRegistry() })
}

type (
	registry = statuses.UpdateStatuses[string, int]
	update   = statuses.Update[int]
	check    = checks.Check[registry]
)

var suite = []check{
	{Name: "one leads and the others join", Run: oneLeads},
	{Name: "keys are independent", Run: independentKeys},
	{Name: "everybody gets how the update ended", Run: outcome},
	{Name: "after an end the next one leads a new update", Run: nextLeads},
	{Name: "End twice does nothing", Run: endIsIdempotent},
	{Name: "the end of an old update does not end a newer one", Run: oldEnd},
	{Name: "Wait ends with its context", Run: waitEnds},
	{Name: "Force leads where nothing runs", Run: forceLeads},
	{Name: "Force joins an update whose load has not begun", Run: forceJoinsUnbegun},
	{Name: "Force queues the next update", Run: forceQueues},
	{Name: "a queued update that is given up makes room", Run: queuedGivenUp},
	{Name: "Start ends with its context", Run: startEnds},
	{Name: "Put supersedes what runs", Run: putSupersedes},
	{Name: "Put is joined", Run: putIsJoined},
	{Name: "Put answers who waited before it", Run: putAnswers},
	{Name: "Put answers who waits for a load that has not begun", Run: putAnswersUnbegun},
	{Name: "Put answers nobody who came after something newer", Run: putAnswersNoneAfter},
	{Name: "Put waits for one who publishes", Run: putWaits},
	{Name: "Yield tells whether something newer has published", Run: putYields},
	{Name: "Yield waits for one who publishes, and others for it", Run: yieldExcludes},
	{Name: "a fence supersedes what runs", Run: fenceSupersedes},
	{Name: "a fence spares an update whose load has not begun", Run: fenceSparesUnbegun},
	{Name: "until Free an update does not look at the store", Run: noLookUntilFree},
	{Name: "a fence stays though its Hold fails", Run: fenceStays},
	{Name: "Hold without a fence supersedes nothing", Run: holdWithoutFence},
	{Name: "Publish waits for who holds the key", Run: publishWaits},
	{Name: "Hold waits for one who publishes", Run: holdWaits},
	{Name: "Hold waits for who holds the key", Run: holdWaitsForHold},
	{Name: "Late releases who waits and the key", Run: lateReleases},
	{Name: "Late does nothing to what publishes or has ended", Run: lateTooLate},
	{Name: "a late update publishes where nothing is newer", Run: latePublishes},
	{Name: "a late update does not publish after something newer", Run: lateIsSuperseded},
	{Name: "a key has two loads at most", Run: twoLoads},
	{Name: "late loads at their limit refuse another", Run: runaway},
	{Name: "Shed ends an update that nobody has joined", Run: shedEnds},
	{Name: "Shed spares an update that somebody waits for", Run: shedSpares},
	{Name: "Idle leads, and joins for nobody", Run: idleJoinsForNobody},
	{Name: "of an update somebody joins while it is shed either is true", Run: shedOrJoined},
	{Name: "callers say how long they wait", Run: callersExpect},
	{Name: "Keys yields what runs", Run: keysYields},
	{Name: "one at a time changes what is stored", Run: exclusion},
	{Name: "generations never go back", Run: generations},
}

const (
	key    = "key"
	many   = 1000                  // superseded loads that may run
	moment = 10 * time.Millisecond // to see that something waits
)

// ages is to see that something does not wait.
var ages = 30 * time.Second

var errStub = errors.New("stub")

func made(value int) *entry.Entry[int] {
	return entry.New(value, 0, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
}

// shortly and lengthily are contexts for what must wait and for what must not.
func shortly() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), moment)
}
func lengthily() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), ages)
}

// waits checks that something waits until its context ends.
func waits(t checks.TB, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := shortly()
	defer cancel()
	if err := f(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%s does not wait: it returns %v", what, err)
	}
}

// stillWaited checks that who waits for an update goes on waiting.
func stillWaited(t checks.TB, what string, u update) {
	t.Helper()
	waits(t, what, func(ctx context.Context) error {
		_, err := u.Wait(ctx)
		return err
	})
}

// passes checks that something neither fails nor waits for ever.
func passes(t checks.TB, what string, f func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := lengthily()
	defer cancel()
	if err := f(ctx); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func claims(t checks.TB, r registry, claim statuses.Claim, want statuses.Role) update {
	t.Helper()
	u, role := r.Begin(key, claim)
	if role != want {
		t.Fatalf("Begin(%v) answers %v, want %v", claimNames[claim], roleNames[role], roleNames[want])
	}
	return u
}

var (
	claimNames = map[statuses.Claim]string{statuses.Need: "Need", statuses.Force: "Force", statuses.Put: "Put", statuses.Idle: "Idle"}
	roleNames  = map[statuses.Role]string{statuses.Join: "Join", statuses.Lead: "Lead", statuses.Queued: "Queued"}
)

// starts begins the load of an update and returns what it is told of the store.
func starts(t checks.TB, u update) (look bool) {
	t.Helper()
	passes(t, "Start", func(ctx context.Context) (err error) {
		look, err = u.Start(ctx, many)
		return err
	})
	return look
}

func publishes(t checks.TB, u update) {
	t.Helper()
	passes(t, "Publish", u.Publish)
}

// mustNotPublish checks that an update may not publish, whichever way it is
// told.
func mustNotPublish(t checks.TB, u update, wants ...error) {
	t.Helper()
	ctx, cancel := lengthily()
	defer cancel()
	err := u.Publish(ctx)
	for _, want := range wants {
		if errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("Publish returns %v, want one of %v", err, wants)
}

// leads runs an update up to its load.
func leads(t checks.TB, r registry) update {
	t.Helper()
	u := claims(t, r, statuses.Need, statuses.Lead)
	starts(t, u)
	return u
}

// end ends an update of no shared storage.
func end(u update, e *entry.Entry[int], err error) {
	u.End(statuses.Outcome[int]{Entry: e, Err: err})
}

// ended checks how an update ended.
func ended(t checks.TB, u update, want statuses.Outcome[int]) {
	t.Helper()
	var got statuses.Outcome[int]
	passes(t, "Wait", func(ctx context.Context) (err error) {
		got, err = u.Wait(ctx)
		return err
	})
	if got != want {
		t.Fatalf("the update ended with %+v, want %+v", got, want)
	}
}

func quiet(t checks.TB, r registry) {
	t.Helper()
	if keys := slices.Collect(r.Keys()); len(keys) > 0 {
		t.Fatalf("nothing runs any more, and Keys yields %q", keys)
	}
}

func oneLeads(t checks.TB, r registry) {
	const callers = 50
	var leaders, joiners atomic.Int64
	var wg sync.WaitGroup
	want := made(1)
	for range callers {
		wg.Go(func() {
			u, role := r.Begin(key, statuses.Need)
			switch role {
			case statuses.Join:
				joiners.Add(1)
			case statuses.Lead:
				leaders.Add(1)
				for leaders.Load()+joiners.Load() < callers {
					runtime.Gosched()
				}
				end(u, want, nil)
			default:
				t.Errorf("Begin answers %v", roleNames[role])
			}
			ctx, cancel := lengthily()
			defer cancel()
			if end, err := u.Wait(ctx); err != nil || end.Entry != want {
				t.Errorf("a caller got %+v, %v", end, err)
			}
		})
	}
	wg.Wait()
	if leaders.Load() != 1 {
		t.Errorf("%d lead, want 1", leaders.Load())
	}
	quiet(t, r)
}

func independentKeys(t checks.TB, r registry) {
	one := leads(t, r)
	other, role := r.Begin("other", statuses.Need)
	if role != statuses.Lead {
		t.Fatalf("the update of another key answers %v, want Lead", roleNames[role])
	}
	starts(t, other)
	publishes(t, one)
	publishes(t, other)
	passes(t, "Hold of a third key", func(ctx context.Context) error { return r.Hold(ctx, "third", true) })
	r.Free("third", true)
	end(other, made(2), nil)
	stillWaited(t, "Wait for one key when another's update has ended", one)
	end(one, made(1), nil)
	quiet(t, r)
}

func outcome(t checks.TB, r registry) {
	for _, want := range []statuses.Outcome[int]{{Entry: made(1)}, {Err: errStub}, {}} {
		u := leads(t, r)
		joins := claims(t, r, statuses.Need, statuses.Join)
		end(u, want.Entry, want.Err)
		ended(t, u, want)
		ended(t, joins, want)
	}
	quiet(t, r)
}

func nextLeads(t checks.TB, r registry) {
	first := leads(t, r)
	end(first, made(1), nil)
	second := leads(t, r)
	stillWaited(t, "Wait for a new update", second)
	end(second, made(2), nil)
	quiet(t, r)
}

func endIsIdempotent(t checks.TB, r registry) {
	first := made(1)
	u := leads(t, r)
	publishes(t, u)
	end(u, first, nil)
	end(u, nil, errStub)
	ended(t, u, statuses.Outcome[int]{Entry: first})
	passes(t, "Hold after an end", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	end(u, nil, errStub)
	waits(t, "Hold by a second, after an end that came twice", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	r.Free(key, false)
	quiet(t, r)
}

func oldEnd(t checks.TB, r registry) {
	old := leads(t, r)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	r.Free(key, true)
	newer := leads(t, r)
	end(old, made(1), nil)
	if u := claims(t, r, statuses.Need, statuses.Join); u != newer {
		t.Fatalf("after the end of the old update, another than the newer one is joined")
	}
	stillWaited(t, "Wait for the newer update", newer)
	publishes(t, newer)
	end(newer, made(2), nil)
	quiet(t, r)
}

func waitEnds(t checks.TB, r registry) {
	u := leads(t, r)
	stillWaited(t, "Wait", u)
	want := statuses.Outcome[int]{Entry: made(1), Fill: statuses.Fill{Shared: true, Refused: true, Number: 7}}
	u.End(want)
	ended(t, u, want)
	quiet(t, r)
}

func forceLeads(t checks.TB, r registry) {
	u := claims(t, r, statuses.Force, statuses.Lead)
	if starts(t, u) {
		t.Errorf("a forced update is told to look at the store")
	}
	end(u, made(1), nil)
	quiet(t, r)
}

func forceJoinsUnbegun(t checks.TB, r registry) {
	u := claims(t, r, statuses.Need, statuses.Lead)
	if forced := claims(t, r, statuses.Force, statuses.Join); forced != u {
		t.Fatalf("a forced call joins another update than the one that has not begun")
	}
	if starts(t, u) {
		t.Errorf("an update that a forced call has joined is told to look at the store")
	}
	end(u, made(1), nil)
	quiet(t, r)
}

func forceQueues(t checks.TB, r registry) {
	current := leads(t, r)
	next := claims(t, r, statuses.Force, statuses.Queued)
	if again := claims(t, r, statuses.Force, statuses.Join); again != next {
		t.Fatalf("a second forced call joins another update than the queued one")
	}
	if needs := claims(t, r, statuses.Need, statuses.Join); needs != current {
		t.Fatalf("a call that is not forced joins another update than the current one")
	}
	waits(t, "Start of a queued update", func(ctx context.Context) error {
		_, err := next.Start(ctx, many)
		return err
	})
	started := make(chan bool)
	go func() {
		defer close(started)
		if starts(&quietly{t}, next) {
			t.Errorf("a forced update is told to look at the store")
		}
	}()
	end(current, made(1), nil)
	<-started
	if needs := claims(t, r, statuses.Need, statuses.Join); needs != next {
		t.Fatalf("after its predecessor's end the queued update is not the current one")
	}
	after := claims(t, r, statuses.Force, statuses.Queued) // its load has begun
	end(next, made(2), nil)
	starts(t, after)
	end(after, made(3), nil)
	quiet(t, r)
}

// quietly is for goroutines of a check, which must not call Fatalf.
type quietly struct{ t checks.TB }

func (q *quietly) Helper()                           {}
func (q *quietly) Errorf(format string, args ...any) { q.t.Errorf(format, args...) }
func (q *quietly) Fatalf(format string, args ...any) { q.t.Errorf(format, args...) }

func queuedGivenUp(t checks.TB, r registry) {
	current := leads(t, r)
	next := claims(t, r, statuses.Force, statuses.Queued)
	end(next, nil, errStub)
	ended(t, next, statuses.Outcome[int]{Err: errStub})
	again := claims(t, r, statuses.Force, statuses.Queued)
	end(current, made(1), nil)
	starts(t, again)
	end(again, made(2), nil)
	quiet(t, r)
}

func startEnds(t checks.TB, r registry) {
	current := leads(t, r)
	next := claims(t, r, statuses.Force, statuses.Queued)
	waits(t, "Start of a queued update", func(ctx context.Context) error {
		_, err := next.Start(ctx, many)
		return err
	})
	end(next, nil, context.DeadlineExceeded)
	publishes(t, current)
	end(current, made(1), nil)
	quiet(t, r)
}

// sheds checks whether an update may be shed.
func sheds(t checks.TB, u update, joined statuses.Claim, want bool) {
	t.Helper()
	if was := u.Shed(statuses.Outcome[int]{Err: errStub}, joined); was != want {
		t.Fatalf("Shed(%s) answers %v, want %v", claimNames[joined], was, want)
	}
}

func shedEnds(t checks.TB, r registry) {
	u := claims(t, r, statuses.Idle, statuses.Lead)
	starts(t, u)
	sheds(t, u, statuses.Idle, true)
	ended(t, u, statuses.Outcome[int]{Err: errStub})
	sheds(t, u, statuses.Idle, false)
	end(u, made(1), nil) // which does nothing any more
	ended(t, u, statuses.Outcome[int]{Err: errStub})
	quiet(t, r)
	next := leads(t, r)
	end(next, made(2), nil)
	quiet(t, r)
}

func shedSpares(t checks.TB, r registry) {
	u := claims(t, r, statuses.Idle, statuses.Lead)
	claims(t, r, statuses.Need, statuses.Join)
	starts(t, u)
	sheds(t, u, statuses.Idle, false)
	stillWaited(t, "a call that has joined", u)
	sheds(t, u, statuses.Need, true) // those may be told
	quiet(t, r)

	u = claims(t, r, statuses.Idle, statuses.Lead)
	claims(t, r, statuses.Force, statuses.Join)
	sheds(t, u, statuses.Need, false)
	starts(t, u)
	publishes(t, u)
	sheds(t, u, statuses.Need, false)
	end(u, made(1), nil)
	quiet(t, r)

	current := leads(t, r)
	next := claims(t, r, statuses.Force, statuses.Queued)
	claims(t, r, statuses.Force, statuses.Join)
	sheds(t, next, statuses.Need, false)
	end(current, made(1), nil)
	starts(t, next)
	end(next, made(2), nil)
	quiet(t, r)
}

func idleJoinsForNobody(t checks.TB, r registry) {
	u := claims(t, r, statuses.Idle, statuses.Lead)
	if again := claims(t, r, statuses.Idle, statuses.Join); again != u {
		t.Fatalf("Idle answers another update")
	}
	starts(t, u)
	sheds(t, u, statuses.Idle, true)
	quiet(t, r)
}

// One who joins is told of it, or the update goes on; nobody is forgotten.
func shedOrJoined(t checks.TB, r registry) {
	for range 200 {
		u := claims(t, r, statuses.Idle, statuses.Lead)
		starts(t, u)
		var joined bool
		var other update
		var both sync.WaitGroup
		var shed bool
		start := make(chan struct{})
		both.Go(func() {
			<-start
			var role statuses.Role
			if other, role = r.Begin(key, statuses.Need); role == statuses.Join {
				joined = true
			}
		})
		both.Go(func() {
			<-start
			shed = u.Shed(statuses.Outcome[int]{Err: errStub}, statuses.Idle)
		})
		close(start)
		both.Wait()
		if shed == joined {
			t.Fatalf("an update was shed: %v, and joined: %v", shed, joined)
		}
		end(u, made(1), nil)
		if !joined {
			starts(t, other)
			end(other, made(2), nil)
		}
		quiet(t, r)
	}
}

func callersExpect(t checks.TB, r registry) {
	u := claims(t, r, statuses.Need, statuses.Lead)
	expects := func(what string, want time.Time, known bool) {
		t.Helper()
		if got, is := u.Expected(); is != known || known && !got.Equal(want) {
			t.Fatalf("%s: Expected answers %v, %v, want %v, %v", what, got, is, want, known)
		}
	}
	soon, later := time.Now().Add(time.Second), time.Now().Add(time.Minute)
	expects("nobody has said anything", time.Time{}, false)
	u.Expect(soon)
	expects("the leader has", soon, true)
	claims(t, r, statuses.Need, statuses.Join)
	expects("one who has joined has not", time.Time{}, false)
	u.Expect(later)
	expects("it waits for longer", later, true)
	claims(t, r, statuses.Need, statuses.Join)
	u.Expect(soon)
	expects("another does not", later, true)
	claims(t, r, statuses.Idle, statuses.Join)
	expects("one who does not wait", later, true)
	claims(t, r, statuses.Need, statuses.Join)
	u.Expect(time.Time{})
	expects("one waits for ever", time.Time{}, true)
	starts(t, u)
	end(u, made(1), nil)
	if until, known := u.Expected(); !known || until.After(time.Now().Add(-time.Hour)) {
		t.Fatalf("nobody waits any more, and Expected answers %v, %v", until, known)
	}

	u = claims(t, r, statuses.Idle, statuses.Lead)
	claims(t, r, statuses.Need, statuses.Join)
	u.Expect(soon)
	expects("the leader does not wait", soon, true)
	starts(t, u)
	end(u, made(1), nil)
	quiet(t, r)
}

func putSupersedes(t checks.TB, r registry) {
	old := leads(t, r)
	put := claims(t, r, statuses.Put, statuses.Lead)
	mustNotPublish(t, old, statuses.ErrFenced)
	publishes(t, put)
	end(put, made(2), nil)
	end(old, made(1), nil)
	u := leads(t, r)
	publishes(t, u)
	end(u, made(3), nil)
	quiet(t, r)
}

func putIsJoined(t checks.TB, r registry) {
	put, want := claims(t, r, statuses.Put, statuses.Lead), made(1)
	joins := claims(t, r, statuses.Need, statuses.Join)
	publishes(t, put)
	end(put, want, nil)
	ended(t, joins, statuses.Outcome[int]{Entry: want})
	quiet(t, r)
}

// A load that was superseded goes on, and may still be late.
func putAnswers(t checks.TB, r registry) {
	old := leads(t, r)
	joins := claims(t, r, statuses.Need, statuses.Join)
	invalidated := old
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	r.Free(key, true)
	old = leads(t, r)
	next := claims(t, r, statuses.Force, statuses.Queued)
	put, want := claims(t, r, statuses.Put, statuses.Lead), made(2)
	stillWaited(t, "Wait for what a Put has superseded, before its end", old)
	publishes(t, put)
	end(put, want, nil)
	for _, u := range []update{invalidated, joins, old} {
		ended(t, u, statuses.Outcome[int]{Entry: want, Fenced: true})
	}
	stillWaited(t, "Wait for a load that was asked for and has not begun", next)
	if !old.Late(errStub) {
		t.Errorf("Late does nothing to a load that runs on after a Put has answered")
	}
	mustNotPublish(t, old, statuses.ErrFenced, statuses.ErrSuperseded)
	for _, u := range []update{old, invalidated} {
		end(u, made(1), nil)
		ended(t, u, statuses.Outcome[int]{Entry: want, Fenced: true})
	}
	starts(t, next)
	publishes(t, next)
	end(next, made(3), nil)
	quiet(t, r)
}

func putAnswersUnbegun(t checks.TB, r registry) {
	for _, err := range []error{nil, errStub} { // what a Put brings may stand in an error
		u := claims(t, r, statuses.Need, statuses.Lead)
		put, want := claims(t, r, statuses.Put, statuses.Lead), made(1)
		publishes(t, put)
		if err != nil {
			want = nil
		}
		end(put, want, err)
		ended(t, u, statuses.Outcome[int]{Entry: want, Err: err, Fenced: true})
		if u.Late(errors.New("another")) {
			t.Errorf("Late does something to an update that need not load")
		}
		passes(t, "Start", func(ctx context.Context) error {
			if _, err := u.Start(ctx, many); err != statuses.ErrEnded {
				t.Errorf("Start of an update that need not load returns %v, want ErrEnded", err)
			}
			return ctx.Err()
		})
		newer := leads(t, r)
		end(u, nil, nil) // ends no other
		stillWaited(t, "Wait for a newer update", newer)
		end(newer, made(2), nil)
	}
	quiet(t, r)
}

// Who calls then knows of what is newer.
func putAnswersNoneAfter(t checks.TB, r registry) {
	publishing := leads(t, r)
	publishes(t, publishing)
	put := claims(t, r, statuses.Put, statuses.Lead)
	end(put, made(1), nil) // it is given up
	stillWaited(t, "Wait for an update that publishes, after a Put was given up", publishing)
	end(publishing, made(0), nil)
	put = claims(t, r, statuses.Put, statuses.Lead)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	r.Free(key, true)
	newer := leads(t, r)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	r.Free(key, true)
	unbegun := claims(t, r, statuses.Need, statuses.Lead)
	passes(t, "Yield", func(ctx context.Context) error {
		_, err := put.Yield(ctx)
		return err
	})
	end(put, made(1), nil)
	for _, u := range []update{newer, unbegun} {
		stillWaited(t, "Wait for an update that began after a Put", u)
		end(u, made(2), nil)
	}
	quiet(t, r)
}

func putWaits(t checks.TB, r registry) {
	old := leads(t, r)
	publishes(t, old)
	put := claims(t, r, statuses.Put, statuses.Lead)
	waits(t, "Publish of what is put, while another publishes", put.Publish)
	end(old, made(1), nil)
	publishes(t, put)
	end(put, made(2), nil)
	quiet(t, r)
}

func putYields(t checks.TB, r registry) {
	yields := func(put update, want bool, what string) {
		t.Helper()
		passes(t, "Yield", func(ctx context.Context) error {
			overtaken, err := put.Yield(ctx)
			if err == nil && overtaken != want {
				t.Fatalf("Yield says overtaken %v where %s", overtaken, what)
			}
			return err
		})
		end(put, made(1), nil)
	}
	older := leads(t, r)
	publishes(t, older)
	put := claims(t, r, statuses.Put, statuses.Lead)
	newer := claims(t, r, statuses.Put, statuses.Lead)
	end(older, made(0), nil)
	mustNotPublish(t, put, statuses.ErrFenced, statuses.ErrSuperseded)
	yields(put, false, "only something older has published")

	second := claims(t, r, statuses.Put, statuses.Lead)
	mustNotPublish(t, newer, statuses.ErrFenced, statuses.ErrSuperseded)
	publishes(t, second)
	end(second, made(2), nil)
	yields(newer, true, "something newer has published")

	put = claims(t, r, statuses.Put, statuses.Lead)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	r.Free(key, true)
	mustNotPublish(t, put, statuses.ErrFenced, statuses.ErrSuperseded)
	yields(put, false, "something was invalidated")
	if _, err := put.Yield(context.Background()); err == nil {
		t.Fatalf("Yield of an update that has ended is no error")
	}
	quiet(t, r)
}

func yieldExcludes(t checks.TB, r registry) {
	older := leads(t, r)
	publishes(t, older)
	put := claims(t, r, statuses.Put, statuses.Lead)
	newer := claims(t, r, statuses.Put, statuses.Lead)
	yield := func(ctx context.Context) error {
		_, err := put.Yield(ctx)
		return err
	}
	waits(t, "Yield, while another publishes", yield)
	end(older, made(0), nil)
	passes(t, "Yield", yield)
	waits(t, "Publish, while another yields", newer.Publish)
	waits(t, "Hold, while another yields", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	end(put, made(1), nil)
	publishes(t, newer)
	end(newer, made(2), nil)
	quiet(t, r)
}

func fenceSupersedes(t checks.TB, r registry) {
	old := leads(t, r)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	mustNotPublish(t, old, statuses.ErrFenced)
	newer := leads(t, r) // nobody joins a fenced update
	r.Free(key, true)
	publishes(t, newer)
	end(newer, made(2), nil)
	late := made(1)
	mustNotPublish(t, old, statuses.ErrFenced)
	end(old, late, nil)
	ended(t, old, statuses.Outcome[int]{Entry: late, Fenced: true})
	quiet(t, r)
}

// What will be loaded is newer than the fence.
func fenceSparesUnbegun(t checks.TB, r registry) {
	u := claims(t, r, statuses.Need, statuses.Lead)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	r.Free(key, true)
	starts(t, u)
	publishes(t, u)
	want := made(1)
	end(u, want, nil)
	ended(t, u, statuses.Outcome[int]{Entry: want})
	quiet(t, r)
}

func noLookUntilFree(t checks.TB, r registry) {
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	u := claims(t, r, statuses.Need, statuses.Lead)
	if starts(t, u) {
		t.Errorf("an update that starts during an invalidation is told to look at the store")
	}
	end(u, nil, errStub)
	r.Free(key, true)
	u = claims(t, r, statuses.Need, statuses.Lead)
	if !starts(t, u) {
		t.Errorf("an update that starts after an invalidation is not told to look at the store")
	}
	end(u, nil, errStub)
	quiet(t, r)
}

func fenceStays(t checks.TB, r registry) {
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	old := leads(t, r)
	waits(t, "Hold with a fence, while another holds", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	r.Free(key, false)
	mustNotPublish(t, old, statuses.ErrFenced)
	passes(t, "Hold after one that failed", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	r.Free(key, false)
	u := claims(t, r, statuses.Need, statuses.Lead)
	if !starts(t, u) {
		t.Errorf("an invalidation that failed still keeps updates from looking at the store")
	}
	publishes(t, u)
	end(u, made(2), nil)
	end(old, made(1), nil)
	quiet(t, r)
}

func holdWithoutFence(t checks.TB, r registry) {
	u := leads(t, r)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	if again := claims(t, r, statuses.Need, statuses.Join); again != u {
		t.Fatalf("the update is not joined any more")
	}
	r.Free(key, false)
	publishes(t, u)
	want := made(1)
	end(u, want, nil)
	ended(t, u, statuses.Outcome[int]{Entry: want})
	quiet(t, r)
}

func publishWaits(t checks.TB, r registry) {
	u := leads(t, r)
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	waits(t, "Publish, while another holds the key", u.Publish)
	r.Free(key, false)
	publishes(t, u) // the attempt that failed changed nothing
	end(u, made(1), nil)
	quiet(t, r)
}

func holdWaits(t checks.TB, r registry) {
	for _, fence := range []bool{false, true} {
		u := leads(t, r)
		publishes(t, u)
		waits(t, "Hold, while an update publishes", func(ctx context.Context) error { return r.Hold(ctx, key, fence) })
		end(u, made(1), nil)
		passes(t, "Hold after the end", func(ctx context.Context) error { return r.Hold(ctx, key, fence) })
		r.Free(key, fence)
	}
	quiet(t, r)
}

func holdWaitsForHold(t checks.TB, r registry) {
	passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
	for _, fence := range []bool{false, true} {
		waits(t, "Hold, while another holds the key", func(ctx context.Context) error { return r.Hold(ctx, key, fence) })
	}
	r.Free(key, true)
	passes(t, "Hold after Free", func(ctx context.Context) error { return r.Hold(ctx, key, false) })
	r.Free(key, false)
	quiet(t, r)
}

func lateReleases(t checks.TB, r registry) {
	u := leads(t, r)
	joins := claims(t, r, statuses.Need, statuses.Join)
	if !u.Late(errStub) {
		t.Fatalf("Late does nothing to an update that loads")
	}
	ended(t, joins, statuses.Outcome[int]{Err: errStub})
	if u.Late(errors.New("another")) {
		t.Errorf("Late claims to have done something to an update that is late already")
	}
	newer := leads(t, r)
	end(u, made(1), nil) // by its leader, whose load has come back
	ended(t, joins, statuses.Outcome[int]{Err: errStub})
	stillWaited(t, "Wait for the update that followed a late one", newer)
	end(newer, made(2), nil)
	quiet(t, r)
}

func lateTooLate(t checks.TB, r registry) {
	u, want := leads(t, r), made(1)
	publishes(t, u)
	if u.Late(errStub) {
		t.Errorf("Late does something to an update that publishes")
	}
	end(u, want, nil)
	if u.Late(errStub) {
		t.Errorf("Late does something to an update that has ended")
	}
	ended(t, u, statuses.Outcome[int]{Entry: want})
	quiet(t, r)
}

func latePublishes(t checks.TB, r registry) {
	late := leads(t, r)
	late.Late(errStub)
	newer := leads(t, r) // it has begun and published nothing
	publishes(t, late)
	waits(t, "Publish, while a late update publishes", newer.Publish)
	end(late, made(1), nil)
	publishes(t, newer)
	end(newer, made(2), nil)
	quiet(t, r)
}

func lateIsSuperseded(t checks.TB, r registry) {
	for name, something := range map[string]func(){
		"a newer load has published": func() {
			u := leads(t, r)
			publishes(t, u)
			end(u, made(2), nil)
		},
		"a value was put": func() {
			u := claims(t, r, statuses.Put, statuses.Lead)
			publishes(t, u)
			end(u, made(2), nil)
		},
		"the key was invalidated": func() {
			passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
			r.Free(key, true)
		},
	} {
		late := leads(t, r)
		late.Late(errStub)
		something()
		ctx, cancel := lengthily()
		if err := late.Publish(ctx); !errors.Is(err, statuses.ErrSuperseded) && !errors.Is(err, statuses.ErrFenced) {
			t.Errorf("%s, and Publish of a late update returns %v; want ErrSuperseded or ErrFenced", name, err)
		}
		cancel()
		end(late, made(1), nil)
	}
	quiet(t, r)
}

func twoLoads(t checks.TB, r registry) {
	fence := func() {
		passes(t, "Hold", func(ctx context.Context) error { return r.Hold(ctx, key, true) })
		r.Free(key, true)
	}
	first := leads(t, r)
	fence()
	second := leads(t, r)
	fence()
	third, role := r.Begin(key, statuses.Need)
	if role == statuses.Join {
		t.Fatalf("a fenced update is joined")
	}
	waits(t, "Start, while two superseded loads of the key run", func(ctx context.Context) error {
		_, err := third.Start(ctx, many)
		return err
	})
	end(first, made(1), nil)
	starts(t, third)
	publishes(t, third)
	end(third, made(3), nil)
	end(second, made(2), nil)
	quiet(t, r)
}

func runaway(t checks.TB, r registry) {
	late := leads(t, r)
	late.Late(errStub)
	other, role := r.Begin("other", statuses.Need)
	if role != statuses.Lead {
		t.Fatalf("the update of another key answers %v, want Lead", roleNames[role])
	}
	ctx, cancel := lengthily()
	defer cancel()
	if _, err := other.Start(ctx, 1); !errors.Is(err, statuses.ErrRunaway) {
		t.Errorf("one late load runs, and may, and Start of another key returns %v; want ErrRunaway", err)
	}
	end(other, nil, statuses.ErrRunaway)
	end(late, made(1), nil)
	other, _ = r.Begin("other", statuses.Need)
	if _, err := other.Start(ctx, 1); err != nil {
		t.Errorf("no late load runs any more, and Start returns %v", err)
	}
	end(other, made(2), nil)
	quiet(t, r)
}

func keysYields(t checks.TB, r registry) {
	quiet(t, r)
	want := map[string]update{}
	for _, k := range []string{"a", "b", "c", "d"} {
		u, _ := r.Begin(k, statuses.Need)
		want[k] = u
	}
	got := slices.Sorted(r.Keys())
	if !slices.Equal(got, []string{"a", "b", "c", "d"}) {
		t.Errorf("Keys yields %q while updates of a, b, c and d run", got)
	}
	n := 0
	r.Keys()(func(string) bool {
		n++
		return false
	})
	if n != 1 {
		t.Errorf("Keys yields %d keys to a consumer that takes one", n)
	}
	// A consumer may use the registry, and a late load still runs.
	for k := range r.Keys() {
		want[k].Late(errStub)
	}
	for k := range r.Keys() {
		end(want[k], nil, nil)
	}
	quiet(t, r)
}

// exclusion runs leaders and holders of one key at once.
func exclusion(t checks.TB, r registry) {
	const rounds = 100
	var inside, published atomic.Int64
	alone := func(who string) {
		if n := inside.Add(1); n != 1 {
			t.Errorf("%s is one of %d who change what is stored", who, n)
		}
		for range 20 { // long enough for whoever is let in beside it to be seen
			runtime.Gosched()
		}
		inside.Add(-1)
	}
	ctx, cancel := lengthily()
	defer cancel()
	put, _ := r.Begin(key, statuses.Put) // whatever chance does below, somebody publishes
	if put.Publish(ctx) == nil {
		published.Add(1)
		alone("a leader")
	}
	end(put, made(1), nil)
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for round := range rounds {
				if worker%4 == 3 {
					fence := round%10 == 0
					if err := r.Hold(ctx, key, fence); err != nil {
						t.Errorf("Hold: %v", err)
						return
					}
					alone("a holder")
					r.Free(key, fence)
					continue
				}
				u, role := r.Begin(key, []statuses.Claim{statuses.Need, statuses.Force, statuses.Put}[worker%4])
				if role == statuses.Join {
					if _, err := u.Wait(ctx); err != nil {
						t.Errorf("Wait: %v", err)
						return
					}
					continue
				}
				if worker%4 != 2 { // what is put has no load
					if _, err := u.Start(ctx, many); err != nil {
						if ctx.Err() != nil {
							t.Errorf("Start: %v", err)
						}
						end(u, nil, err)
						continue
					}
				}
				if rand.IntN(8) == 0 {
					u.Late(errStub)
				}
				runtime.Gosched()
				if u.Publish(ctx) == nil {
					published.Add(1)
					alone("a leader")
				}
				end(u, made(round), nil)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		t.Fatalf("it took longer than %v: somebody waits for nothing", ages)
	}
	if published.Load() == 0 {
		t.Errorf("nobody ever published")
	}
	quiet(t, r)
}

// generations has many leaders store the number of their load's beginning, some
// late: what is stored never becomes older, and after an invalidation is never
// from before it.
func generations(t checks.TB, r registry) {
	const rounds = 200
	var world, invalidated, stored atomic.Int64
	ctx, cancel := lengthily()
	defer cancel()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for range rounds {
				u, role := r.Begin(key, statuses.Need)
				if role == statuses.Join {
					_, _ = u.Wait(ctx)
					continue
				}
				if _, err := u.Start(ctx, many); err != nil {
					end(u, nil, err)
					continue
				}
				began := world.Add(1)
				if rand.IntN(3) == 0 {
					u.Late(errStub)
				}
				for range rand.IntN(20) {
					runtime.Gosched()
				}
				if u.Publish(ctx) == nil {
					if began < invalidated.Load() {
						t.Errorf("a load that began at %d publishes, the key was invalidated at %d", began, invalidated.Load())
					}
					if was := stored.Swap(began); was > began {
						t.Errorf("a load that began at %d replaces one that began at %d", began, was)
					}
				}
				end(u, made(1), nil)
			}
		})
	}
	wg.Go(func() {
		for range rounds {
			at := world.Add(1)
			if err := r.Hold(ctx, key, true); err != nil {
				t.Errorf("Hold: %v", err)
				return
			}
			invalidated.Store(at)
			stored.Store(0)
			r.Free(key, true)
			runtime.Gosched()
		}
	})
	wg.Wait()
	if ctx.Err() != nil {
		t.Fatalf("it took longer than %v: somebody waits for nothing", ages)
	}
	quiet(t, r)
}
