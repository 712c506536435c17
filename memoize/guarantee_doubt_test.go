package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

// What is in doubt stays so until a write of this process's has changed the
// storage, and nothing that was given up can come after it.

var errNoStore = errors.New("the store is away")

// unresponsive is a store on a wire of which what was given up arrives all the same.
type unresponsive struct{ *wire }

func (d unresponsive) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return d.wire.Set(context.WithoutCancel(ctx), key, value, keep)
}

// leftSet has a Set of OLD left at its budget, and the key invalidated. The Set
// arrives when it is let go.
func leftSet(t *testing.T, w *wire, f *memoize.Func[string, string]) (arrives func()) {
	t.Helper()
	w.blocks("set")
	if err := f.Set(t.Context(), "a", "OLD"); !errors.Is(err, memoize.ErrUnavailable) {
		t.Fatalf("Set returns %v", err)
	}
	noError(t, f.Invalidate(t.Context(), "a"))
	return func() {
		w.unblocks("set")
		synctest.Wait()
		if w.Memory.Len() == 0 {
			t.Fatal("OLD is not there: the test is wrong")
		}
	}
}

// A fill that is refused has changed nothing, and says nothing of what is stored.
func TestG4ARefusedFillEndsNoDoubt(t *testing.T) {
	for _, verb := range []string{"call", "batch", "touch"} {
		t.Run(verb, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, w, g := t.Context(), newWire(), &gated{}
				f := process(t, unresponsive{w}, g.load)
				if verb == "batch" {
					f = memoize.Must(memoize.NewBatched(func(ctx context.Context, keys []string) (map[string]string, error) {
						values := map[string]string{}
						v, err := g.load(ctx, keys[0])
						for _, key := range keys {
							values[key] = v
						}
						return values, err
					}, config.Store(share(t, unresponsive{w})), config.Name("users")))
				}
				if verb == "touch" { // it has looked before the Set is left
					noError(t, f.Set(ctx, "a", "first"))
					w.blocks("fill 1")
					touched := begin(1, func() (bool, error) { return f.Touch(ctx, "a") })
					synctest.Wait()
					other := process(t, w, g.load)
					noError(t, other.Set(ctx, "a", "second"))
					w.unblocks("fill 1")
					allWant(t, false, touched())
				}
				arrives := leftSet(t, w, f)
				calls := func() (string, error) { return f.Call(ctx, "a") }
				if verb == "batch" {
					calls = func() (string, error) {
						v, err := f.CallMany(ctx, []string{"a", "b"})
						return v[0], err
					}
				}
				call := begin(1, calls)
				synctest.Wait() // it has claimed
				arrives()
				g.set(1)
				g.open(0, nil)
				allWant(t, "a@0", call()) // it is refused
				if v, found := f.Peek(ctx, "a"); found {
					t.Fatalf("%q is served", v)
				}
				next := begin(1, func() (string, error) { return f.Call(ctx, "a") })
				synctest.Wait()
				g.open(1, nil)
				allWant(t, "a@1", next())
				wants(t, "a@1")(f.Call(ctx, "a")) // and a fill that is accepted ends it
			})
		})
	}
}

// declining has something more relevant.
type declining struct {
	*mockStorage[string, string]
	declines bool
}

func (s *declining) Offer(ctx context.Context, key string, e *entry.Entry[string]) error {
	if s.declines {
		return nil
	}
	return s.mockStorage.Offer(ctx, key, e)
}

// An Offer that is declined is no acknowledgement.
func TestG4ADeclinedOfferEndsNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &declining{mockStorage: &mockStorage[string, string]{}}
		source := returning[string]("new")
		f := memoize.Must(memoize.New(source.load, config.Storage[string, string](s), config.Logger(discardLog), config.ExpireAfter(time.Hour)))
		noError(t, f.Set(t.Context(), "a", "old"))
		s.free = func(context.Context, string) error { return errNoStore }
		if err := f.Invalidate(t.Context(), "a"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatalf("Invalidate returns %v", err)
		}
		s.free, s.declines = nil, true
		for range 3 {
			wants(t, "new")(f.Call(t.Context(), "a"))
		}
		s.declines = false
		wants(t, "new")(f.Call(t.Context(), "a"))
		loads := source.count()
		wants(t, "new")(f.Call(t.Context(), "a"))
		wantCalls(t, source, loads)
	})
}

// queued says that what is offered waits, and has none of it.
type queued struct {
	plain
	queues bool
}

