package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/storage"
)

// fencing is a storage that processes share, with what others do in between.
type fencing struct {
	mockStorage[string, int]
	mu      sync.Mutex
	token   int
	floor   map[string]int
	between func(op string) error // called first in each claim, fill and read of many
	short   map[string]bool       // operations that answer for one key less
	after   func()                // called last in each fill
	unread  error                 // of what each claim finds
}

func newFencing() *fencing { return &fencing{floor: map[string]int{}, short: map[string]bool{}} }

func (s *fencing) reach(op string) error {
	s.mu.Lock()
	between := s.between
	s.mu.Unlock()
	if between == nil {
		return nil
	}
	return between(op)
}

func (s *fencing) does(between func(op string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.between = between
}

func (s *fencing) fence(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token++
	s.floor[key] = s.token
}

// another stores what another process has loaded, now.
func (s *fencing) another(key string, value int, life time.Duration) {
	s.fence(key)
	now := entry.At(time.Now())
	s.stored.Store(key, entry.New(value, now, entry.Life{UpdateAfter: life, ExpireAfter: 2 * life}))
}

func (s *fencing) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	s.fence(key)
	return s.mockStorage.Offer(ctx, key, e)
}

func (s *fencing) Release(ctx context.Context, key string) error {
	s.fence(key)
	return s.mockStorage.Release(ctx, key)
}

func (s *fencing) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	if err := s.reach("get"); err != nil {
		s.add("get %v", key)
		return nil, err
	}
	return s.mockStorage.Get(ctx, key)
}

func (s *fencing) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claim[int], error) {
	s.add("claim %v for %v", strings.Join(keys, " "), hold)
	if err := s.reach("claim"); err != nil {
		return nil, err
	}
	claims := []storage.Claim[int]{}
	for _, key := range keys {
		s.mu.Lock()
		s.token++
		c := storage.Claim[int]{Token: fmt.Sprint(s.token), Err: s.unread}
		s.mu.Unlock()
		if e, ok := s.stored.Load(key); ok {
			c.Entry = e.(*entry.Entry[int])
		}
		claims = append(claims, c)
	}
	if s.short["claim"] {
		claims = claims[1:]
	}
	return claims, nil
}

func (s *fencing) Fill(ctx context.Context, fills ...storage.Fill[string, int]) ([]bool, error) {
	what := "fill"
	for _, f := range fills {
		what += fmt.Sprintf(" %v=%v", f.Key, f.Entry.Value)
		if f.Touch {
			what += " as it was"
		}
	}
	s.add("%s", what)
	if err := s.reach("fill"); err != nil {
		return nil, err
	}
	var kept []bool
	for _, f := range fills {
		var token int
		fmt.Sscan(f.Token, &token)
		s.mu.Lock()
		good := token > s.floor[f.Key]
		s.mu.Unlock()
		if good {
			s.stored.Store(f.Key, f.Entry)
		}
		kept = append(kept, good)
	}
	if s.short["fill"] {
		kept = kept[1:]
	}
	if s.after != nil {
		s.after()
	}
	return kept, nil
}

func fenced(t *testing.T, s storage.Storage[string, int], source *scripted[string, int], opts ...config.Option) (*memoize.Func[string, int], *journal) {
	t.Helper()
	told := new(journal)
	f, err := memoize.New(source.load, append(with(config.Name("fenced"), config.Storage(s), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
		switch e.Kind {
		case observe.LoadStarted, observe.LoadEnded, observe.Stored:
		case observe.StoreFault:
			told.add("%v %s: %v", e.Kind, e.Key, e.Err)
		default:
			told.add("%v %s", e.Kind, e.Key)
		}
	}))), opts...)...)
	noError(t, err)
	t.Cleanup(func() { _ = f.Close(context.Background()) })
	return f, told
}

const held2m = "2m0.25s" // the method timeout and the budget of a write

