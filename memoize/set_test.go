package memoize_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// G4: a Set that was acknowledged is not lost to one that it has superseded, also
// where all are made at one instant. What is there in the end is one of them.
func TestG4SetsOfOneInstant(t *testing.T) {
	f := memoize.Must(memoize.New(func(context.Context, string) (int, error) { return -1, nil },
		config.Clock(clock.NewMock())))
	for round := range 20_000 {
		noError(t, f.Set(t.Context(), "key", 0))
		var all sync.WaitGroup
		for value := 1; value <= 3; value++ {
			all.Go(func() {
				if err := f.Set(t.Context(), "key", value); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if value, ok := f.Peek(t.Context(), "key"); !ok || value == 0 {
			t.Fatalf("round %d: %d, %v is stored after three Sets", round, value, ok)
		}
	}
}

// G4, G5: who waits when a Set comes is answered once that is stored, and not when the
// load that it has superseded ends.
func TestSetAnswersThoseWhoWait(t *testing.T) {
	for name, opts := range map[string][]config.Option{
		"memory":    {},
		"store":     {},
		"max loads": {config.MaxLoads(1)},
		"not kept":  {config.Capacity(0)},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := returning[string](1)
				open := source.holds()
				defer open()
				if name == "store" {
					memory := storage.NewMemory()
					defer memory.Close()
					shared, err := storage.Share(memory)
					noError(t, err)
					opts = append(opts, config.Store(shared))
				}
				opts := append(opts, config.Name("one"), config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour), config.MethodTimeout(time.Minute))
				f := memoize.Must(memoize.New(source.load, with(opts...)...))
				calls := begin(3, func() (int, error) { return f.Call(t.Context(), "key") })
				refreshes := begin(2, func() (int, error) { return f.Refresh(t.Context(), "key") })
				many := begin(1, func() ([]int, error) { return f.CallMany(t.Context(), []string{"key"}) })
				result := begin(1, func() (memoize.Why, error) {
					r, err := f.Result(t.Context(), "key")
					return r.Why, err
				})
				began := time.Now()
				noError(t, f.Set(t.Context(), "key", 2))
				allWant(t, 2, calls())
				if got := many()[0]; got.err != nil || !slices.Equal(got.value, []int{2}) {
					t.Errorf("CallMany: %v", got)
				}
				allWant(t, memoize.Fenced, result())
				if waited := time.Since(began); waited != 0 {
					t.Errorf("answered after %v", waited)
				}
				time.Sleep(time.Minute + time.Second)
				if name != "max loads" { // where the refresh waits for the slot
					if s := f.Stats(); s.Late == 0 {
						t.Errorf("the superseded load is not late: %v", s)
					}
				}
				source.returns(3)
				open()
				for _, r := range refreshes() { // theirs begins after the call
					if r.value == 2 {
						t.Errorf("a refresh is answered with %d, %v", r.value, r.err)
					}
				}
				settled(t, f)
				if s := f.Stats(); s.SupersededRunning != 0 || s.LoadsRunning != 0 {
					t.Errorf("%+v", s)
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// A call that waits for superseded loads to end is answered by a Set as well, and its
// own load, which is not needed any more, never begins: nor does that of a batch wait.
func TestSetAnswersThoseWhoWaitForSupersededLoads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := returning[string](1)
		f := memoize.Must(memoize.New(source.load, with(config.MethodTimeout(time.Hour))...))
		call := func() (int, error) { return f.Call(t.Context(), "key") }
		var open [2]func()
		for i := range open {
			open[i] = source.holds()
			begin(1, call)
			noError(t, f.Invalidate(t.Context(), "key"))
		}
		source.lets()
		queued := begin(2, call)
		wantCalls(t, source, 2)
		began := time.Now()
		noError(t, f.Set(t.Context(), "key", 2))
		allWant(t, 2, queued())
		if waited := time.Since(began); waited != 0 {
			t.Errorf("answered after %v", waited)
		}
		open[0]()
		open[1]()
		settled(t, f)
		wantCalls(t, source, 2)
		allWant(t, 2, begin(1, call)())
		if s := f.Stats(); s.LoadsFailed != 0 || s.SupersededRunning != 0 {
			t.Errorf("%+v", s)
		}
	})
}
