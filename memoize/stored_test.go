package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// crate is a storage elsewhere that reads and writes many at once, and writes down
// what it is asked.
type crate struct {
	mockStorage[string, int]
	read, write map[string]error // what is wrong with keys
	reads       func(ctx context.Context) error
}

func (s *crate) faults(keys []string, of map[string]error) error {
	var errs []error
	for i, key := range keys {
		if err := of[key]; err != nil {
			errs = append(errs, &storage.ItemError{Item: i, Err: err})
		}
	}
	return errors.Join(errs...)
}

func (s *crate) GetMany(ctx context.Context, keys []string) ([]*entry.Entry[int], error) {
	s.add("get %v", keys)
	if s.reads != nil {
		if err := s.reads(ctx); err != nil {
			return nil, err
		}
	}
	found := make([]*entry.Entry[int], len(keys))
	for i, key := range keys {
		if e, ok := s.stored.Load(key); ok && s.read[key] == nil {
			found[i] = e.(*entry.Entry[int])
		}
	}
	return found, s.faults(keys, s.read)
}

func (s *crate) OfferMany(_ context.Context, keys []string, entries []*entry.Entry[int]) error {
	s.add("offer %v", keys)
	for i, key := range keys {
		if s.write[key] == nil {
			s.stored.Store(key, entries[i])
		}
	}
	return s.faults(keys, s.write)
}

func (s *crate) ReleaseMany(_ context.Context, keys []string) error {
	s.add("release %v", keys)
	for _, key := range keys {
		if s.write[key] == nil {
			s.stored.Delete(key)
		}
	}
	return s.faults(keys, s.write)
}

// crated makes a function over a crate, whose source answers 1 for every key, and a
// journal of what is told of the storage.
func crated(t *testing.T, opts ...config.Option) (*memoize.Func[string, int], *crate, *journal) {
	t.Helper()
	s, told := new(crate), new(journal)
	f := memoize.Must(memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
		found := map[string]int{}
		for _, key := range keys {
			found[key] = 1
		}
		return found, nil
	}, with(append(opts, config.Name("crated"), config.Storage[string, int](s), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		switch e.Kind {
		case observe.StoreFault, observe.Unstorable, observe.StoreOK, observe.Panicked:
			told.add("%v %s: %v", e.Kind, e.Key, e.Err)
		}
	})))...)...))
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f, s, told
}

// doubtful leaves keys in doubt: what the storage holds for them is not known.
func (s *crate) doubtful(t *testing.T, f *memoize.Func[string, int], keys ...string) {
	t.Helper()
	s.free = func(context.Context, string) error { return errOutage }
	for _, key := range keys {
		if err := f.Invalidate(t.Context(), key); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatalf("Invalidate: %v", err)
		}
	}
	s.free = nil
}

func filled(t *testing.T, f *memoize.Func[string, int], keys ...string) {
	t.Helper()
	for i, key := range keys {
		noError(t, f.Set(t.Context(), key, 10+i))
	}
}

// Many keys are asked for in one round trip, and one key as any call asks for it. Keys
// in doubt are not asked for, and what is found for the others is theirs.
func TestManyKeysAreOneRoundTrip(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, s, told := crated(t)
		filled(t, f, "a", "b", "c", "d")
		s.reset()
		peek := func(want []int, asked string, keys ...string) {
			t.Helper()
			values, found := f.PeekMany(t.Context(), keys)
			if !slices.Equal(values, want) || found[0] != (want[0] != 0) {
				t.Errorf("PeekMany of %q: %v, %v", keys, values, found)
			}
			if asked == "" {
				s.hears(t)
			} else {
				s.hears(t, asked)
			}
		}
		peek([]int{10}, "get a", "a")
		peek([]int{10, 11}, "get [a b]", "a", "b")
		peek([]int{10, 12, 10}, "get [a c]", "a", "c", "a")
		s.doubtful(t, f, "a", "c")
		s.reset()
		peek([]int{0, 11, 0, 13}, "get [b d]", "a", "b", "c", "d")
		peek([]int{0, 0}, "", "a", "c")
		told.reset()
		s.read = map[string]error{"d": errOutage}
		if values, err := f.CallMany(t.Context(), []string{"a", "b", "c", "d"}); err != nil || !slices.Equal(values, []int{1, 11, 1, 1}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		told.hears(t, `store fault "d": outage`)
	})
}

