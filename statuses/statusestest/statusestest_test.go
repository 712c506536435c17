package statusestest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/statuses"
)

// broken is a sound registry with one thing wrong: what is set here takes the
// place of what it does.
type broken struct {
	registry
	begin   func(r registry, key string, c statuses.Claim) (update, statuses.Role)
	hold    func(r registry, ctx context.Context, key string, fence bool) error
	free    func(r registry, key string, fence bool)
	keys    func(r registry) iter.Seq[string]
	start   func(u update, ctx context.Context, most int) (bool, error)
	publish func(u update, ctx context.Context) error
	yield   func(u update, ctx context.Context) (bool, error)
	end     func(r registry, u update, o statuses.Outcome[int])
	late    func(u update, err error) bool
	wait    func(u update, ctx context.Context) (statuses.Outcome[int], error)
	shed    func(u update, o statuses.Outcome[int], joined statuses.Claim) bool
	expect  func(u update, until time.Time)

	wrapped sync.Map // one wrapper an update
}

type wrapper struct {
	update
	b *broken
}

func (b *broken) Begin(key string, c statuses.Claim) (update, statuses.Role) {
	begin := registry.Begin
	if b.begin != nil {
		begin = b.begin
	}
	u, role := begin(b.registry, key, c)
	w, _ := b.wrapped.LoadOrStore(u, &wrapper{u, b})
	return w.(*wrapper), role
}

func (b *broken) Hold(ctx context.Context, key string, fence bool) error {
	if b.hold != nil {
		return b.hold(b.registry, ctx, key, fence)
	}
	return b.registry.Hold(ctx, key, fence)
}

func (b *broken) Free(key string, fence bool) {
	if b.free != nil {
		b.free(b.registry, key, fence)
		return
	}
	b.registry.Free(key, fence)
}

func (b *broken) Keys() iter.Seq[string] {
	if b.keys != nil {
		return b.keys(b.registry)
	}
	return b.registry.Keys()
}

func (w *wrapper) Start(ctx context.Context, most int) (bool, error) {
	if w.b.start != nil {
		return w.b.start(w.update, ctx, most)
	}
	return w.update.Start(ctx, most)
}

func (w *wrapper) Publish(ctx context.Context) error {
	if w.b.publish != nil {
		return w.b.publish(w.update, ctx)
	}
	return w.update.Publish(ctx)
}

func (w *wrapper) Yield(ctx context.Context) (bool, error) {
	if w.b.yield != nil {
		return w.b.yield(w.update, ctx)
	}
	return w.update.Yield(ctx)
}

func (w *wrapper) End(o statuses.Outcome[int]) {
	if w.b.end != nil {
		w.b.end(w.b.registry, w.update, o)
		return
	}
	w.update.End(o)
}

func (w *wrapper) Late(err error) bool {
	if w.b.late != nil {
		return w.b.late(w.update, err)
	}
	return w.update.Late(err)
}

func (w *wrapper) Wait(ctx context.Context) (statuses.Outcome[int], error) {
	if w.b.wait != nil {
		return w.b.wait(w.update, ctx)
	}
	return w.update.Wait(ctx)
}

func (w *wrapper) Shed(o statuses.Outcome[int], joined statuses.Claim) bool {
	if w.b.shed != nil {
		return w.b.shed(w.update, o, joined)
	}
	return w.update.Shed(o, joined)
}

func (w *wrapper) Expect(until time.Time) {
	if w.b.expect != nil {
		w.b.expect(w.update, until)
		return
	}
	w.update.Expect(until)
}

// What is wrong, where several checks find it out.

func startsAtOnce(u update, _ context.Context, most int) (bool, error) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, _ = u.Start(ended, most)
	return false, nil
}

func alwaysLooks(u update, ctx context.Context, most int) (bool, error) {
	_, err := u.Start(ctx, most)
	return true, err
}

func publishesAlways(u update, ctx context.Context) error {
	if err := u.Publish(ctx); ctx.Err() != nil {
		return err
	}
	return nil
}

func publishesAtOnce(u update, _ context.Context) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := u.Publish(ended); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func holdsAtOnce(registry, context.Context, string, bool) error { return nil }
func freesNothing(registry, string, bool)                       {}

