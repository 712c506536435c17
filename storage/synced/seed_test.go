package synced_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage/synced"
)

// The tests below are what synced-memory's assert, by their numbers.

func TestSynced01ScalarIsReadElsewhere(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		done(t, variable[int](t, s.member(t), "x").Set(t.Context(), 42))
		s.has(t, "x", "42")
		wantValue(t, variable[int](t, s.member(t), "x"), 42)
	})
}

func TestSynced02DictIsReadElsewhere(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		done(t, dict[int](t, s.member(t), "d").Whole().Set(t.Context(), map[string]int{"b": 2, "a": 1}))
		s.has(t, "d", `{"a":1,"b":2}`)
		wantAll(t, dict[int](t, s.member(t), "d"), map[string]int{"a": 1, "b": 2})
	})
}

func TestSynced03ListIsReadElsewhere(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		done(t, list[string](t, s.member(t), "l").Whole().Set(t.Context(), []string{"a", "b"}))
		s.has(t, "l", `["a","b"]`)
		wantAll(t, list[string](t, s.member(t), "l"), []string{"a", "b"})
	})
}

func TestSynced04Overwrite(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		x := variable[int](t, s.member(t), "x")
		done(t, x.Set(t.Context(), 1))
		done(t, x.Set(t.Context(), 2))
		wantValue(t, variable[int](t, s.member(t), "x"), 2)
	})
}

func TestSynced05Missing(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		for verb, do := range map[string]func() error{
			"Get":      func() error { _, err := variable[int](t, m, "x").Get(t.Context()); return err },
			"Dict.Get": func() error { _, err := dict[int](t, m, "d").Get(t.Context(), "key"); return err },
			"Dict.Pop": func() error { _, err := dict[int](t, m, "d").Pop(t.Context(), "key"); return err },
			"Pop":      func() error { _, err := list[int](t, m, "l").Pop(t.Context()); return err },
			"PopAt":    func() error { _, err := list[int](t, m, "l").PopAt(t.Context(), 0); return err },
		} {
			if err := do(); !errors.Is(err, synced.ErrMissing) {
				t.Errorf("%s: the error is %v, want ErrMissing", verb, err)
			}
		}
		wantAll(t, list[int](t, m, "l"), []int{})
		wantAll(t, dict[int](t, m, "d"), map[string]int{})
		wantNames(t, m)
	})
}

// There are no internal names.
func TestSynced06NamesThatBeginWithAnUnderscore(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		done(t, variable[int](t, s.member(t), "_x").Set(t.Context(), 1))
		s.has(t, "_x", "1")
		wantNames(t, s.member(t), "_x")
	})
}

func TestSynced07And08InstancesShareAndSurvive(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		a, b := s.member(t), s.member(t)
		done(t, variable[string](t, a, "x").Set(t.Context(), "of a"))
		wantValue(t, variable[string](t, b, "x"), "of a")
		done(t, variable[string](t, b, "x").Set(t.Context(), "of b"))
		wantValue(t, variable[string](t, a, "x"), "of b")
		done(t, a.Close(t.Context()))
		done(t, b.Close(t.Context()))
		wantValue(t, variable[string](t, s.member(t), "x"), "of b")
	})
}

// With the server away writes cost nothing: no time passes, and it is asked only
// by the first.
func TestSynced09WritesWhileAwayAreLocal(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		warm := variable[int](t, m, "warm")
		done(t, warm.Set(t.Context(), 1))
		s.leave()
		queued(t, warm.Set(t.Context(), 2))
		start := time.Now()
		asked := s.count(func() {
			for i := range 10 {
				x := variable[int](t, m, fmt.Sprint("x", i))
				queued(t, x.Set(t.Context(), i))
				wantValue(t, x, i)
			}
		})
		if took := time.Since(start); took != 0 || asked != 0 {
			t.Errorf("10 writes took %v and asked the server %d times", took, asked)
		}
		if n := m.Stats().Keys; n != 11 {
			t.Errorf("%d changes are queued, want 11", n)
		}
	})
}

func TestSynced10QueuedIsReadLocallyAndFlushed(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		s.leave()
		x := variable[int](t, m, "x")
		queued(t, x.Set(t.Context(), 1))
		wantValue(t, x, 1)
		wantNames(t, m, "x")
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "x", "1")
		wantValue(t, variable[int](t, s.member(t), "x"), 1)
	})
}

func TestSynced11LastQueuedWins(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		s.leave()
		x := variable[int](t, m, "x")
		for i := range 5 {
			queued(t, x.Set(t.Context(), i))
		}
		wantValue(t, x, 4)
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "x", "4")
	})
}