// Where calls are to fail when the storage does, only the keys that could not be read
// do, each with its own fault; what is not readable for its own sake is loaded.
func TestFaultsOfManyKeysAreTheirOwn(t *testing.T) {
	for name, c := range map[string]struct {
		fault error
		fail  bool
		fails bool
	}{
		"fails":               {errOutage, true, true},
		"reads as missing":    {errOutage, false, false},
		"can't be read":       {fmt.Errorf("text: %w", storage.ErrUnreadable), true, false},
		"has no text":         {fmt.Errorf("text: %w", storage.ErrUnstorable), true, false},
		"can't be read, lets": {storage.ErrUnreadable, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f, s, told := crated(t, config.FailOnStoreError(c.fail))
				filled(t, f, "a", "b", "c", "d", "e")
				s.doubtful(t, f, "b")
				told.reset()
				s.read = map[string]error{"c": c.fault, "e": c.fault}
				values, err := f.CallMany(t.Context(), []string{"a", "b", "c", "d", "e"})
				want := []int{10, 1, 1, 13, 1}
				var many *memoize.ManyError
				if c.fails {
					want[2], want[4] = 0, 0
					if !errors.As(err, &many) {
						t.Fatalf("CallMany: %v", err)
					}
					for i := range values {
						if fails := i == 2 || i == 4; (many.At(i) != nil) != fails || fails && (!errors.Is(many.At(i), memoize.ErrUnavailable) || !errors.Is(many.At(i), errOutage)) {
							t.Errorf("the error of key %d is %v", i, many.At(i))
						}
					}
				} else if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(values, want) {
					t.Errorf("CallMany: %v, want %v", values, want)
				}
				if errors.Is(c.fault, storage.ErrUnstorable) {
					told.hears(t, `unstorable "c": `+c.fault.Error(), `unstorable "e": `+c.fault.Error())
				} else {
					told.hears(t, `store fault "c": `+c.fault.Error())
				}
				one, err := f.Call(t.Context(), "d")
				if one != 13 || err != nil {
					t.Errorf("Call: %v, %v", one, err)
				}
				s.get = func(context.Context, string) error { return c.fault }
				_, err = f.Call(t.Context(), "d")
				if got := errors.Is(err, memoize.ErrUnavailable) && errors.Is(err, c.fault); got != c.fails || (err != nil) != c.fails {
					t.Errorf("Call: %v", err)
				}
			})
		})
	}
}

// A storage that can't read many at once is asked for one after the other, and what
// it can't say fails the call where calls are to fail.
func TestManyKeysOfAStorageThatReadsOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := new(mockStorage[string, int])
		f, _, _ := changing(t, config.Storage[string, int](s), config.FailOnStoreError(true))
		filled(t, f, "a", "b", "c")
		s.reset()
		if values, err := f.CallMany(t.Context(), []string{"a", "b"}); err != nil || !slices.Equal(values, []int{10, 11}) {
			t.Errorf("CallMany: %v, %v", values, err)
		}
		s.hears(t, "get a", "get b")
		s.get = func(_ context.Context, key string) error {
			if key == "b" {
				return errOutage
			}
			return nil
		}
		values, err := f.CallMany(t.Context(), []string{"a", "b", "c"})
		if !errors.Is(err, memoize.ErrUnavailable) || values[1] != 0 || f.Stats().Loads != 0 {
			t.Errorf("CallMany: %v, %v", values, err)
		}
	})
}

// A caller who leaves while a storage is asked for many has the error of the context,
// and that is no fault of the storage.
func TestWhoLeavesAReadOfMany(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, s, told := crated(t, config.FailOnStoreError(true), config.StoreBudget(time.Hour, time.Hour))
		s.reads = func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := f.CallMany(ctx, []string{"a", "b"})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("CallMany: %v", err)
		}
		told.hears(t)
		if st := f.Stats(); st.Left != 2 || st.Failed != 0 || st.Loads != 0 {
			t.Errorf("%+v", st)
		}
		one := new(mockStorage[string, int])
		g, _, heard := changing(t, config.Storage[string, int](one), config.StoreBudget(time.Hour, time.Hour))
		one.get = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.Call(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Call: %v", err)
		}
		heard.hears(t)
		if st := g.Stats(); st.Left != 1 || st.Failed != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// A read that takes longer than its budget reads as missing, one that panics too, and