func TestSuiteFindsBrokenRegistries(t *testing.T) {
	defer func(was time.Duration) { ages = was }(ages)
	ages = 200 * time.Millisecond // whoever waits for nothing
	for check, b := range map[string]func() *broken{
		"one leads and the others join": func() *broken {
			return &broken{begin: func(r registry, key string, c statuses.Claim) (update, statuses.Role) {
				u, _ := r.Begin(key, c)
				return u, statuses.Lead
			}}
		},
		"keys are independent": func() *broken {
			return &broken{begin: func(r registry, _ string, c statuses.Claim) (update, statuses.Role) { return r.Begin("one", c) }}
		},
		"everybody gets how the update ended": func() *broken {
			return &broken{wait: func(u update, ctx context.Context) (statuses.Outcome[int], error) {
				end, err := u.Wait(ctx)
				end.Err = nil
				return end, err
			}}
		},
		"after an end the next one leads a new update": func() *broken {
			var first update
			return &broken{begin: func(r registry, key string, c statuses.Claim) (update, statuses.Role) {
				if first == nil {
					first, _ = r.Begin(key, c)
				}
				return first, statuses.Lead
			}}
		},
		"End twice does nothing": func() *broken {
			return &broken{end: func(r registry, u update, o statuses.Outcome[int]) {
				u.End(o)
				r.Free(key, false)
			}}
		},
		"the end of an old update does not end a newer one": func() *broken {
			return &broken{end: func(r registry, u update, o statuses.Outcome[int]) {
				u.End(o)
				current, _ := r.Begin(key, statuses.Need)
				current.End(o)
			}}
		},
		"Wait ends with its context": func() *broken {
			return &broken{wait: func(update, context.Context) (statuses.Outcome[int], error) { return statuses.Outcome[int]{}, nil }}
		},
		"Force leads where nothing runs": func() *broken { return &broken{start: alwaysLooks} },
		"Force joins an update whose load has not begun": func() *broken {
			return &broken{begin: func(r registry, key string, c statuses.Claim) (update, statuses.Role) {
				if c == statuses.Force {
					c = statuses.Put
				}
				return r.Begin(key, c)
			}}
		},
		"Force queues the next update": func() *broken {
			return &broken{begin: func(r registry, key string, c statuses.Claim) (update, statuses.Role) {
				if c == statuses.Force {
					c = statuses.Need
				}
				return r.Begin(key, c)
			}}
		},
		"a queued update that is given up makes room": func() *broken {
			return &broken{end: func(_ registry, u update, o statuses.Outcome[int]) {
				if o.Entry != nil {
					u.End(o)
				}
			}}
		},
		"Start ends with its context": func() *broken { return &broken{start: startsAtOnce} },
		"Put supersedes what runs":    func() *broken { return &broken{publish: publishesAlways} },
		"Put is joined": func() *broken {
			return &broken{begin: func(r registry, key string, c statuses.Claim) (update, statuses.Role) {
				if c == statuses.Put {
					key = "aside"
				}
				return r.Begin(key, c)
			}}
		},
		"Put answers who waited before it": func() *broken {
			return &broken{wait: func(u update, ctx context.Context) (statuses.Outcome[int], error) {
				end, err := u.Wait(ctx)
				end.Fenced = false
				return end, err
			}}
		},
		"Put answers who waits for a load that has not begun": func() *broken {
			return &broken{start: func(u update, ctx context.Context, most int) (bool, error) {
				look, err := u.Start(ctx, most)
				if err == statuses.ErrEnded {
					err = nil
				}
				return look, err
			}}
		},
		"Put answers nobody who came after something newer": func() *broken {
			var all []update
			return &broken{
				begin: func(r registry, key string, c statuses.Claim) (update, statuses.Role) {
					u, role := r.Begin(key, c)
					all = append(all, u)
					return u, role
				},
				end: func(_ registry, u update, o statuses.Outcome[int]) {
					u.End(o)
					for _, other := range all {
						other.Late(o.Err)
					}
				},
			}
		},
		"Put waits for one who publishes": func() *broken { return &broken{publish: publishesAtOnce} },
		"Yield tells whether something newer has published": func() *broken {
			return &broken{yield: func(u update, ctx context.Context) (bool, error) {
				_, err := u.Yield(ctx)
				return true, err
			}}
		},
		"Yield waits for one who publishes, and others for it": func() *broken {
			return &broken{yield: func(update, context.Context) (bool, error) { return false, nil }}
		},
		"a fence supersedes what runs": func() *broken {
			return &broken{
				hold: func(r registry, ctx context.Context, key string, _ bool) error { return r.Hold(ctx, key, false) },
				free: func(r registry, key string, _ bool) { r.Free(key, false) },
			}
		},
		"a fence spares an update whose load has not begun": func() *broken {
			fenced := false
			return &broken{
				hold: func(r registry, ctx context.Context, key string, fence bool) error {
					fenced = true
					return r.Hold(ctx, key, fence)
				},
				publish: func(u update, ctx context.Context) error {
					if fenced {
						return statuses.ErrFenced
					}
					return u.Publish(ctx)
				},
			}
		},
		"until Free an update does not look at the store": func() *broken { return &broken{start: alwaysLooks} },
		"a fence stays though its Hold fails": func() *broken {
			return &broken{hold: func(r registry, ctx context.Context, key string, fence bool) error {
				if err := r.Hold(ctx, key, false); err != nil {
					return err
				}
				r.Free(key, false)
				return r.Hold(ctx, key, fence)
			}}
		},
		"Hold without a fence supersedes nothing": func() *broken {
			return &broken{
				hold: func(r registry, ctx context.Context, key string, _ bool) error { return r.Hold(ctx, key, true) },
				free: func(r registry, key string, _ bool) { r.Free(key, true) },
			}
		},
		"Publish waits for who holds the key": func() *broken { return &broken{publish: publishesAtOnce} },
		"Hold waits for one who publishes":    func() *broken { return &broken{hold: holdsAtOnce, free: freesNothing} },
		"Hold waits for who holds the key":    func() *broken { return &broken{hold: holdsAtOnce, free: freesNothing} },
		"Shed ends an update that nobody has joined": func() *broken {
			return &broken{shed: func(update, statuses.Outcome[int], statuses.Claim) bool { return true }}
		},
		"Shed spares an update that somebody waits for": func() *broken {
			return &broken{shed: func(u update, o statuses.Outcome[int], _ statuses.Claim) bool {
				return u.Shed(o, statuses.Need)
			}}
		},
		"Idle leads, and joins for nobody": func() *broken {
			return &broken{begin: func(r registry, key string, c statuses.Claim) (update, statuses.Role) {
				if c == statuses.Idle {
					c = statuses.Need
				}
				return r.Begin(key, c)
			}}
		},
		"of an update somebody joins while it is shed either is true": func() *broken {
			return &broken{shed: func(u update, o statuses.Outcome[int], joined statuses.Claim) bool {
				return !u.Shed(o, joined)
			}}
		},
		"callers say how long they wait": func() *broken {
			return &broken{expect: func(u update, until time.Time) {
				if until.IsZero() {
					until = time.Now()
				}
				u.Expect(until)
			}}
		},
		"Late releases who waits and the key": func() *broken {
			return &broken{late: func(update, error) bool { return false }}
		},
		"Late does nothing to what publishes or has ended": func() *broken {
			return &broken{late: func(u update, err error) bool {
				u.Late(err)
				return true
			}}
		},
		"a late update publishes where nothing is newer": func() *broken {
			late := false
			return &broken{
				late: func(u update, err error) bool {
					late = true
					return u.Late(err)
				},
				publish: func(u update, ctx context.Context) error {
					if late {
						return statuses.ErrSuperseded
					}
					return u.Publish(ctx)
				},
			}
		},
		"a late update does not publish after something newer": func() *broken { return &broken{publish: publishesAlways} },
		"a key has two loads at most":                          func() *broken { return &broken{start: startsAtOnce} },
		"late loads at their limit refuse another": func() *broken {
			return &broken{start: func(u update, ctx context.Context, _ int) (bool, error) { return u.Start(ctx, many) }}
		},
		"Keys yields what runs": func() *broken {
			return &broken{keys: func(registry) iter.Seq[string] { return func(func(string) bool) {} }}
		},
		"one at a time changes what is stored": func() *broken { return &broken{hold: holdsAtOnce, free: freesNothing} },
		"generations never go back":            func() *broken { return &broken{publish: publishesAlways} },
	} {
		t.Run(check, func(t *testing.T) {
			failed := checks.Failed(suite, check, func() registry {
				r := b()
				r.registry = statuses.NewInMemory[string, int](0, nil)
				return r
			})
			if len(failed) == 0 {
				t.Errorf("the check does not fail")
			}
		})
	}
}

// A registry that does nothing wrong passes every check, wrapped or not.
func TestSuitePassesASoundRegistry(t *testing.T) {
	for _, wrap := range []bool{false, true} {
		failed := checks.Failed(suite, "", func() registry {
			r := registry(statuses.NewInMemory[string, int](0, nil))
			if wrap {
				return &broken{registry: r}
			}
			return r
		})
		if len(failed) > 0 {
			t.Errorf("wrapped %v: %v", wrap, failed)
		}
	}
}
