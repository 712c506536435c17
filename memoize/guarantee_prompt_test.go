package memoize_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// inTime is a store that keeps to deadlines itself. While it hangs it answers
// nothing before the deadline of the context.
type inTime struct {
	storage.Bytes
	hangs, panics atomic.Bool
	asked         atomic.Int64
}

func (s *inTime) ReturnsInTime() bool { return true }

func (s *inTime) Get(ctx context.Context, key string) (storage.Record, error) {
	s.asked.Add(1)
	if s.panics.Load() {
		panic("oops")
	}
	if s.hangs.Load() {
		deadline, _ := ctx.Deadline()
		time.Sleep(time.Until(deadline))
		return storage.Record{}, errors.New("i/o timeout")
	}
	return s.Bytes.Get(ctx, key)
}

// What G9 and G5 are worth over a store that is asked on the caller's goroutine.
func TestG9AStoreThatKeepsToDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &inTime{Bytes: storage.NewMemory()}
		var j journal
		src := returning[string, string]("v")
		f := process(t, s, src.load, config.StoreBudget(100*time.Millisecond, time.Second),
			config.Observe(observe.Func(func(_ context.Context, e observe.Event) { j.add("%v", e.Kind) })))
		ctx := t.Context()
		wants(t, "v")(f.Call(ctx, "a"))
		wants(t, "v")(f.Call(ctx, "a"))
		wantCalls(t, src, 1)

		s.hangs.Store(true)
		began := time.Now()
		wants(t, "v")(f.Call(ctx, "a")) // from the source, once the budget is spent, and once more for the second look
		if took := time.Since(began); took < 100*time.Millisecond || took > 200*time.Millisecond {
			t.Errorf("the call took %v, its budget is 100ms a look", took)
		}
		wantCalls(t, src, 2)
		if j.count(observe.StoreFault.String()) == 0 {
			t.Error("nobody was told")
		}

		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		began = time.Now()
		if _, err := f.Call(short, "a"); err != context.DeadlineExceeded || time.Since(began) != 10*time.Millisecond {
			t.Errorf("a caller with 10ms gets %v after %v", err, time.Since(began))
		}
		done, end := context.WithCancel(ctx)
		time.AfterFunc(10*time.Millisecond, end)
		began = time.Now()
		if _, err := f.Call(done, "a"); err != context.Canceled || time.Since(began) > 100*time.Millisecond {
			t.Errorf("a caller who is cancelled gets %v after %v", err, time.Since(began))
		}

		s.hangs.Store(false)
		s.panics.Store(true)
		wants(t, "v")(f.Call(ctx, "a"))
		s.panics.Store(false)
		asked := s.asked.Load()
		wants(t, "v")(f.Call(ctx, "a"))
		if s.asked.Load() != asked+1 {
			t.Error("a hit takes more than one look")
		}
	})
}