// what comes of either later is not looked at.
func TestReadsThatDoNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := new(mockStorage[string, int])
		f, _, told := changing(t, config.Storage[string, int](s), config.StoreBudget(time.Second, time.Second))
		filled(t, f, "a")
		s.get = func(context.Context, string) error {
			time.Sleep(2 * time.Second)
			return nil
		}
		began := time.Now()
		wants(t, 1)(f.Call(t.Context(), "a"))
		if took := time.Since(began); took != time.Second {
			t.Errorf("the call took %v", took)
		}
		if got := told.all(); len(got) != 1 || !strings.Contains(got[0], "the storage exceeded its budget") {
			t.Errorf("told is %q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		told.reset()
		s.get = func(context.Context, string) error { panic("oops") }
		wants(t, 1)(f.Call(t.Context(), "a"))
		if got := told.all(); len(got) == 0 || !strings.Contains(got[0], "oops") {
			t.Errorf("told is %q", got)
		}
		settled(t, f)
	})
}

// A value that weighs too much and a strategy that panics are told where values are
// weighed, and a capacity of one may be exceeded as any other.
func TestFaultsWhereValuesAreWeighed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := &sizable{}
		strategy.room = 1
		weight := 2
		f, _, told := changing(t, config.Evict[string](strategy), config.Weigh(func(string, int) int { return weight }))
		each(t, f, "a")
		told.hears(t, `too heavy "a"`)
		weight = 1
		strategy.hook = func(string) { panic("oops") }
		if err := f.Set(t.Context(), "b", 1); err == nil {
			t.Error("a strategy that panics is no error of a Set")
		}
		told.hears(t, "panicked")
		if _, err := f.Call(t.Context(), "c"); err == nil {
			t.Error("a strategy that panics is no error of a load")
		}
		strategy.hook = nil
		settled(t, f)

		source := returning[string](1)
		open := source.holds()
		other := &sizable{}
		live := mutable(with(config.Evict[string](other), config.Weigh(func(string, int) int { return 1 }))...)
		g := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
		call := begin(1, func() (int, error) { return g.Call(t.Context(), "a") })
		noError(t, live.Apply(config.Storage[string, int](newListed())))
		other.reset()
		open()
		allWant(t, 1, call())
		settled(t, g)
		other.hears(t)
		noError(t, g.Close(t.Context()))
	})
}

// A value without a life that is loaded is no value that another process has
// superseded, and a Touch that gives none ends the life that there was.
func TestWhatHasNoLifeIsDropped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		life := time.Hour
		builder := config.Builder(entry.BuilderFunc[string, int](func(_ string, v int, now entry.Instant) *entry.Entry[int] {
			return entry.New(v, now, entry.Life{UpdateAfter: life, ExpireAfter: life})
		}))
		shared, crate := newFencing(), new(crate)
		for _, s := range []storage.Storage[string, int]{shared, crate} {
			life = time.Hour
			f, live, _ := changing(t, config.Storage(s))
			noError(t, live.Apply(builder))
			filled(t, f, "a", "b", "c")
			life = 0
			wants(t, 1)(f.Refresh(t.Context(), "a"))
			if ok, err := f.Touch(t.Context(), "b"); !ok || err != nil {
				t.Errorf("Touch: %v, %v", ok, err)
			}
			noError(t, f.Set(t.Context(), "c", 3))
			settled(t, f)
			if found := f.HasMany(t.Context(), []string{"a", "b", "c"}); slices.Contains(found, true) {
				t.Errorf("found %v", found)
			}
			if st := f.Stats(); st.Fenced != 0 || st.StoreFaults != 0 {
				t.Errorf("%+v", st)
			}
		}
	})
}

// atHand is a storage that answers at once, and panics where it is told to.
type atHand struct {
	listed
	fails string
}

func (s *atHand) does(what string) error {
	if s.fails == what {
		panic(what)
	}
	return nil
}

func (s *atHand) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	_ = s.does("get")
	return s.listed.Get(ctx, key)
}

func (s *atHand) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	_ = s.does("offer")
	return s.listed.Offer(ctx, key, e)
}

func (s *atHand) Release(ctx context.Context, key string) error {
	_ = s.does("release")
	return s.listed.Release(ctx, key)
}

