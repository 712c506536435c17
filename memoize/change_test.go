package memoize_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// row is a strategy that writes down what it is told, and does no more than it must:
// it names the key that came first, past a room of its own.
type row struct {
	journal
	mu    sync.Mutex
	keys  []string
	room  int                    // 0 is no bound
	hook  func(what string)      // called in each method, before it does its work
	known map[string]*entry.Meta // what it was told of last
	ticks func() entry.Instant
}

func (s *row) told(format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	s.add("%s", what)
	if s.hook != nil {
		s.hook(what)
	}
}

// among writes down and checks what a write has replaced.
func (s *row) among(what, key string, e, old *entry.Meta) {
	s.mu.Lock()
	if s.known == nil {
		s.known = map[string]*entry.Meta{}
	}
	last := s.known[key]
	s.known[key] = e
	s.mu.Unlock()
	switch {
	case old == nil:
	case old == e:
		what += " as it is"
	case old == last:
		what += " again"
	default:
		what += " over one that it was not told of"
	}
	s.told("%s", what)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.keys, key) {
		s.keys = append(s.keys, key)
	}
}

func (s *row) MarkRead(string)                            {}
func (s *row) MarkWritten(key string, e, old *entry.Meta) { s.among("written "+key, key, e, old) }
func (s *row) SetClock(now func() entry.Instant)          { s.ticks = now }
func (s *row) MarkReleased(key string, old *entry.Meta) {
	what := "released " + key
	if old == nil {
		what += ", of which there was nothing"
	}
	s.told("%s", what)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, key)
	s.keys = slices.DeleteFunc(s.keys, func(k string) bool { return k == key })
}

func (s *row) NextToRelease() (key string, ok bool) {
	if named := s.victims(1); len(named) > 0 {
		return named[0], true
	}
	return "", false
}

func (s *row) victims(most int) (named []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.room > 0 && len(s.keys) > s.room && len(named) < most {
		named = append(named, s.keys[0])
		s.keys = s.keys[1:]
	}
	return named
}

// resettable is a row that can be emptied.
type resettable struct{ row }

func (s *resettable) Reset() {
	s.told("reset")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.known = nil, nil
}

// sizable is a row that can also be given another room, and goes by weights.
type sizable struct{ resettable }

func (s *sizable) Capacity() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room
}

func (s *sizable) SetCapacity(n int) {
	s.told("room %d", n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = n
}

func (s *sizable) Victims(most int) []string { return s.victims(most) }
func (s *sizable) MarkWeighed(key string, e, old *entry.Meta, weight int) {
	s.among(fmt.Sprintf("weighed %s %d", key, weight), key, e, old)
}

// hears checks what a journal has noted since it was last asked.
func (j *journal) hears(t *testing.T, want ...string) {
	t.Helper()
	if got := j.all(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	j.reset()
}

// listed is a storage in memory that can't be cleared.
type listed struct {
	of     *storage.InMemory[string, int]
	ranged int
	seen   func(key string)
}

func newListed(keys ...string) *listed {
	s := &listed{of: storage.NewInMemory[string, int]()}
	for i, key := range keys {
		now := entry.At(time.Now()).Add(-time.Duration(len(keys)-i) * time.Millisecond) // each is younger than those before
		s.of.Put(key, 10+i, now, now.Add(time.Minute), now.Add(time.Hour), nil)
	}
	return s
}

func (s *listed) AnswersAtOnce() {}
func (s *listed) Len() int       { return s.of.Len() }
func (s *listed) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	return s.of.Get(ctx, key)
}
func (s *listed) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	return s.of.Offer(ctx, key, e)
}
func (s *listed) Release(ctx context.Context, key string) error { return s.of.Release(ctx, key) }
func (s *listed) Range(ctx context.Context) iter.Seq2[string, *entry.Entry[int]] {
	s.ranged++
	return func(yield func(string, *entry.Entry[int]) bool) {
		for key, e := range s.of.Range(ctx) {
			if s.seen != nil {
				s.seen(key)
			}
			if !yield(key, e) {
				return
			}
		}
	}
}