func (s *queued) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if s.queues {
		return fmt.Errorf("it is away: %w", storage.ErrQueued)
	}
	return s.plain.Set(ctx, key, value, keep)
}

// What waits for its store is not acknowledged. Where one of many does, the others'
// faults are theirs.
func TestG4WhatIsQueuedEndsNoDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w := t.Context(), newWire()
		s := &queued{plain: plain{w}}
		source := returning[string]("new")
		f := process(t, s, source.load)
		noError(t, f.Set(ctx, "a", "old"))
		w.fails("delete", errNoStore)
		if err := f.Invalidate(ctx, "a"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatalf("Invalidate returns %v", err)
		}
		s.queues = true
		wants(t, "new")(f.Call(ctx, "a"))
		wants(t, "new")(f.Call(ctx, "a"))
		if n := f.Stats().StoreFaults; n != 3 { // deletions
			t.Errorf("%d faults", n)
		}
	})
}

// A Clear ends the doubt of what had ended when it began, and of nothing else: it may
// have passed a key before a write to it came.
func TestG4AClearEndsNoDoubtThatItOverlapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w := t.Context(), newWire()
		c := &slowClear{unresponsive: unresponsive{w}, cleared: make(chan struct{}), goOn: make(chan struct{})}
		source := returning[string]("new")
		f := process(t, c, source.load)
		w.blocks("set")
		if err := f.Set(ctx, "a", "OLD"); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatalf("Set returns %v", err)
		}
		done := begin(1, func() (bool, error) { return true, f.InvalidateAll(ctx) })
		<-c.cleared
		w.unblocks("set") // after the key was passed
		synctest.Wait()
		close(c.goOn)
		allWant(t, true, done())
		if w.Memory.Len() != 1 {
			t.Fatal("OLD is not there: the test is wrong")
		}
		wants(t, "new")(f.Call(ctx, "a"))
	})
}

type slowClear struct {
	unresponsive
	cleared, goOn chan struct{}
}

func (s *slowClear) Clear(ctx context.Context, prefix string) error {
	err := s.Memory.Clear(ctx, prefix)
	close(s.cleared)
	<-s.goOn
	return err
}

// Who joined a load whose fill was refused never gets its value, also where the
// storage does not answer the second look.
func TestG4WhoJoinedARefusedLoadLoadsWhereTheSecondLookFails(t *testing.T) {
	for _, many := range []bool{false, true} {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("many=%v strict=%v", many, strict), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, w, g := t.Context(), newWire(), &gated{}
					one, two := process(t, w, g.load, config.FailOnStoreError(strict), config.Logger(discardLog)), process(t, w, g.load)
					old := begin(1, func() (string, error) { return one.Call(ctx, "a") })
					synctest.Wait()
					g.set(1)
					noError(t, two.Invalidate(ctx, "a"))
					joins := func() (string, error) { return one.Call(ctx, "a") }
					if many {
						joins = func() (string, error) {
							v, err := one.CallMany(ctx, []string{"a"})
							return v[0], err
						}
					}
					late := begin(3, joins)
					synctest.Wait()
					if g.count() != 1 {
						t.Fatalf("%d loads have begun", g.count())
					}
					for _, op := range []string{"get", "get 1", "claim 1"} {
						w.fails(op, errNoStore)
					}
					g.open(0, nil)
					synctest.Wait()
					if strict {
						for _, r := range late() {
							if !errors.Is(r.err, memoize.ErrUnavailable) {
								t.Errorf("%q, %v", r.value, r.err)
							}
						}
						old()
						return
					}
					if g.count() != 2 {
						t.Fatalf("%d loads have begun, want one more for all who joined", g.count())
					}
					g.open(1, nil)
					allWant(t, "a@1", late())
					allWant(t, "a@0", old()) // it called before
				})
			})
		}
	}
}

// clears is a store whose Clear fails.
type clears struct {
	*wire
	err error
}

func (s *clears) Clear(ctx context.Context, prefix string) error {
	if s.err != nil {
		return s.err
	}
	return s.Memory.Clear(ctx, prefix)
}