// A storage that answers at once may panic as any other: it reads as empty, a write
// is an error, nobody is in doubt, and the key that it was about is told.
func TestStorageAtHandThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &atHand{listed: *newListed()}
		f, _, told := changing(t, config.Storage[string, int](s))
		filled(t, f, "a")
		fault := func(what string) {
			t.Helper()
			settled(t, f)
			if got := told.all(); len(got) == 0 || !strings.HasPrefix(got[0], `store fault "a": `) || !strings.Contains(got[0], what) {
				t.Errorf("told is %q", got)
			}
			told.reset()
		}
		s.fails = "get"
		wants(t, 1)(f.Call(t.Context(), "a"))
		fault("get")
		s.fails = "offer"
		if err := f.Set(t.Context(), "a", 3); !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Set: %v", err)
		}
		fault("offer")
		s.fails = "release"
		if err := f.Invalidate(t.Context(), "a"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Invalidate: %v", err)
		}
		fault("release")
		s.fails = ""
		wants(t, 1)(f.Call(t.Context(), "a"))
		if st := f.Stats(); st.StoreFaults < 3 || st.Loads != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// prompting is a crate that keeps to deadlines itself.
type prompting struct{ crate }

func (*prompting) ReturnsInTime() bool { return true }

// A storage that keeps to deadlines itself is waited for: it is asked where the call
// is, under the budget. What it can't do in time is a fault.
func TestStorageThatReturnsInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := new(prompting)
		f, _, told := changing(t, config.Storage[string, int](s), config.StoreBudget(time.Second, 2*time.Second))
		slow := func(limit time.Duration) func(ctx context.Context, _ string) error {
			return func(ctx context.Context, _ string) error {
				if end, ok := ctx.Deadline(); !ok || time.Until(end) != limit {
					t.Errorf("the deadline is %v, %v", end, ok)
				}
				<-ctx.Done()
				time.Sleep(time.Minute)
				return ctx.Err()
			}
		}
		takes := func(want time.Duration, do func()) {
			t.Helper()
			began := time.Now()
			if do(); time.Since(began) != want {
				t.Errorf("it takes %v, want %v", time.Since(began), want)
			}
			if got := told.all(); len(got) != 1 || !strings.HasPrefix(got[0], `store fault "a": memoize: the storage exceeded its budget`) {
				t.Errorf("told is %q", got)
			}
			told.reset()
		}
		s.get, s.offer, s.free = slow(time.Second), slow(2*time.Second), slow(2*time.Second)
		takes(time.Minute+time.Second, func() { f.Peek(t.Context(), "a") })
		takes(time.Minute+2*time.Second, func() { _ = f.Set(t.Context(), "a", 2) })
		s.offer = nil
		if _, ok := f.Peek(t.Context(), "a"); ok {
			t.Error("what could not be written in time is not in doubt")
		}
		s.free = nil
		noError(t, f.Invalidate(t.Context(), "a"))
	})
}

// A storage that has failed is told of as well again once a read, or a write, has
// gone well for a minute since, and not before.
func TestStorageIsWellAgain(t *testing.T) {
	do := map[string]func(ctx context.Context, f *memoize.Func[string, int]) error{
		"read": func(ctx context.Context, f *memoize.Func[string, int]) error { f.Peek(ctx, "a"); return nil },
		"read many": func(ctx context.Context, f *memoize.Func[string, int]) error {
			f.PeekMany(ctx, []string{"a", "b"})
			return nil
		},
		"set":        func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Set(ctx, "a", 2) },
		"invalidate": func(ctx context.Context, f *memoize.Func[string, int]) error { return f.Invalidate(ctx, "a") },
	}
	for name, do := range do {
		for _, prompt := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %v", name, prompt), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := new(prompting)
					var s storage.Storage[string, int] = p
					if !prompt {
						s = &p.crate
					}
					f, _, told := changing(t, config.Storage(s))
					p.get = func(context.Context, string) error { return errOutage }
					f.Peek(t.Context(), "b")
					p.get = nil
					told.hears(t, `store fault "b": outage`)
					noError(t, do(t.Context(), f))
					told.reset()
					time.Sleep(time.Minute)
					noError(t, do(t.Context(), f))
					if told.count("store ok") != 1 {
						t.Errorf("told is %q", told.all())
					}
				})
			})
		}
	}
}