// afar is a storage elsewhere that can list its entries and drop them all.
type afar struct {
	mockStorage[string, int]
	inner *listed
}

func (s *afar) Range(ctx context.Context) iter.Seq2[string, *entry.Entry[int]] {
	s.add("range")
	return s.inner.Range(ctx)
}

func (s *afar) Clear(context.Context) error {
	s.add("clear")
	return nil
}

// changing makes a function whose settings can change, and a journal of its events.
func changing(t *testing.T, opts ...config.Option) (*memoize.Func[string, int], *config.Live[string, string, int], *journal) {
	t.Helper()
	live := mutable(with(opts...)...)
	j := new(journal)
	f, err := memoize.Memoize(returning[string](1).load, live, config.Name("changing"), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		switch e.Kind {
		case observe.LoadStarted, observe.LoadEnded, observe.Stored:
			return
		}
		line := e.Kind.String()
		if e.Key != "" {
			line += " " + e.Key
		}
		if e.Kind == observe.StoreFault {
			line += ": " + e.Err.Error()
		}
		j.add("%s", line)
	})))
	noError(t, err)
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f, live, j
}

func each(t *testing.T, f *memoize.Func[string, int], keys ...string) {
	t.Helper()
	for _, key := range keys {
		wants(t, 1)(f.Call(t.Context(), key))
		time.Sleep(time.Millisecond)
	}
	settled(t, f)
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}

// A strategy that comes into force is emptied, and told of what is held, in the order
// in which it was written; the one before is told nothing any more.
func TestStrategyThatComesIntoForceLearnsWhatIsHeld(t *testing.T) {
	bubble(t, func(t *testing.T) {
		before, after := new(row), &sizable{}
		f, live, told := changing(t, config.Evict[string](before))
		each(t, f, "c", "a", "d", "b", "e")
		noError(t, f.Invalidate(t.Context(), "d"))
		before.hears(t, "written c", "written a", "written d", "written b", "written e", "released d")
		after.room = 3
		noError(t, live.Apply(config.Evict[string](after)))
		before.hears(t)
		after.hears(t, "reset", "written c as it is", "written a as it is", "written b as it is", "written e as it is", "released c")
		told.hears(t, `evicted "c"`, "configuration changed")
		if s := f.Stats(); s.Evicted != 1 || f.Len() != 3 {
			t.Errorf("%d are held, %d were evicted", f.Len(), s.Evicted)
		}
		wants(t, 1)(f.Refresh(t.Context(), "a"))
		settled(t, f)
		before.hears(t)
		after.hears(t, "weighed a 1 again")
	})
}

// A strategy that stays when the storage changes is told that what was held is gone.
func TestStrategyThatStaysForgetsAnotherStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for name, s := range map[string]interface {
			eviction.Strategy[string]
			hears(*testing.T, ...string)
			all() []string
		}{"told of each": new(row), "emptied": new(resettable)} {
			f, live, told := changing(t, config.Evict[string](s))
			each(t, f, "a", "b")
			s.hears(t, "written a", "written b")
			next := newListed("y", "x")
			noError(t, live.Apply(config.Storage[string, int](next)))
			got := s.all()
			if name == "emptied" {
				s.hears(t, "reset", "written y", "written x")
			} else if len(got) != 4 || !slices.Equal(sorted(got[:2]), []string{"released a", "released b"}) || !slices.Equal(got[2:], []string{"written y", "written x"}) {
				t.Errorf("it was told %q", got)
			}
			told.hears(t, "configuration changed")
			wants(t, 10)(f.Call(t.Context(), "y"))
			time.Sleep(time.Hour) // nobody writes, and what was there goes at its end
			if next.Len() != 0 {
				t.Errorf("%d entries are held after their end", next.Len())
			}
		}
	})
}

// What is elsewhere is neither listed nor cleared for a change.
func TestChangesLeaveStoragesElsewhereAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := new(row)
		one, two := &afar{inner: newListed("x")}, &afar{inner: newListed("y")}
		_, live, told := changing(t, config.Storage[string, int](one), config.Evict[string](strategy))
		noError(t, live.Apply(config.Storage[string, int](two)))
		noError(t, live.Apply(config.Evict[string](new(row))))
		noError(t, live.Apply(config.MethodTimeout(time.Second)))
		one.hears(t)
		two.hears(t)
		strategy.hears(t)
		told.hears(t, "configuration changed", "configuration changed", "configuration changed")
	})
}