// Where InvalidateAll fails, this process serves nothing of what was stored before.
func TestG4AnInvalidateAllThatFailsIsOneForThisProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, c := t.Context(), &clears{wire: newWire()}
		source := returning[string]("new")
		one, two := process(t, c, source.load), process(t, c, source.load)
		for _, key := range []string{"a", "b"} {
			noError(t, two.Set(ctx, key, "old"))
		}
		wants(t, "old")(one.Call(ctx, "a"))
		c.err = errNoStore
		if err := one.InvalidateAll(ctx); !errors.Is(err, memoize.ErrUnavailable) {
			t.Fatalf("InvalidateAll returns %v", err)
		}
		if s := one.Stats(); s.StoreFaults != 1 {
			t.Errorf("%d faults of the store are counted", s.StoreFaults)
		}
		if _, found := one.Peek(ctx, "b"); found {
			t.Error("Peek finds what is to be forgotten")
		}
		wants(t, "new")(one.Call(ctx, "a"))
		wants(t, "old")(two.Call(ctx, "b"))
		time.Sleep(time.Minute)
		wants(t, "new")(one.Call(ctx, "a")) // is stored, if not at once: what comes within the time of a trip may be older
		loads := source.count()
		wants(t, "new")(one.Call(ctx, "a"))
		noError(t, two.Set(ctx, "b", "newer"))
		wants(t, "newer")(one.Call(ctx, "b")) // another process has stored it since
		wantCalls(t, source, loads)
		c.err = nil
		noError(t, one.InvalidateAll(ctx))
		noError(t, two.Set(ctx, "b", "last"))
		wants(t, "last")(one.Call(ctx, "b"))
	})
}

// lateSets is a store that gives up what it is to set while it is told to, and has it
// arrive later. It keeps to deadlines, or not.
type lateSets struct {
	storage.Bytes
	prompt, gives bool
	under         []func()
}

func (s *lateSets) ReturnsInTime() bool { return s.prompt }

func (s *lateSets) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if !s.gives {
		return s.Bytes.Set(ctx, key, value, keep)
	}
	s.under = append(s.under, func() { _ = s.Bytes.Set(context.WithoutCancel(ctx), key, value, keep) })
	return errors.New("i/o timeout")
}

func (s *lateSets) arrive() {
	for _, set := range s.under {
		set()
	}
	s.under = nil
}

// What was given up, and comes after an invalidation or a Set that was acknowledged,
// is served by nobody who knows of it, over a store that lets it come.
func TestG4AWriteThatArrivesLateIsNotServed(t *testing.T) {
	for _, prompt := range []bool{true, false} {
		for _, by := range []string{"Set", "load"} {
			for _, then := range []string{"Invalidate", "Set", "InvalidateAll"} {
				t.Run(fmt.Sprintf("prompt=%v %s then %s", prompt, by, then), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						ctx, m := t.Context(), storage.NewMemory()
						s := &lateSets{Bytes: plain{m}, prompt: prompt, gives: true}
						var b storage.Bytes = s
						if then == "InvalidateAll" {
							b = struct {
								*lateSets
								storage.ListerBytes
							}{s, m}
						}
						source := returning[string]("OLD")
						f := process(t, b, source.load, config.Logger(discardLog))
						if by == "load" {
							wants(t, "OLD")(f.Call(ctx, "a"))
						} else if err := f.Set(ctx, "a", "OLD"); !errors.Is(err, memoize.ErrUnavailable) {
							t.Fatalf("Set returns %v", err)
						}
						s.gives = false
						source.returns("new")
						switch then {
						case "Set":
							noError(t, f.Set(ctx, "a", "new"))
						case "Invalidate":
							noError(t, f.Invalidate(ctx, "a"))
						case "InvalidateAll":
							noError(t, f.InvalidateAll(ctx))
						}
						wants(t, "new")(f.Call(ctx, "a"))
						s.arrive()
						for range 3 {
							if v, found := f.Peek(ctx, "a"); found && v != "new" {
								t.Fatalf("%q is found", v)
							}
							wants(t, "new")(f.Call(ctx, "a"))
						}
						time.Sleep(time.Minute) // nothing comes any more
						wants(t, "new")(f.Call(ctx, "a"))
						loads := source.count()
						wants(t, "new")(f.Call(ctx, "a"))
						wantCalls(t, source, loads)
					})
				})
			}
		}
	}
}

// Where nothing was invalidated, a store that was away is served from as soon as a
// write is acknowledged.
func TestG9AStoreThatIsBackIsUsedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, s := t.Context(), &lateSets{Bytes: plain{storage.NewMemory()}, gives: true}
		source := returning[string]("v")
		f := process(t, s, source.load, config.Logger(discardLog))
		wants(t, "v")(f.Call(ctx, "a"))
		s.gives = false
		wants(t, "v")(f.Call(ctx, "a"))
		wants(t, "v")(f.Call(ctx, "a"))
		wantCalls(t, source, 2)
	})
}
