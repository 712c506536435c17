package storagetest

import (
	"slices"
	"strings"

	"github.com/perennial-go/perennial/internal/checks"
)

var listChecks = []bytesCheck{
	{Name: "cachetory13Clear", needs: Lister, run: clearAll},
	{Name: "Clear deletes what begins with its prefix and nothing else", needs: Lister, run: clearsItsPrefix},
	{Name: "Keys yields what begins with its prefix and nothing else", needs: Lister, run: keysOfItsPrefix},
	{Name: "a prefix is plain text", needs: Lister, run: prefixIsPlain},
	{Name: "Keys stops when told to", needs: Lister, run: keysStops},
	{Name: "keys that Keys yields may be deleted at once", needs: Lister, run: keysWhileDeleting},
}

func clearAll(t checks.TB, s *bytesSubject) {
	s.clear(t, s.prefix)
	for _, name := range []string{"foo", "bar", ""} {
		s.set(t, s.key(name), name, long)
	}
	s.clear(t, s.prefix)
	for _, name := range []string{"foo", "bar", ""} {
		s.lacks(t, s.key(name))
	}
	s.set(t, s.key("foo"), "again", long)
	s.holds(t, s.key("foo"), "again")
}

// near is names around the prefix "a:".
var near = struct{ in, out []string }{
	in:  []string{"a:", "a:1", "a:b", "a::", "a:\xff", "a:\x00", "a:a:"},
	out: []string{"a", "a;", "a9", "A:1", "b:1", "ba:1", "aa:", ":a:", "a\x00:", "á:1", ""},
}

func (s *bytesSubject) setNear(t checks.TB) {
	for _, name := range slices.Concat(near.in, near.out) {
		s.set(t, s.key(name), name, long)
	}
}

func clearsItsPrefix(t checks.TB, s *bytesSubject) {
	s.setNear(t)
	s.clear(t, s.key("a:"))
	for _, name := range near.in {
		s.lacks(t, s.key(name))
	}
	for _, name := range near.out {
		s.holds(t, s.key(name), name)
	}
	s.clear(t, s.key("nothing begins with this"))
	s.clear(t, s.key("a"))
	for _, name := range near.out {
		if strings.HasPrefix(name, "a") {
			s.lacks(t, s.key(name))
		} else {
			s.holds(t, s.key(name), name)
		}
	}
}

func keysOfItsPrefix(t checks.TB, s *bytesSubject) {
	s.lists(t, s.prefix)
	s.setNear(t)
	s.lists(t, s.key("a:"), s.keys(near.in...)...)
	s.lists(t, s.prefix, s.keys(slices.Concat(near.in, near.out)...)...)
	s.lists(t, s.key("nothing begins with this"))
	for _, name := range near.out {
		s.delete(t, s.key(name), true)
	}
	for _, name := range []string{"a", "a;", "aa:"} {
		s.set(t, s.key(name), name, long)
	}
	s.lists(t, s.key("a"), s.keys(append([]string{"a", "a;", "aa:"}, near.in...)...)...)
}

func prefixIsPlain(t checks.TB, s *bytesSubject) {
	for _, name := range strangeNames {
		s.set(t, s.key(name), name, long)
	}
	left := slices.Clone(strangeNames)
	for _, prefix := range strangeNames {
		begins := func(name string) bool { return strings.HasPrefix(name, prefix) }
		var in []string
		for _, name := range left {
			if begins(name) {
				in = append(in, name)
			}
		}
		s.lists(t, s.key(prefix), s.keys(in...)...)
	}
	for _, prefix := range strangeNames {
		s.clear(t, s.key(prefix))
		left = slices.DeleteFunc(left, func(name string) bool { return strings.HasPrefix(name, prefix) })
		s.lists(t, s.prefix, s.keys(left...)...)
	}
}

func keysStops(t checks.TB, s *bytesSubject) {
	for _, name := range []string{"a", "b", "c"} {
		s.set(t, s.key(name), name, long)
	}
	n := 0
	s.lister().Keys(s.ctx, s.prefix)(func(string, error) bool {
		n++
		return false
	})
	if n != 1 {
		t.Errorf("it yields %d keys to a consumer that takes one", n)
	}
	s.holds(t, s.key("a"), "a") // it goes on working
}

func keysWhileDeleting(t checks.TB, s *bytesSubject) {
	names, _ := s.fillStore(t, 50)
	for key, err := range s.lister().Keys(s.ctx, s.prefix) {
		if err != nil {
			t.Fatalf("Keys: %v", err)
		}
		if _, err := s.b.Delete(s.ctx, key); err != nil {
			t.Fatalf("Delete of %.80q while Keys runs: %v", key, err)
		}
	}
	for _, name := range names {
		s.lacks(t, s.key(name))
	}
}
