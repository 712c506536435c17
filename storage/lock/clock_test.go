package lock

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/coarse"
)

// sleeper is a server before whose answer the machine sleeps.
type sleeper struct {
	server
	sleeps time.Duration
}

func (s *sleeper) acquire(ctx context.Context, p place, owner string, hold time.Duration) (int64, time.Duration, error) {
	token, left, err := s.server.acquire(ctx, p, owner, hold)
	coarse.Step(s.sleeps)
	return token, left, err
}

// What is left of a lock is used up while the machine sleeps, and one that was used
// up before it was known of is none.
func TestHoldEndsWhileTheMachineSleeps(t *testing.T) {
	defer coarse.Step(0)()
	client := &standInClient{server: newStandIn(), rand: rand.New(rand.NewPCG(1, 2))}
	asleep := &sleeper{server: client}
	locks := newLocks(asleep, time.Minute, client.float)
	l := acquire(t, locks, "a")
	defer func() { _ = l.Release(t.Context()) }()
	if left := l.Left(); left < 50*time.Second {
		t.Errorf("%v left", left)
	}
	defer coarse.Step(-time.Hour)()
	if left := l.Left(); left < 50*time.Second || left > time.Minute {
		t.Errorf("set back: %v left", left)
	}
	defer coarse.Step(2 * time.Hour)()
	if left := l.Left(); left != 0 {
		t.Errorf("after a sleep: %v left", left)
	}
	asleep.sleeps = time.Hour
	if l, err := locks.TryAcquire(t.Context(), "b"); !errors.Is(err, errLate) {
		t.Errorf("the machine has slept for longer than the hold: %v, %v; want errLate", l, err)
	}
	coarse.Step(-time.Hour)
}
