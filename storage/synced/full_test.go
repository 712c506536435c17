package synced_test

import (
	"testing"

	"github.com/perennial-go/perennial/internal/servers"
)

// What makes a value smaller, or deletes it, works on a server whose memory is full;
// what makes it larger does not.
func TestSmallerOnAFullServer(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	m := opened(t, s)
	l, d, v := list[int](t, m, "l"), dict[int](t, m, "d"), variable[string](t, m, "v")
	done(t, l.Append(t.Context(), 1, 2, 3))
	done(t, d.Merge(t.Context(), map[string]int{"a": 1, "b": 2}))
	done(t, v.Set(t.Context(), "value"))
	s.Command("CONFIG", "SET", "maxmemory", "1")
	defer s.Command("CONFIG", "SET", "maxmemory", "0")
	done(t, last(l.Pop(t.Context())))
	done(t, last(l.Remove(t.Context(), 1)))
	done(t, last(d.Pop(t.Context(), "a")))
	done(t, last(d.Remove(t.Context(), "b")))
	done(t, v.Delete(t.Context()))
	if got := s.Command("HGET", prefix+"l", "v"); got != "[2]" {
		t.Errorf("the list is %s", got)
	}
	if err := l.Append(t.Context(), 4); err == nil {
		t.Error("a list grows on a full server")
	}
}