// A change of anything else leaves both alone, and the strategy knows what it knew.
func TestChangesOfOtherSettingsTellNobody(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy, s := new(resettable), newListed()
		f, live, told := changing(t, config.Storage[string, int](s), config.Evict[string](strategy))
		each(t, f, "a")
		strategy.hears(t, "written a")
		ranged := s.ranged
		noError(t, live.Apply(config.MethodTimeout(time.Second)))
		noError(t, live.Apply(config.MethodTimeout(time.Minute)))
		strategy.hears(t)
		told.hears(t, "configuration changed", "configuration changed")
		if s.ranged != ranged {
			t.Errorf("the storage was listed %d times", s.ranged-ranged)
		}
		wants(t, 1)(f.Refresh(t.Context(), "a"))
		noError(t, f.Set(t.Context(), "a", 2))
		noError(t, f.Invalidate(t.Context(), "a"))
		noError(t, f.Invalidate(t.Context(), "a"))
		strategy.hears(t, "written a again", "written a again", "released a", "released a, of which there was nothing")
	})
}

// Another way to weigh is applied to what is held. A weight that can't be had costs
// the key its place with the strategy and nobody anything else.
func TestChangeOfWeights(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &sizable{}
		f, live, told := changing(t, config.Evict[string](strategy))
		each(t, f, "b", "a", "c")
		strategy.hears(t, "weighed b 1", "weighed a 1", "weighed c 1")
		noError(t, live.Apply(config.Weigh(func(key string, value int) int {
			if key == "a" {
				panic("oops")
			}
			return 7
		})))
		strategy.hears(t, "weighed b 7 as it is", "weighed c 7 as it is")
		told.hears(t, "panicked", "configuration changed")
		noError(t, live.Apply(config.MethodTimeout(time.Second)))
		strategy.hears(t)
		noError(t, live.Apply(config.Weigh(func(string, int) int { return 8 })))
		strategy.hears(t, "weighed b 8 as it is", "weighed a 8 as it is", "weighed c 8 as it is")
		if s := f.Stats(); s.Panics != 1 || f.Len() != 3 {
			t.Errorf("%d panics, %d entries", s.Panics, f.Len())
		}
	})
}

// A capacity reaches the strategy in use, and what is over goes at once.
func TestChangeOfTheCapacity(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &sizable{}
		strategy.room = 10
		f, live, told := changing(t, config.Evict[string](strategy))
		each(t, f, "a", "b", "c", "d")
		strategy.reset()
		noError(t, live.Apply(config.Capacity(2)))
		strategy.hears(t, "room 2", "released a", "released b")
		told.hears(t, `evicted "a"`, `evicted "b"`, "configuration changed")
		if s := f.Stats(); s.Evicted != 2 || f.Len() != 2 {
			t.Errorf("%d entries, %d were evicted", f.Len(), s.Evicted)
		}
		nested := func(what string) { // another change comes while this one is made
			if what == "room 5" {
				noError(t, live.Apply(config.Capacity(1)))
			}
		}
		strategy.hook = nested
		noError(t, live.Apply(config.Capacity(5)))
		strategy.hook = nil
		each(t, f, "e")
		if strategy.Capacity() != 1 || f.Len() != 1 || !f.Has(t.Context(), "e") {
			t.Errorf("of two changes at once the first counts: room for %d, %d entries", strategy.Capacity(), f.Len())
		}
		told.reset()
		strategy.hook = func(what string) {
			if what == "room 3" {
				panic("oops")
			}
		}
		noError(t, live.Apply(config.Capacity(3)))
		told.hears(t, "panicked", "configuration changed")
		if s := f.Stats(); s.Panics != 1 {
			t.Errorf("%d panics are counted", s.Panics)
		}
		each(t, f, "f")
	})
}

