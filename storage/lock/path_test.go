package lock

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestPathsThatAreWrong(t *testing.T) {
	for path, want := range map[string]string{
		"":                             "it is empty",
		"/":                            "an empty element",
		"/a":                           "an empty element",
		"a/":                           "an empty element",
		"a//b":                         "an empty element",
		"a{b":                          "lock.Path",
		"a/b}":                         "lock.Path",
		strings.Repeat("x", 1025):      "1025 bytes, 1024 are allowed",
		strings.Repeat("a/", 64):       "65 elements, 64 are allowed",
		Path("jobs", ""):               "an empty element",
		Path(strings.Repeat("/", 400)): "1200 bytes",
	} {
		if _, err := parse(path); !errors.Is(err, ErrPath) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want ErrPath and %q in it", path, err, want)
		}
	}
}

func TestPathsThatAreRight(t *testing.T) {
	for path, want := range map[string][]place{
		"jobs":                             {"jobs"},
		"jobs/nightly":                     {"jobs", "jobs/nightly"},
		"a/b/c":                            {"a", "a/b", "a/b/c"},
		"*?[]. \n\x00ä%":                   {"*?[]. \n\x00ä%"},
		strings.Repeat("x", 1024):          {place(strings.Repeat("x", 1024))},
		Path("u/../v", "{}", "100%", "ä/"): {"u%2F..%2Fv", "u%2F..%2Fv/%7B%7D", "u%2F..%2Fv/%7B%7D/100%25", "u%2F..%2Fv/%7B%7D/100%25/ä%2F"},
	} {
		p, err := parse(path)
		if err != nil || !slices.Equal(p.nodes(), want) {
			t.Errorf("%.20q has the nodes %q, %v; want %q", path, p.nodes(), err, want)
		}
		if p.tree() != string(want[0]) {
			t.Errorf("%.20q is in the tree %q, want %q", path, p.tree(), want[0])
		}
	}
}

func TestExcludes(t *testing.T) {
	for _, c := range []struct {
		a, b place
		want bool
	}{
		{"a", "a", true}, {"a", "a/b", true}, {"a/b", "a/b/c/d", true},
		{"a", "b", false}, {"a/b", "a/c", false}, {"a", "ab", false}, {"a/b", "a/bc", false}, {"a/b/c", "a/bc", false},
	} {
		if c.a.excludes(c.b) != c.want || c.b.excludes(c.a) != c.want {
			t.Errorf("%q and %q exclude each other: want %v both ways", c.a, c.b, c.want)
		}
	}
}

// FuzzPath: no two lists of elements have one path, and a path has as many nodes
// as elements.
func FuzzPath(f *testing.F) {
	f.Add("a", "b", "c", "d")
	f.Add("a/b", "c", "a", "b/c")
	f.Add("%2F", "/", "/", "%2F")
	f.Add("{}", "%", "%7B%7D", "%25")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		if one, two := Path(a, b), Path(c, d); (one == two) != (a == c && b == d) {
			t.Errorf("(%q, %q) has the path %q, (%q, %q) has %q", a, b, one, c, d, two)
		}
		if p, err := parse(Path(a, b, c)); err == nil && len(p.nodes()) != 3 {
			t.Errorf("%q, %q, %q have the nodes %q", a, b, c, p.nodes())
		}
		for _, path := range []string{a, b, c, d, Path(a), Path(a, b)} {
			p, err := parse(path)
			if err != nil {
				continue
			}
			key := (&redisServer{prefix: "lock:"}).key("hold", p)
			tag, rest, ok := strings.Cut(strings.TrimPrefix(key, "lock:hold:{"), "}")
			if !ok || tag != p.tree() || tag+rest != path {
				t.Errorf("%q has the key %q: its tag is %q", path, key, tag)
			}
		}
	})
}
