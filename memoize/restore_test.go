package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// snapshotOf is what a function has saved that was called for the keys, a millisecond
// after another.
func snapshotOf(t *testing.T, keys ...string) *bytes.Reader {
	t.Helper()
	f, _, _ := changing(t)
	each(t, f, keys...)
	var b bytes.Buffer
	if n, err := f.Save(t.Context(), &b); n != len(keys) || err != nil {
		t.Fatalf("saved %d, %v", n, err)
	}
	return bytes.NewReader(b.Bytes())
}

// guarded is a storage in memory whose methods may fail or take their time.
type guarded struct {
	listed
	get, offer func(key string) error
}

func newGuarded() *guarded {
	none := func(string) error { return nil }
	return &guarded{*newListed(), none, none}
}

func (s *guarded) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	if err := s.get(key); err != nil {
		return nil, err
	}
	return s.listed.Get(ctx, key)
}

func (s *guarded) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	if err := s.offer(key); err != nil {
		return err
	}
	return s.listed.Offer(ctx, key, e)
}

// How many entries a strategy lets live is how many are read, one too; one that does
// not say has those released that it names.
func TestRestoreFillsTheCapacity(t *testing.T) {
	for _, room := range []int{0, 1, 2} {
		bubble(t, func(t *testing.T) {
			data := snapshotOf(t, "a", "b", "c")
			f, _, told := changing(t, config.Capacity(room))
			if n, err := f.Restore(t.Context(), data); n != room || err != nil || f.Len() != room {
				t.Errorf("into room for %d: restored %d, %v; %d entries", room, n, err, f.Len())
			}
			told.hears(t)
		})
	}
	bubble(t, func(t *testing.T) {
		strategy := new(row)
		strategy.room = 2
		f, _, told := changing(t, config.Evict[string](strategy))
		n, err := f.Restore(t.Context(), snapshotOf(t, "a", "b", "c"))
		if n != 3 || err != nil || f.Len() != 2 || f.Stats().Evicted != 1 {
			t.Errorf("restored %d, %v; %d entries, %d were evicted", n, err, f.Len(), f.Stats().Evicted)
		}
		strategy.hears(t, "written a", "written b", "written c", "released a")
		told.hears(t, `evicted "a"`)
	})
}

// Restore is not for functions that are closed, nor for storages elsewhere.
func TestRestoreRefuses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a")
		f, _, _ := changing(t)
		noError(t, f.Close(t.Context()))
		if n, err := f.Restore(t.Context(), data); n != 0 || !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("of one that is closed: %d, %v", n, err)
		}
		s := new(mockStorage[string, int])
		f, live, _ := changing(t, config.Storage[string, int](s))
		n, err := f.Restore(t.Context(), data)
		if n != 0 || !errors.Is(err, memoize.ErrUnsupported) || !strings.Contains(err.Error(), "Restore needs a storage.Local") || !strings.Contains(err.Error(), "mockStorage") {
			t.Errorf("of one over a storage elsewhere: %d, %v", n, err)
		}
		s.hears(t)
		noError(t, live.Apply(config.Configured(false)))
		if n, err := f.Restore(t.Context(), data); n != 0 || !errors.Is(err, memoize.ErrNotConfigured) {
			t.Errorf("of one that is not configured: %d, %v", n, err)
		}
	})
}

// What goes wrong with a storage in memory while entries are restored ends that, and
// the error says how far it came.
func TestRestoreIntoAFaultyStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a", "b", "c")
		for name, c := range map[string]struct {
			set  func(s *guarded)
			opts []config.Option
			n    int
			is   []error
		}{
			"can't store": {func(s *guarded) {
				s.offer = func(key string) error {
					if key == "b" {
						return errOutage
					}
					return nil
				}
			}, nil, 1, []error{memoize.ErrUnavailable, errOutage}},
			"does not take it": {func(s *guarded) {
				s.offer = func(key string) error { return fmt.Errorf("%w: too long", storage.ErrUnstorable) }
			}, nil, 0, []error{storage.ErrUnstorable}},
			"can't read": {func(s *guarded) {
				s.get = func(key string) error { return errOutage }
			}, nil, 3, nil},
			"can't read, which calls are to learn": {func(s *guarded) {
				s.get = func(key string) error { return errOutage }
			}, []config.Option{config.FailOnStoreError(true)}, 0, []error{memoize.ErrUnavailable, errOutage}},
		} {
			s := newGuarded()
			c.set(s)
			f, _, _ := changing(t, append(c.opts, config.Storage[string, int](s))...)
			data.Seek(0, 0)
			n, err := f.Restore(t.Context(), data)
			if n != c.n || (err != nil) != (c.is != nil) || s.Len() != c.n {
				t.Errorf("%s: restored %d, %v; %d entries", name, n, err, s.Len())
			}
			for _, is := range c.is {
				if !errors.Is(err, is) || !strings.Contains(err.Error(), fmt.Sprintf("changing has %d entries restored", c.n)) {
					t.Errorf("%s: error %v, want %v", name, err, is)
				}
			}
			if name == "does not take it" && errors.Is(err, memoize.ErrUnavailable) {
				t.Errorf("%s: error %v", name, err)
			}
		}
	})
}

