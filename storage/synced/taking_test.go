package synced_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage/synced"
)

// What is popped while the server is away is what the caller got, and not what
// happens to be last when the server is back.
func TestPopWhileAwayTakesWhatItGave(t *testing.T) {
	for _, now := range []struct{ has, want string }{
		{`["a","b"]`, `["a"]`},         // as it was
		{`["a","b","c"]`, `["a","c"]`}, // others have appended
		{`["z","b","a"]`, `["z","a"]`}, // and inserted
		{`["b","a","b"]`, `["a","b"]`}, // of equals, either
		{`["a"]`, `["a"]`},             // somebody else has taken it too
		{`[]`, `[]`},                   // and everything
		{`["a","c"]`, `["a","c"]`},     // and put something else there
		{`["a","B","b","x"]`, `["a","B","x"]`},
	} {
		inTime(t, func(t *testing.T, s *server) {
			m := s.member(t)
			l := list[string](t, m, "l")
			done(t, l.Append(t.Context(), "a", "b"))
			s.leave()
			got, err := l.Pop(t.Context())
			if queued(t, err); got != "b" {
				t.Errorf("Pop: %q", got)
			}
			wantAll(t, l, []string{"a"})
			s.write(t, "l", now.has)
			s.comeBack()
			time.Sleep(longest)
			s.has(t, "l", now.want)
			if d := m.Stats().Dropped; d != 0 {
				t.Errorf("%s: %d were dropped", now.has, d)
			}
		})
	}
}

func TestRemoveWhileAway(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		m := s.member(t)
		l, d := list[string](t, m, "l"), dict[int](t, m, "d")
		done(t, l.Append(t.Context(), "a", "b"))
		done(t, d.Merge(t.Context(), map[string]int{"x": 1, "y": 2, "z": 3}))
		s.leave()
		removed, err := l.Remove(t.Context(), "a")
		if queued(t, err); !removed {
			t.Error("Remove says that there is none")
		}
		if removed, err := l.Remove(t.Context(), "a"); removed || err != nil {
			t.Errorf("Remove of what is gone: %v, %v", removed, err)
		}
		n, err := d.Pop(t.Context(), "x")
		if queued(t, err); n != 1 {
			t.Errorf("Pop: %d", n)
		}
		removed, err = d.Remove(t.Context(), "y")
		if queued(t, err); !removed {
			t.Error("Remove says that there is no key")
		}
		n, err = d.PopOr(t.Context(), "none", 42)
		if done(t, err); n != 42 {
			t.Errorf("PopOr: %d", n)
		}
		s.write(t, "l", `["new","a","b","a"]`)
		s.write(t, "d", `{"w":0,"x":7,"y":2,"z":3}`) // somebody has changed x since
		s.comeBack()
		time.Sleep(longest)
		s.has(t, "l", `["new","b","a"]`)
		s.has(t, "d", `{"w":0,"x":7,"z":3}`)
	})
}

// Processes that pop from one list get every element once, as long as the server
// is there.
func TestConcurrentPops(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		const elements, members = 60, 3
		l := list[int](t, s.member(t), "l")
		for i := range elements {
			done(t, l.Append(t.Context(), i))
		}
		got := make(chan int, elements)
		for i := range members {
			l := list[int](t, s.member(t), "l")
			go func() {
				random := rand.New(rand.NewPCG(1, uint64(i)))
				for range elements / members {
					take := l.Pop
					if random.IntN(2) == 0 {
						take = func(ctx context.Context) (int, error) { return l.PopAt(ctx, 0) }
					}
					n, err := take(t.Context())
					done(t, err)
					got <- n
				}
			}()
		}
		var all []int
		for range elements {
			all = append(all, <-got)
		}
		slices.Sort(all)
		for i, n := range all {
			if i != n {
				t.Fatalf("the elements taken are %v", all)
			}
		}
		s.has(t, "l", "[]")
		_, err := l.Pop(t.Context())
		matches(t, err, synced.ErrMissing)
	})
}

func TestPlaces(t *testing.T) {
	inTime(t, func(t *testing.T, s *server) {
		l := list[int](t, s.member(t), "l")
		if err := l.Insert(t.Context(), -1, 1); err == nil {
			t.Error("Insert takes the place -1")
		}
		if _, err := l.PopAt(t.Context(), -1); err == nil {
			t.Error("PopAt takes the place -1")
		}
		done(t, l.Append(t.Context())) // nothing
		s.has(t, "l", "")
		done(t, l.Insert(t.Context(), 0, 2, 3))
		done(t, l.Insert(t.Context(), 0, 1))
		s.has(t, "l", "[1,2,3]")
		_, err := l.PopAt(t.Context(), 3)
		matches(t, err, synced.ErrMissing)
		done(t, gives(2)(l.PopAt(t.Context(), 1)))
		s.has(t, "l", "[1,3]")
	})
}