func TestSynced12Prefixes(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		other := s.memberOf(t, "other:")
		done(t, variable[int](t, m, "x").Set(t.Context(), 1))
		done(t, variable[int](t, other, "x").Set(t.Context(), 2))
		wantValue(t, variable[int](t, m, "x"), 1)
		wantValue(t, variable[int](t, other, "x"), 2)
		done(t, variable[int](t, other, "y").Set(t.Context(), 2))
		wantNames(t, m, "x")
		wantNames(t, other, "x", "y")
	})
}

func TestSynced13Delete(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		a, b := variable[int](t, s.member(t), "x"), variable[int](t, s.member(t), "x")
		done(t, a.Set(t.Context(), 1))
		wantValue(t, b, 1)
		done(t, a.Delete(t.Context()))
		for _, x := range []*synced.Var[int]{a, b} {
			_, err := x.Get(t.Context())
			matches(t, err, synced.ErrMissing)
		}
		done(t, b.Delete(t.Context())) // what is in nobody's copy, too
	})
}

func TestSynced14DeleteWhileAway(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		x := variable[int](t, m, "x")
		done(t, x.Set(t.Context(), 1))
		s.leave()
		queued(t, x.Delete(t.Context()))
		_, err := x.Get(t.Context())
		matches(t, err, synced.ErrMissing)
		wantNames(t, m)
		s.has(t, "x", "1")
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "x", "")
	})
}

// Nobody asks for it: the queue is flushed by itself. After a short outage that
// takes as long as the first pause of the breaker.
func TestSynced15FlushedInTheBackground(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		x := variable[int](t, s.member(t), "x")
		s.leave()
		queued(t, x.Set(t.Context(), 1))
		s.comeBack()
		time.Sleep(3 * time.Second)
		s.has(t, "x", "1")
	})
}

func TestSynced16WhatExistsIsThereFromTheStart(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		s.write(t, "x", "1")
		s.write(t, "y", `["a"]`)
		s.write(t, "flags:dark", "true")
		m := s.member(t)
		s.leave()
		wantNames(t, m, "x", "y")
		wantValue(t, variable[int](t, m, "x"), 1)
		wantAll(t, list[string](t, m, "y"), []string{"a"})
		wantValue(t, variable[bool](t, m.Scope("flags"), "dark"), true)
	})
}

func TestSynced17And18CloseFlushes(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		x, y := variable[int](t, m, "x"), variable[int](t, m, "y")
		done(t, x.Set(t.Context(), 1))
		s.leave()
		queued(t, x.Set(t.Context(), 2))
		queued(t, y.Delete(t.Context()))
		s.comeBack()
		ctx, cancel := context.WithTimeout(t.Context(), longest)
		defer cancel()
		done(t, m.Close(ctx))
		s.has(t, "x", "2")
	})
}

func TestSynced19WhatCantBeWritten(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		done(t, variable[int](t, m, "x").Set(t.Context(), 1))
		done(t, dict[any](t, m, "d").Put(t.Context(), "kept", 1.5))
		asked := s.count(func() {
			err := variable[chan int](t, m, "x").Set(t.Context(), make(chan int))
			matches(t, err, synced.ErrValue)
			for _, part := range []string{`"x"`, "chan int"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not name %s: %v", part, err)
				}
			}
			matches(t, dict[any](t, m, "d").Put(t.Context(), "new", func() {}), synced.ErrValue)
			matches(t, list[any](t, m, "l").Append(t.Context(), func() {}), synced.ErrValue)
		})
		if asked != 0 {
			t.Errorf("the server was asked %d times", asked)
		}
		s.has(t, "x", "1")
		s.has(t, "d", `{"kept":1.5}`)
		s.has(t, "l", "")
	})
}

func TestSynced20ServerThatWasNeverThere(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		s.leave()
		m := s.member(t)
		x := variable[int](t, m, "x")
		queued(t, x.Set(t.Context(), 1))
		wantValue(t, x, 1)
		jobs := list[string](t, m, "jobs")
		queued(t, jobs.Append(t.Context(), "a"))
		wantAll(t, jobs, []string{"a"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := m.Close(ctx); err == nil {
			t.Error("Close loses two changes and has no error")
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Close took %v, its context a second", took)
		}
	})
}