// A load claims its key for as long as it may take to load and to store, and fills it.
func TestALoadClaimsItsKeyAndFillsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := newFencing(), returning[string](1)
		f, told := fenced(t, s, source)
		calls(t, f, "a")
		s.hears(t, "get a", "claim a for "+held2m, "fill a=1")
		calls(t, f, "a")
		s.hears(t, "get a")
		if ok, err := f.Touch(t.Context(), "a"); !ok || err != nil {
			t.Errorf("Touch: %v, %v", ok, err)
		}
		s.hears(t, "claim a for "+held2m, "fill a=1 as it was")
		noError(t, f.Set(t.Context(), "a", 2))
		s.hears(t, "offer a=2")
		noError(t, f.Invalidate(t.Context(), "a"))
		s.hears(t, "release a")
		if ok, err := f.Touch(t.Context(), "a"); ok || err != nil {
			t.Errorf("Touch: %v, %v", ok, err)
		}
		s.hears(t, "claim a for "+held2m)
		told.hears(t)
		f, _ = fenced(t, s, source, config.MethodTimeout(math.MaxInt64), config.Name("endless"))
		calls(t, f, "b")
		s.hears(t, "get b", "claim b for "+time.Duration(math.MaxInt64).String(), "fill b=1")
	})
}

// What another process has stored just now is as good as a load, but for who asks for
// a new value.
func TestAClaimThatFindsAValue(t *testing.T) {
	for name, c := range map[string]struct {
		life   time.Duration // of what another has stored
		force  bool
		value  int
		loads  int
		stored int
	}{
		"fresh":  {time.Minute, false, 7, 0, 7},
		"stale":  {0, false, 1, 1, 1},
		"forced": {time.Minute, true, 1, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, source := newFencing(), returning[string](1)
				f, _ := fenced(t, s, source)
				s.does(func(op string) error {
					if op == "claim" {
						s.another("a", 7, c.life)
					}
					return nil
				})
				call := f.Call
				if c.force {
					call = f.Refresh
				}
				wants(t, c.value)(call(t.Context(), "a"))
				settled(t, f)
				wantCalls(t, source, c.loads)
				if v, _ := s.holds("a"); v != c.stored {
					t.Errorf("%d is stored", v)
				}
			})
		})
	}
}

// Faults of claims and fills cost nobody the value, and say what is wrong.
func TestFaultsOfClaimsAndFills(t *testing.T) {
	for name, c := range map[string]struct {
		fails, short string
		asked        []string
		touched      string // the error of a Touch
	}{
		"claim":       {"claim", "", []string{"get a", "claim a for " + held2m}, ""},
		"fill":        {"fill", "", []string{"get a", "claim a for " + held2m, "fill a=1"}, "outage"},
		"short claim": {"", "claim", []string{"get a", "claim a for " + held2m}, ""},
		"short fill":  {"", "fill", []string{"get a", "claim a for " + held2m, "fill a=1"}, "fewer keys"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, source := newFencing(), returning[string](1)
				f, told := fenced(t, s, source)
				fails := func(yes bool) {
					s.short[c.short] = yes
					s.does(func(op string) error {
						if op == c.fails && yes {
							return errOutage
						}
						return nil
					})
				}
				fails(true)
				wants(t, 1)(f.Call(t.Context(), "a"))
				settled(t, f)
				s.hears(t, c.asked...)
				got := told.all()
				if len(got) != 1 || !strings.HasPrefix(got[0], `store fault "a": `) || (c.short != "") != strings.Contains(got[0], "fewer keys than it was asked for") {
					t.Errorf("told: %q", got)
				}
				if st := f.Stats(); st.StoreFaults != 1 || st.LoadsFailed != 0 || st.Fenced != 0 {
					t.Errorf("%d faults, %d failed, %d fenced", st.StoreFaults, st.LoadsFailed, st.Fenced)
				}
				fails(false)
				noError(t, f.Set(t.Context(), "b", 2))
				fails(true)
				ok, err := f.Touch(t.Context(), "b")
				if ok || (c.touched != "") != (err != nil) || err != nil && (!errors.Is(err, memoize.ErrUnavailable) || !strings.Contains(err.Error(), c.touched)) {
					t.Errorf("Touch: %v, %v", ok, err)
				}
				fails(false)
				noError(t, f.Set(t.Context(), "b", 2))
				wants(t, 2)(f.Call(t.Context(), "b"))
			})
		})
	}
}