// What is in doubt is dropped before something is offered in its place, many keys in
// one round trip: a storage may decline an offer without a word.
func TestWhatIsInDoubtIsDroppedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, s, told := crated(t)
		filled(t, f, "a", "b", "c")
		load := func(want ...string) {
			t.Helper()
			s.reset()
			if _, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil {
				t.Error(err)
			}
			settled(t, f)
			got := slices.DeleteFunc(s.all(), func(line string) bool { return strings.HasPrefix(line, "get") })
			if !slices.Equal(got, want) {
				t.Errorf("the storage was asked\n%q, want\n%q", got, want)
			}
		}
		s.doubtful(t, f, "a", "b", "c")
		load("release [a b c]", "offer [a b c]")
		load()
		s.doubtful(t, f, "b")
		load("release b", "offer b=1")
		s.doubtful(t, f, "a", "b")
		load("release [a b]", "offer [a b]")
		s.doubtful(t, f, "a")
		noError(t, f.Invalidate(t.Context(), "b"))
		load("release a", "offer [a b]")
		s.doubtful(t, f, "a", "b")
		told.reset()
		s.write = map[string]error{"a": errOutage}
		load("release [a b]", "offer [a b]")
		s.write = nil
		if got := told.all(); !slices.Equal(got, []string{`store fault "a": outage`, `store fault "a": outage`}) {
			t.Errorf("told is %q", got)
		}
		if _, ok := f.Peek(t.Context(), "a"); ok {
			t.Error("what is in doubt is found")
		}
		if _, ok := f.Peek(t.Context(), "b"); !ok {
			t.Error("what was stored is not found")
		}
	})
}

// A change that waits for its store is no fault of its key, whatever becomes of those
// that it was made with.
func TestChangesOfManyThatWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, s, told := crated(t)
		s.write = map[string]error{"a": fmt.Errorf("away: %w", storage.ErrQueued), "c": errOutage}
		call := func() {
			t.Helper()
			if _, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil {
				t.Error(err)
			}
			settled(t, f)
		}
		call()
		told.hears(t, `store fault "c": outage`)
		if st := f.Stats(); st.StoreFaults != 1 {
			t.Errorf("%d faults", st.StoreFaults)
		}
		found := f.HasMany(t.Context(), []string{"a", "b", "c"})
		if !slices.Equal(found, []bool{false, true, false}) { // a waits in the storage, which has not got it here
			t.Errorf("found %v", found)
		}
		s.reset()
		f.PeekMany(t.Context(), []string{"a", "b", "c"})
		s.hears(t, "get [a b]") // c is in doubt
		s.offer = func(context.Context, string) error { return storage.ErrQueued }
		noError(t, f.Set(t.Context(), "d", 1))
		s.free = func(context.Context, string) error { return storage.ErrQueued }
		if err := f.Invalidate(t.Context(), "d"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("an invalidation that waits: %v", err)
		}
	})
}

// Where keys are hidden, what a storage says of a key is cut out of the errors of reads
// and writes, for one key and for many, and what it wraps can be told.
func TestErrorsOfHiddenKeys(t *testing.T) {
	bubble(t, func(t *testing.T) {
		fault := fmt.Errorf("key secret: %w", errOutage)
		f, s, told := crated(t, config.HideKeys(), config.FailOnStoreError(true))
		hidden := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, errOutage) || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "outage") {
				t.Errorf("%s: %v", what, err)
			}
			for _, line := range told.all() {
				if strings.Contains(line, "secret") || strings.HasPrefix(line, "store fault") && !strings.HasSuffix(line, ": outage") {
					t.Errorf("%s: told is %q", what, line)
				}
			}
			told.reset()
		}
		s.get = func(context.Context, string) error { return fault }
		hidden("Call", lastOf(f.Call(t.Context(), "secret")))
		s.read = map[string]error{"secret": fault}
		_, err := f.CallMany(t.Context(), []string{"other", "secret"})
		hidden("CallMany", err)
		var many *memoize.ManyError
		if !errors.As(err, &many) || many.At(0) != nil || many.At(1) == nil {
			t.Errorf("CallMany: %v", err)
		}
		s.offer = func(context.Context, string) error { return fault }
		hidden("Set", f.Set(t.Context(), "secret", 1))
		s.free = func(context.Context, string) error { return fault }
		hidden("Invalidate", f.Invalidate(t.Context(), "secret"))
	})
}

