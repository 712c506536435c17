package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// Update over a store that processes share. Two functions on two Stores of one Bytes stand
// for two processes: they have nothing else in common.

// aProcess is one of those that share a store.
func aProcess(t *testing.T, b storage.Bytes, load func(context.Context, string) (int, error), opts ...config.Option) *memoize.Func[string, int] {
	return memoize.Must(memoize.New(load, with(append(opts, config.Name("counts"), config.Logger(discardLog), sharing(t, b))...)...))
}

// Two processes that update one counter a thousand times each lose nothing, whatever else
// leaves the count alone meanwhile.
func TestUpdatesAcrossProcessesLoseNothing(t *testing.T) {
	m := storage.NewMemory()
	defer m.Close()
	source := returning[string](-1_000_000)
	var all sync.WaitGroup
	var runs atomic.Int64
	for range 2 {
		f := aProcess(t, m, source.load, config.StoreBudget(time.Minute, time.Minute)) // what a busy machine may need
		for range 2 {
			all.Go(func() {
				for range 500 {
					_, err := f.Update(t.Context(), "key", func(old int, _ bool) (int, error) {
						runs.Add(1)
						return old + 1, nil
					})
					noErrorIn(t, err)
					_, err = f.Touch(t.Context(), "key")
					noErrorIn(t, err)
					_, err = f.Call(t.Context(), "key")
					noErrorIn(t, err)
				}
			})
		}
	}
	all.Wait()
	wants(t, 2000)(aProcess(t, m, source.load).Call(t.Context(), "key"))
	wantCalls(t, source, 0)
	t.Logf("2000 Updates ran %d times", runs.Load())
}

// What another process does while change runs is seen: it runs again with what is there.
func TestUpdateSeesWhatAnotherProcessDoes(t *testing.T) {
	type function = memoize.Func[string, int]
	for name, test := range map[string]struct {
		stored bool
		comes  func(t *testing.T, f *function)
		want   int // after change has added 1
		saw    string
	}{
		"nothing":                  {true, func(*testing.T, *function) {}, 6, "[5 true]"},
		"a Set":                    {true, func(t *testing.T, f *function) { noError(t, f.Set(t.Context(), "key", 9)) }, 10, "[5 true 9 true]"},
		"a Set of the same":        {true, func(t *testing.T, f *function) { noError(t, f.Set(t.Context(), "key", 5)) }, 6, "[5 true 5 true]"},
		"an Invalidate":            {true, func(t *testing.T, f *function) { noError(t, f.Invalidate(t.Context(), "key")) }, 1, "[5 true 0 false]"},
		"an InvalidateAll":         {true, func(t *testing.T, f *function) { noError(t, f.InvalidateAll(t.Context())) }, 1, "[5 true 0 false]"},
		"an Invalidate of nothing": {false, func(t *testing.T, f *function) { noError(t, f.Invalidate(t.Context(), "key")) }, 1, "[0 false 0 false]"},
		"a load": {true, func(t *testing.T, f *function) {
			_, err := f.Refresh(t.Context(), "key")
			noError(t, err)
		}, 1001, "[5 true 1000 true]"},
		"a load of nothing": {false, func(t *testing.T, f *function) {
			_, err := f.Call(t.Context(), "key")
			noError(t, err)
		}, 1001, "[0 false 1000 true]"},
		"an Update": {true, func(t *testing.T, f *function) {
			_, err := f.Update(t.Context(), "key", increment)
			noError(t, err)
		}, 7, "[5 true 6 true]"},
		"an Update of nothing": {false, func(t *testing.T, f *function) {
			_, err := f.Update(t.Context(), "key", increment)
			noError(t, err)
		}, 2, "[0 false 1 true]"},
		"a Set and its undoing": {false, func(t *testing.T, f *function) {
			noError(t, f.Set(t.Context(), "key", 9))
			noError(t, f.Invalidate(t.Context(), "key"))
		}, 1, "[0 false 0 false]"},
		"its expiry":         {true, func(*testing.T, *function) { time.Sleep(time.Hour) }, 1, "[5 true 0 false]"},
		"its becoming stale": {true, func(*testing.T, *function) { time.Sleep(2 * time.Minute) }, 6, "[5 true]"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m := storage.NewMemory()
				defer m.Close()
				load := returning[string](1000).load
				f := aProcess(t, m, load, config.MethodTimeout(3*time.Hour), config.StaleIfError(5*time.Hour)) // what has expired is still in the store
				another := aProcess(t, m, load, config.StaleIfError(5*time.Hour))
				if test.stored {
					noError(t, f.Set(t.Context(), "key", 5))
				}
				var saw []any
				v, err := f.Update(t.Context(), "key", func(old int, ok bool) (int, error) {
					if saw = append(saw, old, ok); len(saw) == 2 {
						test.comes(t, another)
						synctest.Wait()
					}
					return old + 1, nil
				})
				noError(t, err)
				stored, ok := another.Peek(t.Context(), "key")
				if v != test.want || stored != v || !ok || fmt.Sprint(saw) != test.saw {
					t.Errorf("change saw %v, returned %d, and %d, %v is stored; want %s and %d", saw, v, stored, ok, test.saw, test.want)
				}
			})
		})
	}
}