// Where calls are to fail with the storage, a load that can't claim its key asks no
// source, and neither does a Touch.
func TestFailOnStoreErrorOfAClaim(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := newFencing(), returning[string](1)
		f, _ := fenced(t, s, source, config.FailOnStoreError(true))
		s.does(func(op string) error {
			if op == "claim" {
				return errOutage
			}
			return nil
		})
		_, err := f.Call(t.Context(), "a")
		loadError(t, err, memoize.Failed, errOutage)
		if !errors.Is(err, memoize.ErrUnavailable) {
			t.Errorf("Call: %v", err)
		}
		wantCalls(t, source, 0)
		if ok, err := f.Touch(t.Context(), "a"); ok || !errors.Is(err, memoize.ErrUnavailable) || !errors.Is(err, errOutage) {
			t.Errorf("Touch: %v, %v", ok, err)
		}
	})
}

// What the storage refuses is the leader's all the same. Who has joined it looks again,
// and gets what is newer.
func TestWhoJoinsARefusedLoad(t *testing.T) {
	type result struct {
		value int
		why   memoize.Why
		state entry.State
	}
	for name, c := range map[string]struct {
		meanwhile func(s *fencing) // another process, while the source is asked
		get       error            // of the second look
		want      result
		loads     int
		faults    uint64
	}{
		"a newer value":       {func(s *fencing) { s.another("a", 7, time.Minute) }, nil, result{7, memoize.Hit, entry.Fresh}, 1, 0},
		"a stale value":       {func(s *fencing) { s.another("a", 7, 0) }, nil, result{2, memoize.Miss, entry.Fresh}, 2, 0},
		"nothing":             {func(s *fencing) { s.fence("a") }, nil, result{2, memoize.Miss, entry.Fresh}, 2, 0},
		"no answer":           {func(s *fencing) { s.another("a", 7, time.Minute) }, errOutage, result{7, memoize.Miss, entry.Fresh}, 1, 2}, // the leader looks too
		"what can't be read":  {func(s *fencing) { s.fence("a") }, storage.ErrUnreadable, result{2, memoize.Miss, entry.Fresh}, 2, 1},
		"not refused, no get": {func(*fencing) {}, nil, result{1, memoize.Joined, entry.Fresh}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, source := newFencing(), returning[string](1)
				f, told := fenced(t, s, source)
				open := source.holds()
				leader := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
				joiner := begin(1, func() (memoize.Result[int], error) { return f.Result(t.Context(), "a") })
				source.returns(2)
				source.lets()
				c.meanwhile(s)
				s.does(func(op string) error {
					if op == "get" {
						return c.get
					}
					return nil
				})
				s.reset()
				open()
				r, led := joiner()[0], leader()[0] // who may look later, and find what the other has loaded
				if led.err != nil || led.value != 1 && led.value != c.want.value {
					t.Errorf("the leader got %v, %v", led.value, led.err)
				}
				settled(t, f)
				if got := (result{r.value.Value, r.value.Why, r.value.State}); r.err != nil || got != c.want {
					t.Errorf("got %+v, %v; want %+v; the storage was asked %q", got, r.err, c.want, s.all())
				}
				wantCalls(t, source, c.loads)
				st := f.Stats()
				if name == "not refused, no get" {
					s.hears(t, "fill a=1")
					told.hears(t)
				} else if st.Fenced != 1 || !slices.Contains(told.all(), `fenced "a"`) || st.StoreFaults != c.faults {
					t.Errorf("%d fenced, %d faults; told: %q", st.Fenced, st.StoreFaults, told.all())
				}
				if st.Calls != 2 || st.Fresh+st.Loaded+st.Joined != 2 {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

// Who leaves during the second look has left, and is no fault of the storage's.
func TestWhoLeavesDuringTheSecondLook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := newFencing(), returning[string](1)
		f, told := fenced(t, s, source, config.StoreBudget(time.Minute, time.Minute))
		open := source.holds()
		leader := begin(1, func() (int, error) { return f.Call(t.Context(), "a") })
		ctx, cancel := context.WithCancel(t.Context())
		joiner := begin(1, func() (int, error) { return f.Call(ctx, "a") })
		s.fence("a")
		hold := make(chan struct{})
		s.does(func(op string) error {
			if op == "get" {
				<-hold
			}
			return nil
		})
		open()
		synctest.Wait()
		cancel()
		if r := joiner()[0]; r.err != context.Canceled {
			t.Errorf("got %v, %v", r.value, r.err)
		}
		close(hold)
		allWant(t, 1, leader())
		settled(t, f)
		if st := f.Stats(); st.Left != 1 || st.StoreFaults != 0 || st.Calls != 2 {
			t.Errorf("%+v", st)
		}
		told.hears(t, `fenced "a"`)
	})
}

// reading is a fencing that reads many at once.
type reading struct{ *fencing }

func (s reading) GetMany(ctx context.Context, keys []string) ([]*entry.Entry[int], error) {
	s.add("get %v", keys)
	if err := s.reach("get many"); err != nil {
		return nil, err
	}
	found := make([]*entry.Entry[int], len(keys))
	for i, key := range keys {
		if e, ok := s.stored.Load(key); ok {
			found[i] = e.(*entry.Entry[int])
		}
	}
	if s.short["get many"] {
		found = found[1:]
	}
	return found, nil
}

// A call for many that has joined loads which are refused looks at all of their keys
// at once, and then waits for all that it has not found.
func TestCallManyThatJoinsRefusedLoads(t *testing.T) {
	for name, c := range map[string]struct {
		get    func(cancel func()) error // of the second look
		values []int
		err    error
		loads  int
		faults uint64
		left   uint64
	}{
		"answered":  {func(func()) error { return nil }, []int{7, 8, 2}, nil, 5, 0, 0}, // of a stale one too
		"no answer": {func(func()) error { return errOutage }, []int{7, 2, 2}, nil, 5, 1, 0},
		"leaves": {func(cancel func()) error {
			cancel()
			time.Sleep(time.Second)
			return nil
		}, nil, context.Canceled, 3, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, source := reading{newFencing()}, returning[string](1)
				f, told := fenced(t, s, source)
				args := []string{"a", "b", "c"}
				open := source.holds()
				leaders := begin(1, func() (int, error) { _, err := f.CallMany(t.Context(), args); return 0, err })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				joiner := begin(1, func() (string, error) { v, err := f.CallMany(ctx, args); return fmt.Sprint(v), err })
				source.returns(2)
				source.lets()
				s.another("a", 7, time.Minute)
				now := entry.At(time.Now())
				s.another("b", 0, 0)
				s.stored.Store("b", entry.New(8, now, entry.Life{UpdateAfter: time.Nanosecond, ExpireAfter: time.Hour}))
				s.fence("c")
				time.Sleep(time.Millisecond)
				s.does(func(op string) error {
					if op == "get many" {
						return c.get(cancel)
					}
					return nil
				})
				s.reset()
				open()
				allWant(t, 0, leaders())
				r := joiner()[0]
				settled(t, f)
				time.Sleep(time.Minute)
				if c.err != nil && !errors.Is(r.err, c.err) || c.err == nil && (r.err != nil || r.value != fmt.Sprint(c.values)) {
					t.Errorf("got %v, %v; want %v, %v", r.value, r.err, c.values, c.err)
				}
				wantCalls(t, source, c.loads)
				s.exactly(t, "get [a b c]", 1)
				if st := f.Stats(); st.Fenced != 3 || st.StoreFaults != c.faults || st.Left != c.left || st.Calls != 6 {
					t.Errorf("%+v; told: %q", st, told.all())
				}
			})
		})
	}
}