// A key or a value that can't be stored is no fault of the store: nothing is in
// doubt, and the error is that it can't be stored.
func TestWhatCantBeStoredLeavesNoDoubt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f, s, told := crated(t)
		filled(t, f, "a")
		told.reset()
		s.offer = func(context.Context, string) error { return storage.ErrUnstorable }
		err := f.Set(t.Context(), "a", 2)
		if !errors.Is(err, storage.ErrUnstorable) || errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Set: %v", err)
		}
		told.hears(t, `unstorable "a": `+storage.ErrUnstorable.Error())
		if v, ok := f.Peek(t.Context(), "a"); !ok || v != 10 {
			t.Errorf("%d, %v is found", v, ok)
		}
		if st := f.Stats(); st.StoreFaults != 0 {
			t.Errorf("%d faults", st.StoreFaults)
		}
	})
}

// What a load stores late is told to the strategy that keeps account of the storage:
// that in force if it has the storage, nobody if it has another, and the old one where
// both have gone.
func TestWhoLearnsOfWhatIsStoredLate(t *testing.T) {
	for name, c := range map[string]struct{ storage, strategy bool }{
		"nothing changes": {}, "storage": {storage: true}, "strategy": {strategy: true}, "both": {true, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				first, second, source := new(row), new(row), returning[string](1)
				live := mutable(with(config.Evict[string](first), config.Storage[string, int](newListed()))...)
				f := memoize.Must(memoize.Memoize(source.load, live, config.Logger(discardLog)))
				open := source.holds()
				call := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
				if c.storage && c.strategy {
					noError(t, live.Apply(config.Storage[string, int](newListed()), config.Evict[string](second)))
				} else if c.storage {
					noError(t, live.Apply(config.Storage[string, int](newListed())))
				} else if c.strategy {
					noError(t, live.Apply(config.Evict[string](second)))
				}
				first.reset()
				second.reset()
				open()
				allWant(t, 1, call())
				settled(t, f)
				if want := !c.strategy && !c.storage || c.strategy && c.storage; (first.count("written a") == 1) != want {
					t.Errorf("the first strategy was told %q", first.all())
				}
				if want := c.strategy && !c.storage; (second.count("written a") == 1) != want {
					t.Errorf("the second strategy was told %q", second.all())
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
}

// weighing goes by weights, and names one key at once.
type weighing struct{ row }

func (s *weighing) MarkWeighed(key string, e, old *entry.Meta, _ int) {
	s.among("weighed "+key, key, e, old)
}

// naming is sizable, and does something before it names many.
type naming struct {
	sizable
	names func()
}

func (s *naming) Victims(most int) []string {
	if s.names != nil {
		s.names()
	}
	return s.sizable.Victims(most)
}

// One heavy value may cost many light ones their place, more than a strategy names at
// once; one that panics while it names them ends that, and nothing else.
func TestManyGoForOneThatIsHeavy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := new(naming)
		strategy.room = 300
		f, _, told := changing(t, config.Evict[string](strategy), config.Weigh(func(string, int) int { return 1 }))
		for i := range 200 {
			wants(t, 1)(f.Call(t.Context(), fmt.Sprint(i)))
		}
		settled(t, f)
		strategy.SetCapacity(3)
		each(t, f, "heavy")
		if f.Len() != 3 || f.Stats().Evicted != 198 {
			t.Errorf("%d entries, %d were evicted", f.Len(), f.Stats().Evicted)
		}
		strategy.SetCapacity(1)
		told.reset()
		strategy.names = func() { panic("oops") }
		each(t, f, "more")
		told.hears(t, `evicted "198"`, "panicked")
	})
}

// A strategy that goes by weights need not name more than one at once.
func TestOneGoesForOneThatIsHeavy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strategy := new(weighing)
		strategy.room = 1
		f, _, told := changing(t, config.Evict[string](strategy), config.Weigh(func(string, int) int { return 1 }))
		each(t, f, "a", "b")
		told.hears(t, `evicted "a"`)
		strategy.hears(t, "weighed a", "weighed b", "released a")
	})
}

// What can't be released is not evicted: it is neither counted nor told.
func TestWhatCantBeEvicted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := new(mockStorage[string, int]), new(row)
		strategy.room = 1
		f, _, told := changing(t, config.Storage[string, int](s), config.Evict[string](strategy))
		s.free = func(context.Context, string) error { return errOutage }
		each(t, f, "a", "b")
		told.hears(t, `store fault "a": outage`)
		noError(t, f.Set(t.Context(), "c", 1))
		told.hears(t, `store fault "b": outage`)
		if st := f.Stats(); st.Evicted != 0 {
			t.Errorf("%d were evicted", st.Evicted)
		}
	})
}