func TestSynced21To28ListAndDictPersist(t *testing.T) {
	for what, change := range map[string]struct {
		list func(ctx context.Context, l *synced.List[int]) error
		dict func(ctx context.Context, d *synced.Dict[int]) error
		has  string
	}{
		"21 append":        {list: func(ctx context.Context, l *synced.List[int]) error { return l.Append(ctx, 4) }, has: "[1,2,3,4]"},
		"22 insert":        {list: func(ctx context.Context, l *synced.List[int]) error { return l.Insert(ctx, 1, 9) }, has: "[1,9,2,3]"},
		"22 insert beyond": {list: func(ctx context.Context, l *synced.List[int]) error { return l.Insert(ctx, 7, 9) }, has: "[1,2,3,9]"},
		"23 extend":        {list: func(ctx context.Context, l *synced.List[int]) error { return l.Append(ctx, 4, 5) }, has: "[1,2,3,4,5]"},
		"24 remove":        {list: func(ctx context.Context, l *synced.List[int]) error { return true1(l.Remove(ctx, 2)) }, has: "[1,3]"},
		"25 pop":           {list: func(ctx context.Context, l *synced.List[int]) error { return gives(3)(l.Pop(ctx)) }, has: "[1,2]"},
		"26 pop(0)":        {list: func(ctx context.Context, l *synced.List[int]) error { return gives(1)(l.PopAt(ctx, 0)) }, has: "[2,3]"},
		"27 update": {dict: func(ctx context.Context, d *synced.Dict[int]) error {
			return d.Merge(ctx, map[string]int{"b": 3, "c": 4})
		}, has: `{"a":1,"b":3,"c":4}`},
		"27 set a key":        {dict: func(ctx context.Context, d *synced.Dict[int]) error { return d.Put(ctx, "c", 4) }, has: `{"a":1,"b":2,"c":4}`},
		"28 pop(key)":         {dict: func(ctx context.Context, d *synced.Dict[int]) error { return gives(1)(d.Pop(ctx, "a")) }, has: `{"b":2}`},
		"28 pop(missing, 42)": {dict: func(ctx context.Context, d *synced.Dict[int]) error { return gives(42)(d.PopOr(ctx, "z", 42)) }, has: `{"a":1,"b":2}`},
	} {
		t.Run(what, func(t *testing.T) {
			inTime(t, func(t *testing.T, s *server) {
				m := s.member(t)
				l, d := list[int](t, m, "x"), dict[int](t, m, "x")
				if change.list != nil {
					s.write(t, "x", "[1,2,3]")
					done(t, change.list(t.Context(), l))
				} else {
					s.write(t, "x", `{"a":1,"b":2}`)
					done(t, change.dict(t.Context(), d))
				}
				s.has(t, "x", change.has)
			})
		})
	}
}

func TestSynced29To31NestedChangesPersist(t *testing.T) {
	type board struct {
		Lists map[string][]int
		Deep  map[string]map[string]string
	}
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		v := variable[board](t, m, "board")
		done(t, v.Set(t.Context(), board{Lists: map[string][]int{"a": {1}}, Deep: map[string]map[string]string{"x": {}}}))
		_, err := v.Update(t.Context(), func(b board) (board, error) {
			b.Lists["a"] = append(b.Lists["a"], 2)
			b.Deep["x"]["y"] = "z"
			return b, nil
		})
		done(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), longest)
		defer cancel()
		done(t, m.Close(ctx))
		s.has(t, "board", `{"Lists":{"a":[1,2]},"Deep":{"x":{"y":"z"}}}`)
	})
}

// What is returned is plain values that are nobody else's.
func TestSynced32To39Copies(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		l, d := list[[]int](t, m, "l"), dict[[]int](t, m, "d")
		done(t, l.Append(t.Context(), []int{1}))
		done(t, d.Put(t.Context(), "k", []int{1}))
		ofList, err := l.All(t.Context())
		done(t, err)
		ofDict, err := d.All(t.Context())
		done(t, err)
		ofList[0][0], ofDict["k"][0] = 99, 99
		wantAll(t, l, [][]int{{1}})
		wantAll(t, d, map[string][]int{"k": {1}})
		if data, err := json.Marshal(maps.Clone(ofDict)); err != nil || string(data) != `{"k":[99]}` {
			t.Errorf("Marshal: %s, %v", data, err)
		}
	})
}

func true1(ok bool, err error) error {
	if err == nil && !ok {
		err = errors.New("it says that nothing was removed")
	}
	return err
}

// gives wants a value and no error.
func gives[T comparable](want T) func(got T, err error) error {
	return func(got T, err error) error {
		if err == nil && got != want {
			err = fmt.Errorf("it returns %v, want %v", got, want)
		}
		return err
	}
}