// A read of many that answers for fewer is a fault, and a miss of all.
func TestReadOfManyThatIsShort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, source := reading{newFencing()}, returning[string](1)
		f, told := fenced(t, s, source)
		noError(t, f.SetMany(t.Context(), []string{"a", "b"}, []int{7, 8}))
		s.short["get many"] = true
		if _, found := f.PeekMany(t.Context(), []string{"a", "b"}); slices.Contains(found, true) {
			t.Errorf("found %v", found)
		}
		if got := told.all(); len(got) != 1 || !strings.Contains(got[0], "its GetMany, Claim and Fill must answer for each") {
			t.Errorf("told: %q", got)
		}
		s.short["get many"] = false
		if values, found := f.PeekMany(t.Context(), []string{"a", "b"}); !slices.Equal(found, []bool{true, true}) || !slices.Equal(values, []int{7, 8}) {
			t.Errorf("found %v, %v", values, found)
		}
	})
}

// Who joins a load whose value is being stored may have begun after another process has
// invalidated that: it looks again, and where the storage does not answer has the value.
func TestWhoJoinsALoadThatIsBeingStored(t *testing.T) {
	for name, c := range map[string]struct {
		life   time.Duration // of what another process has stored meanwhile; negative is nothing
		get    error         // of the second look
		value  int
		why    memoize.Why
		loads  int // for each key
		faults int
	}{
		"nothing":            {-1, nil, 2, memoize.Miss, 2, 0},
		"a new one":          {time.Minute, nil, 7, memoize.Hit, 1, 0},
		"a stale one":        {0, nil, 7, memoize.Stale, 2, 0},
		"no answer":          {time.Minute, errOutage, 1, memoize.Joined, 1, 1},
		"what can't be read": {-1, storage.ErrUnreadable, 2, memoize.Miss, 2, 0},
	} {
		for kind, keys := range map[string]int{"one": 1, "one that may be many": 1, "many": 3, "many at once": 3} {
			t.Run(name+" "+kind, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s, source := newFencing(), returning[string](1)
					var where storage.Storage[string, int] = s
					if kind == "many at once" || kind == "one that may be many" {
						where = reading{s}
					}
					f, told := fenced(t, where, source, config.StoreBudget(time.Hour, time.Hour))
					args := []string{"a", "b", "c"}[:keys]
					hold := make(chan struct{})
					s.after = func() { <-hold }
					leaders := begin(1, func() (int, error) { return 0, lastOf(f.CallMany(t.Context(), args)) })
					s.stored.Clear() // another process invalidates, once the value is stored
					source.returns(2)
					joiner := begin(1, func() ([]int, error) {
						if keys > 1 {
							return f.CallMany(t.Context(), args)
						}
						r, err := f.Result(t.Context(), "a")
						if r.Why != c.why {
							t.Errorf("it came by the value by %v, want %v", r.Why, c.why)
						}
						return []int{r.Value}, err
					})
					now := entry.At(time.Now())
					for _, key := range args {
						if c.life >= 0 {
							s.fence(key)
							s.stored.Store(key, entry.New(7, now, entry.Life{UpdateAfter: c.life + 1, ExpireAfter: time.Hour}))
						}
					}
					time.Sleep(time.Millisecond)
					s.does(func(op string) error {
						if op == "get" || op == "get many" {
							return c.get
						}
						return nil
					})
					s.after = nil
					close(hold)
					allWant(t, 0, leaders())
					r := joiner()[0]
					settled(t, f)
					want := slices.Repeat([]int{c.value}, keys)
					if r.err != nil || !slices.Equal(r.value, want) {
						t.Errorf("got %v, %v; want %v", r.value, r.err, want)
					}
					wantCalls(t, source, c.loads*keys)
					faults := c.faults
					if kind == "many" {
						faults *= keys
					}
					if st := f.Stats(); int(st.StoreFaults) != faults || st.Fenced != 0 || st.Calls != uint64(2*keys) {
						t.Errorf("%d faults, %d fenced, %d calls; told: %q", st.StoreFaults, st.Fenced, st.Calls, told.all())
					}
				})
			})
		}
	}
}

