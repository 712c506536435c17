package storagetest

import (
	"slices"
	"strings"

	"github.com/perennial-go/perennial/internal/checks"
)

var keyChecks = []bytesCheck{
	{Name: "ring21KeysOfAnyBytes", run: keysOfAnyBytes},
	{Name: "keys of every length", run: keysOfEveryLength},
	{Name: "many keys", run: manyKeys},
}

// strangeNames are names that stores have taken for something else.
var strangeNames = []string{
	"a b", "a  b", " a", "a ", "a\tb", "a\nb", "a\r\nb", "a\x00b", "a\x00", "\x00",
	"a*", "a?", "a[b]", "[a-z]", "[^a]", `a\`, `a\*`, `\`, "^a", "{a}", "{a}b", "a}b{",
	"a\xff", "\xff\xff", "\xc3\x28", "ä", "a\u0308", "A", "a", "%00", "%s%d", "a%", "$(a)", "'a'", `"a"`,
	"a:b", "a::b", ":a", "a/b", "../a", "a.b", "a,b", "a;b", "a=b&c", "\x7f", "\x1b[0m", "END\r\n", "get a\r\n", "\u2028", "漢字",
}

func keysOfAnyBytes(t checks.TB, s *bytesSubject) {
	for _, name := range strangeNames {
		s.lacks(t, s.key(name))
		s.set(t, s.key(name), "of "+name, long)
	}
	for _, name := range strangeNames {
		s.holds(t, s.key(name), "of "+name)
	}
	for i, name := range strangeNames {
		s.delete(t, s.key(name), true)
		s.lacks(t, s.key(name))
		for _, other := range strangeNames[i+1:] {
			s.holds(t, s.key(other), "of "+other)
		}
	}
}

func keysOfEveryLength(t checks.TB, s *bytesSubject) {
	var keys []string
	for _, length := range []int{1, 2, 31, 64, 127, 128, 200, 249, 250, 251, 255, 256, 1000, 1024, 4096, 1 << 16, s.MaxKey - 1, s.MaxKey} {
		if len(s.prefix) < length && length <= s.MaxKey {
			keys = append(keys, s.prefix+strings.Repeat("k", length-len(s.prefix)))
		}
	}
	if len(keys) == 0 {
		t.Fatalf("no key fits: MaxKey is %d", s.MaxKey)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	for i, key := range keys {
		s.set(t, key, keys[i][:len(s.prefix)+1]+string(rune('a'+i)), long)
	}
	for i, key := range keys {
		s.holds(t, key, keys[i][:len(s.prefix)+1]+string(rune('a'+i)))
	}
}

// manyKeys is enough keys for a store that grows, or lists them in parts.
func manyKeys(t checks.TB, s *bytesSubject) {
	const n = 2500
	names, values := s.fillStore(t, n)
	for i := 0; i < n; i += 7 {
		s.holds(t, s.key(names[i]), values[i])
	}
	if s.can(Lister) {
		s.lists(t, s.prefix, s.keys(names...)...)
		s.clear(t, s.prefix)
		s.lists(t, s.prefix)
		for i := 0; i < n; i += 7 {
			s.lacks(t, s.key(names[i]))
		}
	}
}