// A load that began before an Update ends, in this process or another, does not replace
// what that has stored, also if it began after the Update had looked.
func TestUpdateSupersedesLoadsOfOtherProcesses(t *testing.T) {
	for _, loads := range []string{"this", "another"} {
		for _, when := range []string{"before the look", "after the look"} {
			t.Run(loads+" process, "+when, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					m := storage.NewMemory()
					defer m.Close()
					source := returning[string](1000)
					f, loader := aProcess(t, m, source.load), aProcess(t, m, source.load)
					if loads == "this" {
						loader = f
					}
					open := source.holds()
					var calls func() []returned[int]
					begins := func(at string) {
						if at == when {
							calls = begin(1, func() (int, error) { return loader.Refresh(t.Context(), "key") })
						}
					}
					begins("before the look")
					wants(t, 1)(f.Update(t.Context(), "key", func(old int, _ bool) (int, error) {
						if calls == nil {
							begins("after the look")
						}
						return old + 1, nil
					}))
					open()
					for _, r := range calls() {
						noError(t, r.err)
					}
					wants(t, 1)(f.Call(t.Context(), "key"))
					wants(t, 1)(loader.Call(t.Context(), "key"))
				})
			})
		}
	}
}

// faultyStore is a Memory whose claims and swaps may fail, before or after they are done.
type faultyStore struct {
	*storage.Memory
	claim, before, after atomic.Pointer[error]
	delete               atomic.Pointer[error]
	swaps                atomic.Int64
	ordered              bool
}

func give(p *atomic.Pointer[error], err error) { p.Store(&err) }

func given(p *atomic.Pointer[error]) error {
	if err := p.Load(); err != nil {
		return *err
	}
	return nil
}

func (s *faultyStore) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if err := given(&s.claim); err != nil {
		return nil, err
	}
	return s.Memory.Claim(ctx, hold, keys...)
}

func (s *faultyStore) CompareAndSwap(ctx context.Context, was storage.Claimed, item storage.Item) (bool, error) {
	s.swaps.Add(1)
	if err := given(&s.before); err != nil {
		return false, err
	}
	swapped, err := s.Memory.CompareAndSwap(ctx, was, item)
	if lost := given(&s.after); lost != nil && err == nil {
		return false, lost
	}
	return swapped, err
}

func (s *faultyStore) Delete(ctx context.Context, key string) (bool, error) {
	if err := given(&s.delete); err != nil {
		return false, err
	}
	return s.Memory.Delete(ctx, key)
}

func (s *faultyStore) KeepsOrder() bool { return s.ordered }