// Entries that expire while others are stored are left out.
func TestRestoreTakesItsTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a", "b", "c")
		s := newGuarded()
		s.offer = func(string) error { time.Sleep(time.Hour); return nil }
		f, _, _ := changing(t, config.Storage[string, int](s))
		n, err := f.Restore(t.Context(), data)
		if n != 1 || err != nil {
			t.Errorf("restored %d, %v", n, err)
		}
	})
}

// The context's end while entries are stored ends that.
func TestRestoreEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a", "b", "c")
		ctx, cancel := context.WithCancel(t.Context())
		s := newGuarded()
		s.offer = func(key string) error {
			if key == "b" {
				cancel()
			}
			return nil
		}
		f, _, _ := changing(t, config.Storage[string, int](s))
		n, err := f.Restore(ctx, data)
		if n != 2 || !errors.Is(err, context.Canceled) || s.Len() != 2 {
			t.Errorf("restored %d, %v; %d entries", n, err, s.Len())
		}
	})
}

// A function that is closed while entries are stored takes no more.
func TestRestoreEndsWithTheFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a", "b", "c")
		s := newGuarded()
		f, _, _ := changing(t, config.Storage[string, int](s))
		s.offer = func(key string) error {
			if key == "b" {
				noError(t, f.Close(t.Context()))
			}
			return nil
		}
		n, err := f.Restore(t.Context(), data)
		if n != 2 || !errors.Is(err, memoize.ErrClosed) {
			t.Errorf("restored %d, %v", n, err)
		}
	})
}

// A value that can't be weighed is left out, and the others are restored.
func TestRestoreOfWhatCantBeWeighed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		data := snapshotOf(t, "a", "b", "c")
		strategy := &sizable{}
		strategy.room = 100
		f, _, told := changing(t, config.Evict[string](strategy), config.Weigh(func(key string, _ int) int {
			if key == "b" {
				panic("oops")
			}
			return 3
		}))
		n, err := f.Restore(t.Context(), data)
		if n != 2 || err != nil || f.Len() != 2 || f.Has(t.Context(), "b") {
			t.Errorf("restored %d, %v; %d entries", n, err, f.Len())
		}
		strategy.hears(t, "weighed a 3", "weighed c 3")
		told.hears(t, "panicked")
	})
}

// What is invalidated while entries are stored does not come back: not the key before
// its turn, nor anything after all were, also what has come back already.
func TestInvalidationsWhileARestoreStores(t *testing.T) {
	for name, c := range map[string]struct {
		change func(ctx context.Context, f *memoize.Func[string, int]) error
		n      int
		held   int
	}{
		"one": {func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Invalidate(ctx, "c") }, 3, 3},
		"all": {func(ctx context.Context, f *memoize.Func[string, int]) error { return f.InvalidateAll(ctx) }, -1, 0}, // how many depends on who is faster
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				data := snapshotOf(t, "a", "b", "c", "d")
				strategy := new(row)
				f, _, _ := changing(t, config.Evict[string](strategy))
				done := false
				strategy.hook = func(what string) { // the key that is told of is held, and others are free
					if what == "written b" && !done {
						done = true
						if name == "all" {
							go func() { noError(t, c.change(t.Context(), f)) }()
							time.Sleep(time.Millisecond)
							return
						}
						noError(t, c.change(t.Context(), f))
					}
				}
				n, err := f.Restore(t.Context(), data)
				settled(t, f)
				time.Sleep(time.Second)
				if n != c.n && c.n >= 0 || err != nil || f.Len() != c.held {
					t.Errorf("restored %d, %v; %d entries are held", n, err, f.Len())
				}
				each(t, f, "c") // and is free afterwards
			})
		})
	}
}