// Once Close has given up nothing is evicted any more: who waits to do so leaves.
func TestEvictionThatCloseGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := new(mockStorage[string, int]), new(row)
		strategy.room = 1
		f, _, told := changing(t, config.Storage[string, int](s), config.Evict[string](strategy), config.StoreBudget(time.Hour, time.Hour))
		each(t, f, "a")
		hold := make(chan struct{})
		s.offer = func(_ context.Context, key string) error {
			if key == "a" {
				<-hold
			}
			return nil
		}
		refresh := begin(1, func() (int, error) { return f.Refresh(t.Context(), "a") })
		call := begin(1, func() (int, error) { return f.Call(t.Context(), "b") })
		allWant(t, 1, call())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var left *memoize.CloseError
		if err := f.Close(ctx); !errors.As(err, &left) || left.Running != 2 {
			t.Errorf("Close: %v", err)
		}
		close(hold)
		refresh()
		synctest.Wait()
		s.exactly(t, "release a", 0)
		told.exactly(t, `evicted "a"`, 0)
	})
}

// What a strategy names goes from the storage that it keeps account of by then, and
// never from one that another strategy sees to.
func TestVictimsOfAStrategyThatStays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		first, second, strategy := newListed(), newListed(), new(row)
		f, live, told := changing(t, config.Evict[string](strategy), config.Storage[string, int](first))
		strategy.room = 1
		strategy.hook = func(what string) {
			if what == "written b" {
				strategy.hook = nil
				noError(t, live.Apply(config.Storage[string, int](second)))
				if _, err := f.Call(context.Background(), "x"); err != nil {
					t.Error(err)
				}
			}
		}
		wants(t, 1)(f.Call(t.Context(), "b"))
		settled(t, f)
		told.hears(t, "configuration changed", `evicted "x"`)
		if second.Len() != 0 || first.Len() != 1 {
			t.Errorf("the storages have %d and %d entries", first.Len(), second.Len())
		}
	})
	bubble(t, func(t *testing.T) {
		first, second, strategy := newListed(), newListed(), new(row)
		f, live, _ := changing(t, config.Evict[string](strategy), config.Storage[string, int](first))
		strategy.room = 1
		each(t, f, "a")
		strategy.hook = func(what string) {
			if what == "written b" {
				strategy.hook = nil
				noError(t, live.Apply(config.Storage[string, int](second), config.Evict[string](new(row))))
				if _, err := f.Call(context.Background(), "a"); err != nil {
					t.Error(err)
				}
			}
		}
		wants(t, 1)(f.Call(t.Context(), "b"))
		settled(t, f)
		if second.Len() != 1 {
			t.Errorf("what another strategy sees to is evicted: %d entries", second.Len())
		}
		if st := f.Stats(); st.Evicted != 1 || first.Len() != 1 {
			t.Errorf("%d were evicted, and %d stay", st.Evicted, first.Len())
		}
	})
}

// whoAsks is the key of a value in the context of a caller.
type whoAsks struct{}

// A storage sees the values of the context that it is asked under, whatever is done.
func TestStorageSeesTheValuesOfTheCaller(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, strategy := new(mockStorage[string, int]), new(row)
		strategy.room = 1
		f, _, _ := changing(t, config.Storage[string, int](s), config.Evict[string](strategy))
		saw := new(journal)
		sees := func(what string) func(ctx context.Context, key string) error {
			return func(ctx context.Context, key string) error {
				saw.add("%s %s for %v", what, key, ctx.Value(whoAsks{}))
				return nil
			}
		}
		s.get, s.offer, s.free = sees("get"), sees("offer"), sees("release")
		ctx := context.WithValue(t.Context(), whoAsks{}, "me")
		wants(t, 1)(f.Call(ctx, "a"))
		settled(t, f)
		saw.hears(t, "get a for me", "offer a for me")
		noError(t, f.Set(ctx, "a", 2))
		saw.hears(t, "offer a for me")
		wants(t, true)(f.Touch(ctx, "a"))
		saw.hears(t, "get a for me", "offer a for me")
		noError(t, f.Set(ctx, "b", 2))
		saw.hears(t, "offer b for me", "release a for me")
		noError(t, f.Invalidate(ctx, "b"))
		saw.hears(t, "release b for me")
	})
}