// A store that can't be asked, or does not say what became of a change, makes an Update
// fail, and never run again: else it could be made twice.
func TestUpdateOverAStoreThatFails(t *testing.T) {
	refused := storage.Refused(errors.New("it is too large"))
	for name, test := range map[string]struct {
		fails  func(s *faultyStore)
		says   string
		runs   int64
		stored int
	}{
		"a claim":                  {func(s *faultyStore) { give(&s.claim, errOutage) }, "outage", 0, 5},
		"a swap, not done":         {func(s *faultyStore) { give(&s.before, errOutage) }, "not known whether the new value is stored", 1, 5},
		"a swap, done":             {func(s *faultyStore) { give(&s.after, errOutage) }, "not known whether the new value is stored", 1, 6},
		"a swap that is refused":   {func(s *faultyStore) { give(&s.before, refused) }, "too large", 1, 5},
		"a Delete that has failed": {func(s *faultyStore) { give(&s.delete, errOutage) }, "invalidate or set it first", 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &faultyStore{Memory: storage.NewMemory(), ordered: true}
				defer s.Close()
				f := aProcess(t, s, returning[string](1000).load)
				noError(t, f.Set(t.Context(), "key", 5))
				test.fails(s)
				if test.stored < 0 {
					if err := f.Invalidate(t.Context(), "key"); !errors.Is(err, memoize.ErrUnavailable) {
						t.Fatalf("the Invalidate returns %v", err)
					}
				}
				var runs int64
				v, err := f.Update(t.Context(), "key", func(old int, _ bool) (int, error) {
					if runs++; runs > 3 {
						return 0, errors.New("enough")
					}
					return old + 1, nil
				})
				if v != 0 || !errors.Is(err, memoize.ErrUnavailable) || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), `"key"`) || runs != test.runs || s.swaps.Load() != test.runs {
					t.Errorf("%d, %v after %d runs", v, err, runs)
				}
				for _, p := range []*atomic.Pointer[error]{&s.claim, &s.before, &s.after, &s.delete} {
					p.Store(nil)
				}
				if test.stored < 0 { // as it says
					noError(t, f.Invalidate(t.Context(), "key"))
					wants(t, 1)(f.Update(t.Context(), "key", increment))
					return
				}
				if v, ok := f.Peek(t.Context(), "key"); v != test.stored || !ok { // nothing is in doubt
					t.Errorf("%d, %v is stored, want %d", v, ok, test.stored)
				}
				wants(t, test.stored+1)(f.Update(t.Context(), "key", increment))
			})
		})
	}
}

// A swap that the store keeps waiting is given up at the end of its budget.
func TestUpdateOverASlowStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &slowSwaps{storage.NewMemory()}
		defer s.Close()
		f := aProcess(t, s, returning[string](1000).load, config.StoreBudget(time.Second, 2*time.Second))
		began := time.Now()
		_, err := f.Update(t.Context(), "key", increment)
		if !errors.Is(err, memoize.ErrUnavailable) || !strings.Contains(err.Error(), "not known") || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Update(ctx, "key", increment); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not known") {
			t.Errorf("under a context that ends: %v", err)
		}
		time.Sleep(time.Hour) // what was left ends
	})
}

type slowSwaps struct{ *storage.Memory }

func (s *slowSwaps) CompareAndSwap(ctx context.Context, was storage.Claimed, item storage.Item) (bool, error) {
	time.Sleep(time.Minute)
	return s.Memory.CompareAndSwap(ctx, was, item)
}

// A function that takes longer than the claim is held would run for ever: it is told.
func TestUpdateThatTakesLongerThanItsClaim(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := storage.NewMemory()
		defer m.Close()
		f := aProcess(t, m, returning[string](1000).load, config.MethodTimeout(time.Second))
		runs := 0
		for _, takes := range []time.Duration{time.Second, time.Second + 1} {
			v, err := f.Update(t.Context(), "key", func(old int, _ bool) (int, error) {
				runs++
				time.Sleep(takes)
				return old + 1, nil
			})
			if takes == time.Second {
				wants(t, 1)(v, err)
			} else if v != 0 || err == nil || !strings.Contains(err.Error(), "config.MethodTimeout") {
				t.Errorf("%d, %v", v, err)
			}
		}
		if v, _ := f.Peek(t.Context(), "key"); v != 1 || runs != 2 {
			t.Errorf("%d is stored after %d runs", v, runs)
		}
	})
}