// User code that panics in a change is told of, and stops nothing.
func TestPanicsInAChange(t *testing.T) {
	for name, c := range map[string]struct {
		at   string
		told []string
	}{
		"reset":    {"reset", []string{"panicked", "configuration changed"}},
		"written":  {"written a", []string{"panicked", "configuration changed"}},
		"released": {"released a", []string{"panicked", "configuration changed"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var s interface {
					eviction.Strategy[string]
				}
				hook := func(what string) {
					if strings.HasPrefix(what, c.at) {
						panic("oops")
					}
				}
				first := new(row)
				f, live, told := changing(t, config.Evict[string](first))
				each(t, f, "a")
				if name == "released" { // it stays, and the storage changes
					first.hook = hook
					noError(t, live.Apply(config.Storage(storage.NewInMemory[string, int]())))
				} else {
					s = &resettable{row{hook: hook}}
					noError(t, live.Apply(config.Evict(s)))
				}
				told.hears(t, c.told...)
				if n := f.Stats().Panics; n != 1 {
					t.Errorf("%d panics are counted", n)
				}
				first.hook = nil
				each(t, f, "b")
			})
		})
	}
}

// stubborn is a storage in memory that may fail to be cleared.
type stubborn struct {
	*storage.InMemory[string, int]
	clear func() error
}

func (s *stubborn) Clear(ctx context.Context) error {
	if err := s.clear(); err != nil {
		return err
	}
	return s.InMemory.Clear(ctx)
}

// A storage that can't be cleared comes into force all the same, and that is told.
func TestStorageThatCantBeClearedComesIntoForce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, live, told := changing(t)
		s := &stubborn{storage.NewInMemory[string, int](), func() error { return errOutage }}
		noError(t, live.Apply(config.Storage[string, int](s)))
		told.hears(t, "store fault: outage", "configuration changed")
		each(t, f, "a")
		if s.Len() != 1 {
			t.Errorf("%d entries are in it", s.Len())
		}
	})
}

// Where two changes put the same parts in force, the later of them to empty those
// tells the strategy again what is held.
func TestTwoChangesToTheSameParts(t *testing.T) {
	t.Run("strategy", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			f, live, told := changing(t)
			each(t, f, "a", "b")
			s := new(resettable)
			nested := false
			s.hook = func(what string) {
				if what == "reset" && !nested {
					nested = true
					noError(t, live.Apply(config.Evict[string](s), config.MethodTimeout(time.Second)))
				}
			}
			noError(t, live.Apply(config.Evict[string](s)))
			s.hears(t, "reset", "reset", "written a as it is", "written b as it is", "reset", "written a as it is", "written b as it is")
			told.hears(t, "configuration changed")
		})
	})
	t.Run("storage", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			strategy := new(resettable)
			f, live, told := changing(t, config.Evict[string](strategy))
			each(t, f, "a")
			s := &stubborn{InMemory: storage.NewInMemory[string, int]()}
			nested := false
			s.clear = func() error {
				if !nested {
					nested = true
					noError(t, live.Apply(config.Storage[string, int](s), config.MethodTimeout(time.Second)))
					each(t, f, "b")
				}
				return nil
			}
			noError(t, live.Apply(config.Storage[string, int](s)))
			strategy.hears(t, "written a", "reset", "written b", "reset")
			told.hears(t, "configuration changed")
			if f.Len() != 0 {
				t.Errorf("%d entries", f.Len())
			}
		})
	})
}

// A change that comes while the strategy is told of another's storage: of a storage
// that is out of force again it is told nothing, of one that stays everything.
func TestChangeWhileAStrategyLearns(t *testing.T) {
	for name, c := range map[string]struct {
		option func() config.Option
		want   []string
	}{
		"of the storage":  {func() config.Option { return config.Storage[string, int](newListed("y")) }, []string{"reset", "reset", "written y"}},
		"of a timeout":    {func() config.Option { return config.MethodTimeout(time.Second) }, []string{"reset", "written x"}},
		"of the strategy": {nil, []string{"reset"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, another := new(resettable), new(row)
				f, live, told := changing(t, config.Evict[string](s))
				each(t, f, "a")
				s.reset()
				nested := false
				s.hook = func(string) {
					if !nested {
						nested = true
						option := config.Evict[string](another)
						if c.option != nil {
							option = c.option()
						}
						noError(t, live.Apply(option))
					}
				}
				noError(t, live.Apply(config.Storage[string, int](newListed("x"))))
				s.hears(t, c.want...)
				if c.option == nil {
					another.hears(t, "written x")
				}
				told.hears(t, "configuration changed", "configuration changed")
			})
		})
	}
}

