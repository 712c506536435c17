package synced_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

// The tests below fail where synced-memory's defects are, by their numbers.

func TestDefectSynced01StaleReference(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		a, b := list[int](t, m, "l"), list[int](t, m, "l")
		done(t, b.Append(t.Context(), 1))
		wantAll(t, a, []int{1})
		done(t, b.Append(t.Context(), 2))
		done(t, a.Append(t.Context(), 3))
		done(t, b.Append(t.Context(), 4))
		s.has(t, "l", "[1,2,3,4]")
	})
}

// What is appended while the server is away is appended to what another process
// has written since, before or after.
func TestDefectSynced02ChangesInPlaceAreNotLost(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		l, d := list[string](t, m, "l"), dict[int](t, m, "d")
		done(t, l.Append(t.Context(), "first"))
		done(t, d.Put(t.Context(), "first", 1))
		s.leave()
		queued(t, l.Append(t.Context(), "mine"))
		queued(t, d.Put(t.Context(), "mine", 2))
		_, err := d.Update(t.Context(), "first", func(n int) (int, error) { return n + 10, nil })
		queued(t, err)
		s.write(t, "l", `["first","theirs"]`)
		s.write(t, "d", `{"first":5,"theirs":3}`)
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "l", `["first","theirs","mine"]`)
		s.has(t, "d", `{"first":15,"mine":2,"theirs":3}`)
	})
}

func TestDefectSynced03RemoteDeletionsStay(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		a, b := s.member(t), s.member(t)
		ofA, ofB := variable[int](t, a, "x"), variable[int](t, b, "x")
		done(t, ofA.Set(t.Context(), 1))
		wantValue(t, ofB, 1) // b has a copy
		done(t, ofA.Delete(t.Context()))
		_, err := ofB.Get(t.Context())
		matches(t, err, synced.ErrMissing)
		s.leave() // b has seen that it is gone, and does not bring it back
		_, err = ofB.Get(t.Context())
		matches(t, err, synced.ErrMissing)
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "x", "")
		wantNames(t, b)
	})
}

// One process deletes what another, cut off, sets: a conflict, and not an old
// value that comes back.
func TestDefectSynced03DeletedWhileAnotherIsAway(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		x := variable[int](t, m, "x")
		done(t, x.Set(t.Context(), 1))
		s.leave()
		queued(t, x.Set(t.Context(), 2))
		if _, err := s.memory.Delete(t.Context(), prefix+"x"); err != nil {
			t.Fatal(err)
		}
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "x", "")
		if n := m.Stats().Conflicts; n != 1 {
			t.Errorf("%d conflicts, want 1", n)
		}
	})
}

func TestDefectSynced04NilIsAValue(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		x := variable[*int](t, m, "x")
		one := 1
		done(t, x.Set(t.Context(), &one))
		s.leave()
		queued(t, x.Set(t.Context(), nil))
		wantValue(t, x, nil)
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "x", "null")
		wantValue(t, variable[*int](t, s.member(t), "x"), nil)
		wantNames(t, m, "x")
	})
}

// The server ends while the queue is flushed, when it has done what it was asked
// and has not said so.
func TestDefectSynced05WhatIsFlushedIsNotLostAndNotTwice(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		l, x := list[int](t, m, "l"), variable[int](t, m, "x")
		s.leave()
		queued(t, x.Set(t.Context(), 7))
		queued(t, l.Append(t.Context(), 1))
		queued(t, l.Append(t.Context(), 2))
		s.loseAnswers(2)
		s.comeBack()
		time.Sleep(5 * longest)
		s.has(t, "l", "[1,2]")
		s.has(t, "x", "7")
		if n := m.Stats().Keys; n != 0 {
			t.Errorf("%d changes are queued still", n)
		}
	})
}

func TestDefectSynced06QueueIsBounded(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.memberOf(t, prefix, resilient.Queue(10, 0))
		s.leave()
		x := variable[int](t, m, "x")
		for i := range 1000 {
			queued(t, x.Set(t.Context(), i))
		}
		refused := 0
		for i := range 20 {
			if err := variable[int](t, m, fmt.Sprint("y", i)).Set(t.Context(), i); errors.Is(err, resilient.ErrFull) {
				refused++
			} else {
				queued(t, err)
			}
		}
		if refused != 11 || m.Stats().Keys != 10 {
			t.Errorf("%d were refused and %d are queued, want 11 and 10", refused, m.Stats().Keys)
		}
	})
}

// What the caller has given is neither changed nor kept.
func TestDefectSynced07CallersValuesStayTheirs(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		l, d, x := list[map[string]int](t, m, "l"), dict[[]int](t, m, "d"), variable[[]int](t, m, "x")
		element, value, whole := map[string]int{"a": 1}, []int{1}, []int{1}
		change := func(want func(*testing.T, error)) {
			t.Helper()
			want(t, l.Append(t.Context(), element))
			want(t, d.Put(t.Context(), "k", value))
			want(t, x.Set(t.Context(), whole))
			element["a"], value[0], whole[0] = element["a"]+1, value[0]+1, whole[0]+1
		}
		change(done)
		s.leave()
		queued(t, variable[int](t, m, "other").Set(t.Context(), 1)) // from now on nothing is tried at once
		change(queued)
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "l", `[{"a":1},{"a":2}]`)
		s.has(t, "d", `{"k":[2]}`)
		s.has(t, "x", `[2]`)
		if element["a"] != 3 || value[0] != 3 || whole[0] != 3 {
			t.Errorf("the caller's values are %v, %v, %v", element, value, whole)
		}
	})
}