// An Update that another process overtakes each time ends with its context.
func TestUpdateThatIsAlwaysOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := storage.NewMemory()
		defer m.Close()
		load := returning[string](1000).load
		f, another := aProcess(t, m, load), aProcess(t, m, load)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute-time.Second/2)
		defer cancel()
		tries := 0
		_, err := f.Update(ctx, "key", func(old int, _ bool) (int, error) {
			tries++
			time.Sleep(time.Second)
			_, err := another.Update(t.Context(), "key", increment)
			noError(t, err)
			return old + 1, nil
		})
		if !errors.Is(err, context.DeadlineExceeded) || tries != 60 {
			t.Errorf("after %d tries: %v", tries, err)
		}
		wants(t, 60)(another.Call(t.Context(), "key"))
	})
}

// What can't be read counts as missing, and so does an answer; both are replaced.
func TestUpdateOverWhatIsNoValue(t *testing.T) {
	m := storage.NewMemory()
	defer m.Close()
	source := returning[string](1000)
	f := aProcess(t, m, source.load, config.Remember(time.Hour, errBadCount))
	noError(t, f.Set(t.Context(), "garbage", 5))
	for key, err := range m.Keys(t.Context(), "") {
		noError(t, err)
		noError(t, m.Set(t.Context(), key, []byte("garbage"), time.Hour))
	}
	source.fails(errBadCount)
	if _, err := f.Call(t.Context(), "answer"); !errors.Is(err, errBadCount) {
		t.Fatal(err)
	}
	for _, key := range []string{"garbage", "answer"} {
		wants(t, 1)(f.Update(t.Context(), key, func(old int, ok bool) (int, error) {
			if old != 0 || ok {
				t.Errorf("%s: change is given %d, %v", key, old, ok)
			}
			return 1, nil
		}))
		wants(t, 1)(f.Call(t.Context(), key))
	}
}

var errBadCount = errors.New("no count")

// A value whose life is over takes the place of what Update has found as nothing, and of
// nothing else.
func TestUpdateToNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := storage.NewMemory()
		defer m.Close()
		lives := config.Builder(entry.LifeOf[string](func(n int) entry.Life {
			if n < 0 {
				return entry.Life{ExpireAfter: -1}
			}
			return entry.Life{ExpireAfter: time.Hour}
		}))
		load := returning[string](1000).load
		process := func() *memoize.Func[string, int] {
			return memoize.Must(memoize.New(load, config.Name("counts"), lives, sharing(t, m)))
		}
		f, another := process(), process()
		noError(t, f.Set(t.Context(), "key", 5))
		saw := ""
		_, err := f.Update(t.Context(), "key", func(old int, ok bool) (int, error) {
			if saw += fmt.Sprint(old, ok, " "); old == 5 {
				noError(t, another.Set(t.Context(), "key", 6))
			}
			return -old, nil
		})
		noError(t, err)
		if v, ok := another.Peek(t.Context(), "key"); ok || saw != "5 true 6 true " {
			t.Errorf("%d, %v is stored after change saw %s", v, ok, saw)
		}
	})
}

// To append to what is there in place does not make it look changed.
func TestUpdateOfBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := storage.NewMemory()
		defer m.Close()
		s, err := storage.Share(m, storage.Format("raw"))
		noError(t, err)
		f := memoize.Must(memoize.New(func(context.Context, string) ([]byte, error) { return nil, nil }, config.Name("bytes"), config.Store(s)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for range 3 {
			_, err := f.Update(ctx, "key", func(old []byte, _ bool) ([]byte, error) {
				if len(old) > 0 {
					old[0] = 'y'
				}
				return append(old, 'x'), nil
			})
			noError(t, err)
		}
		if v, _ := f.Peek(t.Context(), "key"); string(v) != "yxx" {
			t.Errorf("%q is stored", v)
		}
	})
}