// Of what is gone before its turn a strategy that comes into force is told nothing, and
// a load that runs meanwhile is not kept out.
func TestStrategyIsToldOfWhatIsThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		store := newListed()
		live := mutable(with(config.Storage[string, int](store))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
		each(t, f, "a", "b", "c")
		source.returns(2)
		open := source.holds()
		finish := begin(1, func() (int, error) { return f.Refresh(t.Context(), "c") })
		s := new(row)
		store.seen = func(key string) {
			if key == "a" {
				noError(t, f.Invalidate(t.Context(), key))
			}
		}
		noError(t, live.Apply(config.Evict[string](s)))
		store.seen = nil
		if got := s.all(); slices.Contains(got, "written a") || !slices.Contains(got, "written b") || !slices.Contains(got, "written c") {
			t.Errorf("it was told %q", got)
		}
		open()
		allWant(t, 2, finish())
		settled(t, f)
		wants(t, 2)(f.Call(t.Context(), "c"))
		if s := f.Stats(); s.Fenced != 0 || s.Evicted != 0 {
			t.Errorf("%d were fenced and %d evicted", s.Fenced, s.Evicted)
		}
		noError(t, f.Close(t.Context()))
	})
}

// asking is a configuration of one's own.
type asking struct {
	settings *config.Settings[string, string, int]
}

func (c *asking) Snapshot() *config.Settings[string, string, int] { return c.settings }

// Of settings that can't be used the observer is told once, with what is wrong, and
// those before stay in force.
func TestSettingsThatCantBeUsedAreToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told journal
		snapshot := func(opts ...config.Option) *config.Settings[string, string, int] {
			return config.InMemory[string, int](with(opts...)...).Snapshot()
		}
		bad := func(timeout time.Duration) *config.Settings[string, string, int] {
			s := *snapshot()
			s.MethodTimeout = timeout
			return &s
		}
		c := &asking{snapshot()}
		f := memoize.Must(memoize.Memoize(returning[string](1).load, c, config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			switch e.Kind {
			case observe.ConfigRejected:
				told.add("%v, first: %v, %d", e.Kind, e.First, e.Count)
				if e.Err == nil {
					t.Error("without an error")
				}
			case observe.ConfigChanged:
				told.add("%v", e.Kind)
			}
		}))))
		three := func() {
			for range 3 {
				wants(t, 1)(f.Call(t.Context(), "key"))
			}
		}
		three()
		told.hears(t)
		c.settings = bad(-1)
		three()
		told.hears(t, "configuration rejected, first: true, 1")
		c.settings = bad(-2)
		three()
		told.hears(t, "configuration rejected, first: false, 0")
		if f.Len() != 1 {
			t.Errorf("%d entries", f.Len())
		}
		c.settings = snapshot()
		three()
		told.hears(t, "configuration changed")
		c.settings = bad(-3) // a problem that is over is new when it comes again
		three()
		told.hears(t, "configuration rejected, first: true, 2") // with the one that was not
		c.settings = nil
		wants(t, 1)(f.Call(t.Context(), "key"))
		if got := told.all(); len(got) == 0 {
			t.Error("of settings that are nil nobody is told")
		}
		noError(t, f.Close(t.Context()))
	})
}

