package memcachedstore

import (
	"strings"
	"testing"
)

// TestRingKeys has ring's own vectors, and where this package is stricter.
func TestRingKeys(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"prefix:name:1:42", "prefix:name:1:42"},
		{"!~", "!~"},
		{strings.Repeat("a", 249), strings.Repeat("a", 249)},
		{strings.Repeat("a", 250), "ring-sha1:b5d5e3e0fcccfb49d704a1e10bc97ce9761a14fe"},
		{"a b", "ring-sha1:7dbde93504122a707f849f2c12bdd9de71b41929"},
		// SHA-1 of nothing and of "abc", FIPS 180
		{"", "ring-sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"},
		{"a\x7f", ""}, {"a\n", ""}, {"\x00", ""}, {"ä", ""}, {"a\xff", ""}, {"get a\r\n", ""},
		{"ring-sha1:7dbde93504122a707f849f2c12bdd9de71b41929", ""}, // what another key is hashed to
		{"ring-sha1:", ""},
		{"ring-sha1", "ring-sha1"},
	} {
		got := onServer(c.key)
		switch {
		case c.want != "" && got != c.want:
			t.Errorf("%.50q becomes %q, want %q", c.key, got, c.want)
		case c.want == "" && (!strings.HasPrefix(got, "ring-sha1:") || len(got) != 50 || got == c.key):
			t.Errorf("%q becomes %q, want a hash", c.key, got)
		}
	}
}

// FuzzKeys looks for keys that the server would not take, or that another key
// becomes too.
func FuzzKeys(f *testing.F) {
	f.Add("a", "a b")
	f.Add("ring-sha1:7dbde93504122a707f849f2c12bdd9de71b41929", "a b")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := onServer(a), onServer(b)
		if !isLegal(x) || !isLegal(y) {
			t.Errorf("%q and %q become %q and %q", a, b, x, y)
		}
		if (a == b) != (x == y) {
			t.Errorf("%q becomes %q, %q becomes %q", a, x, b, y)
		}
		if onServer(x) == x && x != a {
			t.Errorf("%q becomes %q, which is another key", a, x)
		}
	})
}
