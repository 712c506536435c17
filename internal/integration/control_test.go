package integration

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/statuses"
)

// broken is a registry of updates that gets one thing wrong. The checks must
// notice: a check that can't fail proves nothing.
type broken struct {
	statuses.UpdateStatuses[string, int]
	neverLook   bool // no second look
	alwaysLook  bool // a second look during an invalidation
	noFence     bool // a superseded update publishes
	noWait      bool // an invalidation does not wait for one that publishes, and release again
	joinsFenced bool // calls join an update that was superseded

	mu     sync.Mutex
	last   *brokenUpdate
	unheld map[string]int
}

type brokenUpdate struct {
	statuses.Update[int]
	b    *broken
	over bool
}

func (b *broken) Begin(key string, claim statuses.Claim) (statuses.Update[int], statuses.Role) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.joinsFenced && claim == statuses.Need && b.last != nil && !b.last.over {
		return b.last, statuses.Join
	}
	u, role := b.UpdateStatuses.Begin(key, claim)
	if role == statuses.Join {
		return u, role
	}
	b.last = &brokenUpdate{Update: u, b: b}
	return b.last, role
}

func (b *broken) Hold(ctx context.Context, key string, fence bool) error {
	if !b.noWait || !fence {
		return b.UpdateStatuses.Hold(ctx, key, fence)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if b.UpdateStatuses.Hold(done, key, fence) != nil { // somebody publishes: fenced, and not waited for
		b.mu.Lock()
		b.unheld[key]++
		b.mu.Unlock()
	}
	return nil
}

func (b *broken) Free(key string, fence bool) {
	b.mu.Lock()
	if fence && b.unheld[key] > 0 {
		b.unheld[key]--
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	b.UpdateStatuses.Free(key, fence)
}

func (b *broken) Keys() iter.Seq[string] { return b.UpdateStatuses.Keys() }

func (u *brokenUpdate) Start(ctx context.Context, maxRunaway int) (bool, error) {
	look, err := u.Update.Start(ctx, maxRunaway)
	return (look || u.b.alwaysLook) && !u.b.neverLook, err
}

func (u *brokenUpdate) Publish(ctx context.Context) error {
	err := u.Update.Publish(ctx)
	if u.b.noFence && (errors.Is(err, statuses.ErrFenced) || errors.Is(err, statuses.ErrSuperseded)) {
		return nil
	}
	return err
}

func (u *brokenUpdate) End(end statuses.Outcome[int]) {
	u.Update.End(end)
	u.b.mu.Lock()
	defer u.b.mu.Unlock()
	u.over = true
}

func breaking(how func(b *broken)) func(*world, statuses.UpdateStatuses[string, int]) statuses.UpdateStatuses[string, int] {
	return func(_ *world, r statuses.UpdateStatuses[string, int]) statuses.UpdateStatuses[string, int] {
		b := &broken{UpdateStatuses: r, unheld: map[string]int{}}
		how(b)
		return b
	}
}

// TestControls breaks the engine on purpose, and expects the checks to find it.
func TestControls(t *testing.T) {
	races := plans["G4 calls and invalidations"]
	for name, c := range map[string]struct {
		plan  plan
		how   func(b *broken)
		wrong string
	}{
		"no second look":                       {plans["G1 one load for a cold key"], func(b *broken) { b.neverLook = true }, "2 loads where one was needed"},
		"a second look during an invalidation": {plans["G4 reads that take long"], func(b *broken) { b.alwaysLook = true }, illegal},
		"publishes without the fence":          {races, func(b *broken) { b.noFence = true }, illegal},
		"no second release":                    {races, func(b *broken) { b.noWait = true }, illegal},
		"joins a fenced load":                  {races, func(b *broken) { b.joinsFenced = true }, illegal},
		"the leader's context is used":         {plan{ops: []op{call}, clients: 4, each: 6, leaving: .5, leaders: true}, func(*broken) {}, "a call got a context's error that was not its own: "},
	} {
		t.Run(name, func(t *testing.T) {
			c.plan.reg = breaking(c.how)
			wrong, at := c.plan.find(t, 20_000)
			if len(wrong) < len(c.wrong) || wrong[:len(c.wrong)] != c.wrong {
				t.Fatalf("after %d histories the checks say %q, want %q", at, wrong, c.wrong)
			}
			t.Logf("found in history %d", at)
		})
	}
}

const illegal = "no order of the operations explains what the calls got"