// A part that serves one function can't serve another; what it comes with is free
// afterwards, and so are parts that were replaced.
func TestPartsOfAChangeThatFailsAreFree(t *testing.T) {
	bubble(t, func(t *testing.T) {
		taken := eviction.FirstInFirstOut[string](3)
		memoize.Must(memoize.New(returning[string](1).load, config.Name("first"), config.Evict(taken)))
		s := storage.NewInMemory[string, int]()
		refused := func(err error) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), "can't use") || !strings.Contains(err.Error(), `"first"`) {
				t.Errorf("error %v, want one that says who has it", err)
			}
		}
		_, err := memoize.New(returning[string](1).load, config.Storage(s), config.Evict(taken))
		refused(err)
		f, live, told := changing(t)
		refused(live.Apply(config.Storage(s), config.Evict(taken)))
		told.hears(t)
		each(t, f, "a")
		noError(t, live.Apply(config.Storage(s)))
		each(t, f, "a")
		noError(t, live.Apply(config.Storage(storage.NewInMemory[string, int]())))
		g, err := memoize.New(returning[string](1).load, config.Storage(s), config.Name("another"))
		noError(t, err)
		each(t, g, "a")
	})
}

// timed is a storage that wants to know the time.
type timed struct {
	*listed
	ticks func() entry.Instant
}

func (s *timed) SetClock(now func() entry.Instant) { s.ticks = now }

// Parts are given the function's time, also those that come into force later.
func TestPartsAreGivenTheTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mock := clock.NewMock()
		for name, opts := range map[string][]config.Option{"of the machine": nil, "that is handed in": {config.Clock(mock)}} {
			one, two := &timed{listed: newListed()}, &timed{listed: newListed()}
			first, second := new(row), new(row)
			live := mutable(config.Storage[string, int](one), config.Evict[string](first))
			f := memoize.Must(memoize.Memoize(returning[string](1).load, live, opts...))
			noError(t, live.Apply(config.Storage[string, int](two), config.Evict[string](second)))
			time.Sleep(time.Second)
			mock.Add(time.Hour)
			want := time.Now()
			if opts != nil {
				want = mock.Now()
			}
			for part, ticks := range map[string]func() entry.Instant{"first storage": one.ticks, "second storage": two.ticks, "first strategy": first.ticks, "second strategy": second.ticks} {
				if ticks == nil {
					t.Errorf("%s: the %s was given no time", name, part)
				} else if got := ticks(); got != entry.At(want) {
					t.Errorf("%s: to the %s it is %v, want %v", name, part, got.Time(), want)
				}
			}
			noError(t, f.Close(t.Context()))
		}
	})
}

