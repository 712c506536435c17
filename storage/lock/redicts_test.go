package lock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
)

// The tests of this file are redicts' own of locks, under its numbers, and its
// defects.

func TestRedicts02ReleasedOnError(t *testing.T) {
	t.Parallel()
	_, locks := onServer(t)
	failed := errors.New("failed")
	err := locks.Do(t.Context(), "a/b", func(ctx context.Context, _ int64) error {
		// There is no re-entrance: a handle owns the lock, not a goroutine.
		if _, err := locks.TryAcquire(ctx, "a/b"); !errors.Is(err, ErrHeld) {
			t.Errorf("a second TryAcquire says %v, want ErrHeld", err)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("Do says %v", err)
	}
	if held, err := locks.Held(t.Context(), "a/b"); held || err != nil {
		t.Errorf("after an error it is held: %v, %v", held, err)
	}
}

func TestRedicts03OthersWaitForRelease(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	other := newTestLocks(t, newClient(t, s.Addr()))
	first := acquire(t, locks, "a")
	got := make(chan *Lock)
	go func() { got <- acquire(t, other, "a") }()
	waiting(t, s, "a")
	select {
	case <-got:
		t.Fatal("two have it")
	default:
	}
	release(t, first)
	release(t, <-got)
}

// waiting returns once somebody is told of the releases of a tree.
func waiting(t testing.TB, s *servers.Server, tree string) {
	t.Helper()
	over := time.Now().Add(patient)
	for s.Command("PUBSUB", "NUMSUB", "lock:freed:"+tree) != "lock:freed:"+tree+"\n1" {
		if time.Now().After(over) {
			t.Fatal("nobody waits")
		}
	}
}

func TestRedicts05Nested(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	outer := acquire(t, locks, "a/b")
	if _, err := locks.TryAcquire(t.Context(), "a/b/c"); !errors.Is(err, ErrHeld) {
		t.Errorf("below it: %v, want ErrHeld, for it is covered", err)
	}
	got := make(chan *Lock)
	go func() { got <- acquire(t, locks, "a/b/c/d") }()
	waiting(t, s, "a")
	release(t, outer)
	inner := <-got
	if _, err := locks.TryAcquire(t.Context(), "a/b/c"); !errors.Is(err, ErrHeld) {
		t.Errorf("above it: %v, want ErrHeld", err)
	}
	sibling, err := locks.TryAcquire(t.Context(), "a/b/e")
	if err != nil {
		t.Fatalf("beside it: %v", err)
	}
	release(t, sibling)
	release(t, inner)
}

func TestRedicts06ThousandLockedIncrements(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	other := newTestLocks(t, newClient(t, s.Addr()))
	var n int // under the lock
	var wg sync.WaitGroup
	for i := range 10 {
		locks := []*Locks{locks, other}[i%2]
		wg.Go(func() {
			for range 100 {
				if err := locks.Do(t.Context(), "counter", func(context.Context, int64) error {
					read := n
					n = read + 1
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n != 1000 {
		t.Errorf("a thousand increments make %d", n)
	}
}

func TestRedicts14Defaults(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	if locks.hold != 30*time.Second {
		t.Errorf("a hold is %v, want 30 s", locks.hold)
	}
	for _, d := range []time.Duration{0, -time.Second} {
		if _, err := New(newClient(t, s.Addr()), Hold(d)); err == nil {
			t.Errorf("a hold of %v is taken", d)
		}
	}
}

func TestRedicts15AcquireHeldRelease(t *testing.T) {
	t.Parallel()
	_, locks := onServer(t)
	want := func(path string, want bool) {
		t.Helper()
		if held, err := locks.Held(t.Context(), path); held != want || err != nil {
			t.Errorf("%q is held: %v, %v; want %v", path, held, err, want)
		}
	}
	want("a", false)
	l := acquire(t, locks, "a/b")
	if l.Path() != "a/b" {
		t.Errorf("its path is %q", l.Path())
	}
	want("a/b", true)
	want("a/b/c", true)
	want("a", true)
	want("a/c", false)
	release(t, l)
	want("a/b", false)
	want("a", false)
}

func TestRedicts16Timeout(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	l := acquire(t, locks, "a")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := locks.Acquire(ctx, "a"); !errors.Is(err, ErrLockTimeout) {
		t.Errorf("Acquire says %v, want ErrLockTimeout", err)
	}
	if passed := time.Since(began); passed < 100*time.Millisecond || passed > patient {
		t.Errorf("after %v, want 100 ms", passed)
	}
	release(t, l)
	if left := s.Command("KEYS", "lock:hold:*") + s.Command("KEYS", "lock:below:*"); left != "" {
		t.Errorf("there is %q left", left)
	}
}

func TestRedicts17TakenOverAfterTheHold(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t, Hold(leastHold))
	other := newTestLocks(t, newClient(t, s.Addr()))
	dead := acquire(t, locks, "a")
	dead.die()
	l := acquire(t, other, "a")
	dead.released = false
	if err := dead.Release(t.Context()); !errors.Is(err, ErrNotHeld) {
		t.Errorf("a late Release says %v, want ErrNotHeld", err)
	}
	if _, err := locks.TryAcquire(t.Context(), "a"); !errors.Is(err, ErrHeld) {
		t.Errorf("after a late Release of another's: %v, want ErrHeld", err)
	}
	release(t, l)
}

const (
	workerOf   = "PERENNIAL_LOCK_WORKER" // where a worker finds the server
	increments = 1000
)

// work is what each worker of TestRedicts18 does: increments, each of which is
// lost if another comes in between.
func work(addr string) int {
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	defer rdb.Close()
	locks, err := New(rdb)
	if err == nil {
		err = increment(context.Background(), locks, rdb)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func increment(ctx context.Context, locks *Locks, rdb *redis.Client) error {
	for range increments {
		if err := locks.Do(ctx, "counter", func(ctx context.Context, _ int64) error {
			n, err := rdb.Get(ctx, "n").Int()
			if err != nil && err != redis.Nil {
				return err
			}
			return rdb.Set(ctx, "n", n+1, 0).Err()
		}); err != nil {
			return err
		}
	}
	return nil
}

func TestRedicts18FourWorkers(t *testing.T) {
	t.Parallel()
	const workers = 4
	workInProcess := func(addr string) error {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), workerOf+"="+addr)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	workHere := func(addr string) error {
		rdb := newClient(t, addr)
		return increment(t.Context(), newTestLocks(t, rdb), rdb)
	}
	for name, work := range map[string]func(addr string) error{"goroutines": workHere, "processes": workInProcess} {
		t.Run(name, func(t *testing.T) {
			s := servers.Redis(t)
			var wg sync.WaitGroup
			for range workers {
				wg.Go(func() {
					if err := work(s.Addr()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if n := s.Command("GET", "n"); n != strconv.Itoa(workers*increments) {
				t.Errorf("%d increments by each of %d make %s", increments, workers, n)
			}
		})
	}
}

func TestRedicts21TimeToLive(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t, Hold(15*time.Second))
	l := acquire(t, locks, "a/b")
	left := func() (ms int) {
		t.Helper()
		ms, err := strconv.Atoi(s.Command("PTTL", "lock:hold:{a}/b"))
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	if ms := left(); ms <= 14_000 || ms > 15_000 {
		t.Errorf("it lives for %d ms, want 15 s", ms)
	}
	s.Command("PEXPIRE", "lock:hold:{a}/b", "3000") // as when 12 s have passed
	l.renew()
	if ms := left(); ms <= 14_000 || ms > 15_000 {
		t.Errorf("renewed it lives for %d ms, want 15 s", ms)
	}
	release(t, l)
	if ms := left(); ms != -2 {
		t.Errorf("released it lives for %d ms, want none", ms)
	}
}

// The seed looks only at what is above a lock.
func TestDefectRedicts01ALockBelowExcludesThoseAbove(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	other := newTestLocks(t, newClient(t, s.Addr()))
	below := acquire(t, locks, "a/b/c")
	for _, path := range []string{"a", "a/b", "a/b/c", "a/b/c/d"} {
		if _, err := other.TryAcquire(t.Context(), path); !errors.Is(err, ErrHeld) {
			t.Errorf("%q: %v, want ErrHeld", path, err)
		}
	}
	for _, path := range []string{"a/b/d", "a/c", "a/b/cc", "ab", "b"} {
		l, err := other.TryAcquire(t.Context(), path)
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		release(t, l)
	}
	release(t, below)
	above := acquire(t, other, "a")
	if _, err := locks.TryAcquire(t.Context(), "a/b/c"); !errors.Is(err, ErrHeld) {
		t.Errorf("below what is held: %v, want ErrHeld", err)
	}
	release(t, above)
}

// In the seed an owner is a process's number, a thread's and a count, which two
// machines may have alike.
func TestDefectRedicts02OwnersAreRandom(t *testing.T) {
	t.Parallel()
	_, locks := onServer(t)
	seen := map[string]bool{}
	for range 1000 {
		l := acquire(t, locks, "a")
		if len(l.owner) < 26 || strings.Trim(l.owner, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || seen[l.owner] {
			t.Fatalf("the owner %q is no 26 letters of 5 bits, or not the first of its name", l.owner)
		}
		seen[l.owner] = true
		release(t, l)
	}
}

// In the seed anybody may release a lock, there is no token, and no renewal (of
// which TestHoldIsRenewed is the test).
func TestDefectRedicts03OnlyItsHolderReleases(t *testing.T) {
	t.Parallel()
	s, locks := onServer(t)
	lost := acquire(t, locks, "a")
	s.Command("DEL", "lock:hold:{a}") // as at the end of its hold
	l := acquire(t, locks, "a")
	if l.Token() <= lost.Token() {
		t.Errorf("token %d comes after %d", l.Token(), lost.Token())
	}
	if err := lost.Release(t.Context()); !errors.Is(err, ErrNotHeld) {
		t.Errorf("to release what is lost says %v", err)
	}
	if held, err := locks.Held(t.Context(), "a"); !held || err != nil {
		t.Errorf("another's release ended it: held is %v, %v", held, err)
	}
	release(t, l)
}

// In the seed who waits for as long as a dead holder's hold waits in vain.
func TestDefectRedicts04WaitingOutlastsADeadHolder(t *testing.T) {
	inVirtualTime(t, 10*time.Second, func(w *world) {
		w.acquire("a").die()
		_, other := w.process(10 * time.Second)
		ctx, cancel := context.WithTimeout(w.Context(), 10*time.Second+50*time.Millisecond)
		defer cancel()
		l, err := other.Acquire(ctx, "a")
		if err != nil {
			w.Fatal(err)
		}
		release(w.T, l)
	})
}
