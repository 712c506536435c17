package synced_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

func TestDefault(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		given := map[string]int{"a": 1}
		x := variable(t, s.member(t), "x", synced.Default(given))
		given["a"] = 99
		got, err := x.Get(t.Context())
		if done(t, err); got["a"] != 1 {
			t.Errorf("Get: %v", got)
		}
		got["a"] = 99
		wantValue(t, x, map[string]int{"a": 1})
		s.has(t, "x", "") // it is not stored
		got, err = x.Update(t.Context(), func(now map[string]int) (map[string]int, error) {
			now["a"]++
			return now, nil
		})
		if done(t, err); got["a"] != 2 {
			t.Errorf("Update: %v", got)
		}
		s.has(t, "x", `{"a":2}`)
		if _, err := synced.NewVar(s.member(t), "x", synced.Default(func() {})); !errors.Is(err, synced.ErrValue) {
			t.Errorf("a default that can't be written: %v", err)
		}
	})
}

// Whatever is wrong, Get returns something to go on with.
func TestDefaultWithAnyError(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		x := variable(t, s.member(t), "x", synced.Default(7))
		s.write(t, "x", "no JSON")
		got, err := x.Get(t.Context())
		if matches(t, err, synced.ErrForeign); got != 7 {
			t.Errorf("what can't be read: %v", got)
		}
		y := variable(t, s.member(t), "y", synced.Default(8))
		s.leave()
		got, err = y.Get(t.Context())
		if matches(t, err, resilient.ErrAway); got != 8 {
			t.Errorf("the server is away: %v", got)
		}
	})
}

func TestCodec(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		raw, err := serde.Raw[string]()
		done(t, err)
		x := variable(t, s.member(t), "x", synced.Codec(raw))
		done(t, x.Set(t.Context(), "as it is \xff"))
		s.has(t, "x", "as it is \xff")
		wantValue(t, x, "as it is \xff")
		gob, err := serde.Gob[[]any]()
		done(t, err)
		l, err := synced.NewList(s.member(t), "l", synced.Codec(gob))
		done(t, err)
		done(t, l.Append(t.Context(), 1, "a"))
		done(t, l.Append(t.Context(), 2.5))
		wantAll(t, l, []any{1, "a", 2.5})
		_, err = list[any](t, s.member(t), "l").All(t.Context())
		matches(t, err, synced.ErrForeign)
		if _, err := synced.NewVar(s.member(t), "x", synced.Codec[string](nil)); err == nil {
			t.Error("a codec that is nil is taken")
		}
	})
}

// No change is lost, by whichever process and handle.
func TestConcurrentUpdates(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		const members, each = 4, 50
		var wg sync.WaitGroup
		for range members {
			m := s.member(t)
			n, d, l := variable[int](t, m, "n"), dict[int](t, m, "d"), list[int](t, m, "l")
			wg.Go(func() {
				for i := range each {
					_, err := n.Update(t.Context(), func(n int) (int, error) { return n + 1, nil })
					done(t, err)
					_, err = d.Update(t.Context(), "k", func(n int) (int, error) { return n + 1, nil })
					done(t, err)
					done(t, l.Append(t.Context(), i))
				}
			})
		}
		wg.Wait()
		m := s.member(t)
		wantValue(t, variable[int](t, m, "n"), members*each)
		wantAll(t, dict[int](t, m, "d"), map[string]int{"k": members * each})
		if all, err := list[int](t, m, "l").All(t.Context()); err != nil || len(all) != members*each {
			t.Errorf("%d were appended, want %d: %v", len(all), members*each, err)
		}
	})
}

func TestUpdateThatFails(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		x := variable[int](t, m, "x")
		done(t, x.Set(t.Context(), 1))
		enough := errors.New("enough")
		for _, away := range []bool{false, true} {
			if away {
				s.leave()
			}
			_, err := x.Update(t.Context(), func(int) (int, error) { return 9, enough })
			if matches(t, err, enough); err == nil || !strings.Contains(err.Error(), `"x"`) {
				t.Errorf("away %v: the error does not name the value: %v", away, err)
			}
			got, err := x.Update(t.Context(), func(int) (int, error) { return 9, synced.ErrNoChange })
			if err != nil || got != 1 {
				t.Errorf("away %v: Update without a change: %v, %v", away, got, err)
			}
		}
		if n := m.Stats().Keys; n != 0 {
			t.Errorf("%d changes are queued", n)
		}
		s.has(t, "x", "1")
	})
}