func TestDefectSynced08ScopesSeeTheirNames(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		flags, deep := m.Scope("flags"), m.Scope("flags").Scope("new")
		for name, scope := range map[string]*synced.Memory{"top": m, "of flags": flags, "of new": deep} {
			done(t, variable[string](t, scope, name).Set(t.Context(), name))
			done(t, variable[string](t, scope, "same").Set(t.Context(), name))
		}
		again := s.member(t)
		wantNames(t, again, "same", "top")
		wantNames(t, again.Scope("flags"), "of flags", "same")
		wantNames(t, again.Scope("flags").Scope("new"), "of new", "same")
		wantNames(t, again.Scope("flag"))
		s.leave()
		wantValue(t, variable[string](t, again.Scope("flags"), "same"), "of flags")
		wantNames(t, again.Scope("flags"), "of flags", "same")
	})
}

// What is no value of ours is an error that names it, and nobody else's matter.
func TestDefectSynced09ForeignValues(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		s.write(t, "text", `"a text"`)
		s.write(t, "list", `[1,2]`)
		s.write(t, "null", `null`)
		s.write(t, "bytes", "\x00\xff")
		s.write(t, "long", "["+strings.Repeat("[", 100_000))
		m := s.member(t) // opens all the same
		for _, name := range []string{"text", "list", "null", "bytes", "long"} {
			was, err := s.memory.Get(t.Context(), prefix+name)
			done(t, err)
			x, d := variable[int](t, m, name), dict[int](t, m, name)
			for verb, do := range map[string]func() error{
				"Get":    func() error { _, err := x.Get(t.Context()); return err },
				"Update": func() error { _, err := x.Update(t.Context(), func(int) (int, error) { return 1, nil }); return err },
				"Put":    func() error { return d.Put(t.Context(), "k", 1) },
				"Pop":    func() error { _, err := d.Pop(t.Context(), "k"); return err },
			} {
				if name == "null" && (verb == "Put" || verb == "Pop") {
					continue // it is a dict that is nil
				}
				err := do()
				if !errors.Is(err, synced.ErrForeign) || !strings.Contains(err.Error(), `"`+name+`"`) {
					t.Errorf("%s of %s: the error is %v, want ErrForeign with the name", verb, name, err)
				}
			}
			s.has(t, name, string(was.Value))
		}
		if state := m.Stats().State; state != resilient.StateClosed {
			t.Errorf("the breaker is %v", state)
		}
		ok := variable[int](t, m, "ok")
		done(t, ok.Set(t.Context(), 1))
		wantValue(t, ok, 1)
		done(t, variable[int](t, m, "text").Set(t.Context(), 2)) // to set it replaces it
		wantValue(t, variable[int](t, m, "text"), 2)
	})
}

func TestDefectSynced10EveryNameCanBeUsed(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		names := []string{" ", "%", "%3A", "*", ":", "Get", "__init__", "a:b", "sync", "values", "\x00\n", "\xff", strings.Repeat("n", synced.MaxName)}
		for i, name := range names {
			done(t, variable[int](t, m, name).Set(t.Context(), i))
		}
		for i, name := range names {
			wantValue(t, variable[int](t, s.member(t), name), i)
		}
		got, err := m.Names(t.Context())
		if err != nil || len(got) != len(names) {
			t.Errorf("Names: %q, %v; want %q", got, err, names)
		}
	})
}

func TestDefectSynced11NumbersAndKeys(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		done(t, variable[float64](t, m, "x").Set(t.Context(), 1))
		x := variable[float64](t, m, "x")
		for verb, err := range map[string]error{
			"Set":    x.Set(t.Context(), math.NaN()),
			"Update": last(x.Update(t.Context(), func(float64) (float64, error) { return math.Inf(1), nil })),
			"Append": list[float64](t, m, "l").Append(t.Context(), 1, math.NaN()),
			"Put":    dict[float64](t, m, "d").Put(t.Context(), "k", math.NaN()),
		} {
			matches(t, err, synced.ErrValue)
			if err == nil || !strings.Contains(err.Error(), "float64") {
				t.Errorf("%s: the error does not name the type: %v", verb, err)
			}
		}
		s.has(t, "x", "1")
		wantNames(t, m, "x")
		ofInts := variable[map[int][]int64](t, m, "ints") // typed: what was an int is one
		want := map[int][]int64{1: {}, 2: {math.MaxInt64}}
		done(t, ofInts.Set(t.Context(), want))
		wantValue(t, variable[map[int][]int64](t, s.member(t), "ints"), want)
		matches(t, dict[int](t, m, "d").Put(t.Context(), "\xff", 1), synced.ErrName)
	})
}

// Versions decide, whatever the clocks say: who was cut off and is late with what
// it made of an old value does not overwrite a newer one.
func TestDefectSynced12ClocksDecideNothing(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		x := variable[string](t, m, "x")
		done(t, x.Set(t.Context(), "first"))
		s.leave()
		s.write(t, "x", `"theirs"`) // earlier by every clock
		time.Sleep(time.Hour)
		queued(t, x.Set(t.Context(), "mine"))
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "x", `"theirs"`)
		wantValue(t, x, "theirs")
		if n := m.Stats().Conflicts; n != 1 {
			t.Errorf("%d conflicts, want 1", n)
		}
	})
}

func last[T any](_ T, err error) error { return err }