// Doubts of what a storage holds outlive changes of other settings, and the time in
// which it is out of force where a load still runs under it. They end with its use.
func TestDoubtsAndChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(live *config.Live[string, string, int], one, two storage.Storage[string, int]) error
		runs   bool // a load, under the first storage
		want   int
	}{
		"another timeout": {func(live *config.Live[string, string, int], _, _ storage.Storage[string, int]) error {
			return live.Apply(config.MethodTimeout(time.Minute))
		}, false, 2},
		"there and back": {func(live *config.Live[string, string, int], one, two storage.Storage[string, int]) error {
			if err := live.Apply(config.Storage(two)); err != nil {
				return err
			}
			return live.Apply(config.Storage(one))
		}, false, 1}, // as the documentation says: clear it before it comes back
		"there and back while a load runs": {func(live *config.Live[string, string, int], one, two storage.Storage[string, int]) error {
			if err := live.Apply(config.Storage(two)); err != nil {
				return err
			}
			return live.Apply(config.Storage(one))
		}, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				one, two := &mockStorage[string, int]{}, &mockStorage[string, int]{}
				live := mutable(with(config.Storage[string, int](one))...)
				source := returning[string](1)
				f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
				each(t, f, "key")
				one.free = func(context.Context, string) error { return errOutage }
				if f.Invalidate(t.Context(), "key") == nil {
					t.Error("an invalidation that fails has no error")
				}
				one.free = nil
				finish := func() []returned[int] { return nil }
				open := func() {}
				if c.runs {
					open = source.holds()
					finish = begin(1, func() (int, error) { return f.Call(t.Context(), "other") })
				}
				noError(t, c.change(live, one, two))
				source.returns(2)
				source.lets()
				wants(t, c.want)(f.Call(t.Context(), "key"))
				open()
				finish()
				settled(t, f)
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// A part is free for another function once nothing runs under it any more, whatever
// was done with it.
func TestPartsAreFreeAfterEveryVerb(t *testing.T) {
	for name, verb := range map[string]func(ctx context.Context, f *memoize.Func[string, int], live *config.Live[string, string, int]) error{
		"Call": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			_, err := f.Call(ctx, "b")
			return err
		},
		"Refresh": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			_, err := f.Refresh(ctx, "a")
			return err
		},
		"Direct": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			_, err := f.Direct(ctx, "a")
			return err
		},
		"Set": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			return f.Set(ctx, "a", 3)
		},
		"Touch": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			_, err := f.Touch(ctx, "a")
			return err
		},
		"Invalidate": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			return f.Invalidate(ctx, "a")
		},
		"InvalidateAll": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			return f.InvalidateAll(ctx)
		},
		"Capacity": func(_ context.Context, _ *memoize.Func[string, int], live *config.Live[string, string, int]) error {
			return live.Apply(config.Capacity(1))
		},
		"Weigh": func(_ context.Context, _ *memoize.Func[string, int], live *config.Live[string, string, int]) error {
			return live.Apply(config.Weigh(func(string, int) int { return 1 }))
		},
		"Restore": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			var b strings.Builder
			if _, err := f.Save(ctx, &b); err != nil {
				return err
			}
			_, err := f.Restore(ctx, strings.NewReader(b.String()))
			return err
		},
		"Close": func(ctx context.Context, f *memoize.Func[string, int], _ *config.Live[string, string, int]) error {
			return f.Close(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, strategy := storage.NewInMemory[string, int](), eviction.LeastRecentlyUsed[string](3)
				f, live, _ := changing(t, config.Storage(s), config.Evict(strategy))
				each(t, f, "a")
				noError(t, verb(t.Context(), f, live))
				settled(t, f)
				synctest.Wait()
				if name != "Close" {
					noError(t, live.Apply(config.Storage(storage.NewInMemory[string, int]()), config.Evict(eviction.None[string]())))
				}
				_, err := memoize.New(returning[string](1).load, config.Name("another"), config.Storage(s), config.Evict(strategy))
				noError(t, err)
			})
		})
	}
}

// What was written at one instant a strategy is told of in the storage's order.
func TestStrategyLearnsInTheOrderOfTheStorage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, live, _ := changing(t, config.Storage[string, int](newLooked()))
		var want []string
		for i := range 60 {
			key := fmt.Sprintf("%02d", i)
			noError(t, f.Set(t.Context(), key, i))
			want = append(want, "written "+key)
		}
		strategy := new(row)
		noError(t, live.Apply(config.Evict[string](strategy)))
		strategy.hears(t, want...)
	})
}

// cleared is a storage elsewhere that can be cleared.
type cleared struct{ mockStorage[string, int] }

func (s *cleared) Clear(context.Context) error {
	s.add("clear")
	s.stored.Clear()
	return nil
}

// A strategy forgets what a storage held that is cleared.
func TestStrategyForgetsWhatIsCleared(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := new(cleared), new(resettable)
		f, _, _ := changing(t, config.Storage[string, int](s), config.Evict[string](strategy))
		each(t, f, "a")
		noError(t, f.InvalidateAll(t.Context()))
		each(t, f, "a")
		wants(t, 1)(f.Refresh(t.Context(), "a"))
		settled(t, f)
		strategy.hears(t, "written a", "reset", "written a", "written a again")
		s.exactly(t, "clear", 1)
	})
}

// Parts that a load runs under when they are replaced are free once it has ended.
func TestPartsAreFreeOnceALoadHasEnded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := storage.NewInMemory[string, int]()
		live := mutable(with(config.Storage(s))...)
		source := returning[string](1)
		f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
		open := source.holds()
		finish := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		noError(t, live.Apply(config.Storage(storage.NewInMemory[string, int]())))
		another := func() error {
			_, err := memoize.New(returning[string](1).load, config.Storage(s), config.Name("another"))
			return err
		}
		if another() == nil {
			t.Error("a storage serves two functions")
		}
		open()
		allWant(t, 1, finish())
		settled(t, f)
		noError(t, another())
		noError(t, f.Close(t.Context()))
	})
}