// Who has looked again does so no third time: what it joins then has begun after it.
func TestWhoJoinsRefusedLoadsLooksOnceMore(t *testing.T) {
	for kind, keys := range map[string]int{"one": 1, "many": 2} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, source := reading{newFencing()}, returning[string](1)
				f, _ := fenced(t, s, source)
				source.takes = time.Second
				args := []string{"a", "b"}[:keys]
				s.does(func(op string) error {
					if op == "fill" { // another process is always faster
						s.fence("a")
						s.fence("b")
					}
					return nil
				})
				for _, r := range together(3, func() ([]int, error) {
					if keys > 1 {
						return f.CallMany(t.Context(), args)
					}
					return nil, lastOf(f.Call(t.Context(), "a"))
				}) {
					noError(t, r.err)
				}
				settled(t, f)
				wantCalls(t, source, 2*keys)
			})
		})
	}
}

// What a claim can't read of a key is nothing to touch, and a fault.
func TestTouchOfWhatAClaimCantRead(t *testing.T) {
	for fails, err := range map[bool]error{false: storage.ErrUnreadable, true: errOutage} {
		bubble(t, func(t *testing.T) {
			s := newFencing()
			f, told := fenced(t, s, returning[string](1), config.FailOnStoreError(fails))
			noError(t, f.Set(t.Context(), "a", 7))
			s.unread = err
			ok, got := f.Touch(t.Context(), "a")
			if ok || fails != errors.Is(got, memoize.ErrUnavailable) || !fails && got != nil {
				t.Errorf("%v, %v", ok, got)
			}
			if n := f.Stats().StoreFaults; n != 1 || len(told.all()) != 1 {
				t.Errorf("%d faults; told: %q", n, told.all())
			}
			s.unread = nil
			if ok, err := f.Touch(t.Context(), "a"); !ok || err != nil {
				t.Errorf("%v, %v", ok, err)
			}
		})
	}
}

// A fill that panics, or says nothing of those that it has no fault of, costs nobody
// the value.
func TestFillsThatSayNothing(t *testing.T) {
	for name, fill := range map[string]func() error{
		"panics":  func() error { panic("oops") },
		"is away": func() error { return errOutage },
		"of one":  func() error { return &storage.ItemError{Item: 1, Err: errOutage} },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newFencing()
				f, err := memoize.NewBatched(func(_ context.Context, keys []string) (map[string]int, error) {
					return map[string]int{"a": 1, "b": 1, "c": 1}, nil
				}, with(config.Storage[string, int](s), config.Logger(discardLog))...)
				noError(t, err)
				s.does(func(op string) error {
					if op == "fill" {
						return fill()
					}
					return nil
				})
				values, err := f.CallMany(t.Context(), []string{"a", "b", "c"})
				if err != nil || !slices.Equal(values, []int{1, 1, 1}) {
					t.Errorf("%v, %v", values, err)
				}
				settled(t, f)
				if st := f.Stats(); st.StoreFaults != 1 || st.Panics != 0 || st.LoadsFailed != 0 {
					t.Errorf("%+v", st)
				}
				noError(t, f.Close(t.Context()))
			})
		})
	}
}
