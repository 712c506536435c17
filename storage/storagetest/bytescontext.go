package storagetest

import (
	"context"
	"errors"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var contextChecks = []bytesCheck{
	{Name: "under a context that was cancelled nothing is done", run: underCancelled},
	{Name: "under a context whose deadline is over nothing is done", run: underDeadline},
}

func underCancelled(t checks.TB, s *bytesSubject) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	s.under(t, ctx, context.Canceled)
}

func underDeadline(t checks.TB, s *bytesSubject) {
	ctx, cancel := context.WithDeadline(s.ctx, time.Now().Add(-time.Second))
	defer cancel()
	s.under(t, ctx, context.DeadlineExceeded)
}

// under tries everything under a context that is done.
func (s *bytesSubject) under(t checks.TB, ctx context.Context, want error) {
	key, none := s.key("foo"), s.key("none")
	s.set(t, key, "there", long)
	var tokens []storage.Claimed
	if s.can(Fenced) {
		tokens = []storage.Claimed{s.claim(t, key, long), s.claim(t, none, long)}
	}
	check := func(call string, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s returns %v, want %v", call, err, want)
		}
	}
	_, err := s.b.Get(ctx, key)
	check("Get", err)
	check("Set", s.b.Set(ctx, none, []byte("set"), long))
	check("Set", s.b.Set(ctx, key, []byte("set"), 0))
	_, err = s.b.Delete(ctx, key)
	check("Delete", err)
	if s.can(Bulk) {
		_, err = s.bulk().GetMany(ctx, []string{key, none})
		check("GetMany", err)
		check("SetMany", s.bulk().SetMany(ctx, []storage.Item{{Key: key, Keep: 0}, {Key: none, Value: []byte("set"), Keep: long}}))
		_, err = s.bulk().DeleteMany(ctx, []string{none, key})
		check("DeleteMany", err)
	}
	if s.can(Adder) {
		_, err = s.adder().Add(ctx, none, []byte("added"), long)
		check("Add", err)
	}
	if s.can(Toucher) {
		_, err = s.toucher().Touch(ctx, 0, key)
		check("Touch", err)
		_, err = s.toucher().Touch(ctx, storage.Forever, key)
		check("Touch", err)
	}
	if s.can(Lister) {
		check("Clear", s.lister().Clear(ctx, s.prefix))
		n := 0
		for _, err := range s.lister().Keys(ctx, s.prefix) {
			if n++; err != nil {
				check("Keys", err)
			}
		}
		if n != 1 {
			t.Errorf("Keys yields %d times, want once, the error", n)
		}
	}
	if s.can(Fenced) {
		_, err = s.fenced().Claim(ctx, long, key, none)
		check("Claim", err)
		_, err = s.fenced().Fill(ctx,
			storage.Filling{Item: storage.Item{Key: key, Value: []byte("filled"), Keep: long}, Token: tokens[0].Token},
			storage.Filling{Item: storage.Item{Key: none, Value: []byte("filled"), Keep: long}, Token: tokens[1].Token})
		check("Fill", err)
	}
	if s.can(Swapper) {
		_, err = s.swapper().CompareAndSwap(ctx, tokens[0], storage.Item{Key: key, Value: []byte("swapped"), Keep: long})
		check("CompareAndSwap", err)
		_, err = s.swapper().CompareAndSwap(ctx, storage.Claimed{}, storage.Item{Key: none})
		check("CompareAndSwap of no claim", err)
	}
	if s.can(Versioned) {
		_, err = s.versioned().Look(ctx, key, none)
		check("Look", err)
		_, err = s.versioned().Swap(ctx, change(key, s.look(t, key).Version, "swapped", long), change(none, "", "swapped", long))
		check("Swap", err)
	}
	if s.can(Watcher) {
		check("Watch", s.b.(storage.WatcherBytes).Watch(ctx, s.prefix, func(storage.Changed) {}))
	}
	s.holds(t, key, "there")
	s.left(t, "Get", key, s.get(t, key), long)
	s.lacks(t, none)
	if s.can(Fenced) { // no deletion has come through
		s.fill(t, key, "filled", tokens[0], true)
		s.fill(t, none, "filled", tokens[1], true)
	}
}