func TestWatch(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		a, b := s.member(t), s.member(t)
		var told []synced.Change
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.Watch(ctx, func(c synced.Change) { told = append(told, c) }) }()
		synctest.Wait()
		x := variable[int](t, a, "a:b")
		done(t, x.Set(t.Context(), 1))
		synctest.Wait()
		done(t, x.Delete(t.Context()))
		done(t, variable[int](t, a.Scope("flags"), "x").Set(t.Context(), 1)) // is not told of
		synctest.Wait()
		want := []synced.Change{{Missed: true}, {Name: "a:b"}, {Name: "a:b", Deleted: true}}
		if !slices.Equal(told, want) {
			t.Errorf("Watch told %+v, want %+v", told, want)
		}
		cancel()
		if err := <-ended; err != context.Canceled {
			t.Errorf("Watch returned %v", err)
		}
	})
}

// While a Watch runs a Get asks nobody, and sees what others have done.
func TestWatchedGetAsksNobody(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		a, b := s.member(t), s.member(t)
		ofA, ofB := variable[int](t, a.Scope("flags"), "x"), variable[int](t, b.Scope("flags"), "x")
		done(t, ofA.Set(t.Context(), 0))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _ = b.Watch(ctx, nil) }() // its end is the context's
		synctest.Wait()
		for i := range 3 {
			done(t, ofA.Set(t.Context(), i))
			synctest.Wait()
			wantValue(t, ofB, i) // perhaps asks, for it was changed
			synctest.Wait()
			if asked := s.count(func() { wantValue(t, ofB, i) }); asked != 0 {
				t.Errorf("Get %d asked the server %d times", i, asked)
			}
		}
		time.Sleep(resilient.RecheckAfter - time.Second)
		if asked := s.count(func() { wantValue(t, ofB, 2) }); asked != 0 {
			t.Errorf("a later Get asked the server %d times", asked)
		}
		time.Sleep(time.Second)
		if asked := s.count(func() { wantValue(t, ofB, 2); wantValue(t, ofB, 2) }); asked != 1 {
			t.Errorf("two Gets after a minute asked the server %d times", asked)
		}
		s.leave()
		wantValue(t, ofB, 2)
		s.comeBack()
		time.Sleep(longest)
		s.write(t, "flags:x", "5")
		synctest.Wait()
		wantValue(t, ofB, 5)
	})
}

// A list or dict that is nil is one that is empty, and is stored.
func TestNilIsEmpty(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		l, d := list[int](t, m, "l"), dict[int](t, m, "d")
		done(t, l.Whole().Set(t.Context(), nil))
		done(t, d.Whole().Set(t.Context(), nil))
		s.has(t, "l", "[]")
		s.has(t, "d", "{}")
		s.write(t, "l", "null") // as a Var of a slice may store it
		s.write(t, "d", "null")
		wantAll(t, l, []int{})
		done(t, d.Put(t.Context(), "k", 1))
		wantAll(t, d, map[string]int{"k": 1})
	})
}

// oversized is a server with one value that it does not give out.
type oversized struct{ *server }

func (s oversized) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	if slices.Contains(keys, prefix+"large") {
		return nil, storage.Refused(errors.New("the value is too large"))
	}
	return s.server.Look(ctx, keys...)
}

// One value that can't be had keeps nobody from the others.
func TestOpensWithValuesThatCantBeRead(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		s.write(t, "large", "1")
		s.write(t, "small", "2")
		store, err := resilient.New(oversized{s})
		done(t, err)
		m, err := synced.New(t.Context(), store, prefix)
		if err != nil {
			t.Fatal(err)
		}
		wantValue(t, variable[int](t, m, "small"), 2)
		_, err = variable[int](t, m, "large").Get(t.Context())
		matches(t, err, storage.ErrRefused)
		done(t, m.Close(t.Context()))
	})
}

func TestNewIsGivenNothing(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		store, err := resilient.New(s)
		done(t, err)
		for what, err := range map[string]error{
			"no store":            last(synced.New(t.Context(), nil, prefix)),
			"no prefix":           last(synced.New(t.Context(), store, "")),
			"a context that ends": last(synced.New(ended(t), store, prefix)),
		} {
			if err == nil || !strings.HasPrefix(err.Error(), "synced: ") {
				t.Errorf("%s: the error is %v", what, err)
			}
		}
	})
}

func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// After its end a memory says so.
func TestClosed(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		x := variable[int](t, m, "x")
		done(t, m.Close(t.Context()))
		matches(t, x.Set(t.Context(), 1), resilient.ErrClosed)
		matches(t, last(x.Get(t.Context())), resilient.ErrClosed)
		matches(t, last(m.Scope("a").Names(t.Context())), resilient.ErrClosed)
		s.has(t, "x", "")
	})
}
