package tree

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestPathOfText(t *testing.T) {
	for text, want := range map[string][]string{
		"a": {"a"}, "a.b.c": {"a", "b", "c"}, `a\.b.c`: {"a.b", "c"}, `a\\.b`: {`a\`, "b"}, `a\b`: {`a\b`}, `a\`: {`a\`},
		"": {""}, "a..b": {"a", "", "b"}, ".": {"", ""}, "*.[a]": {"*", "[a]"}, "ü.\x00": {"ü", "\x00"},
	} {
		if got := Path(text); !slices.Equal(got, want) {
			t.Errorf("Path(%q) is %q, want %q", text, got, want)
		}
	}
	if got := Text([]string{"a.b", `c\`, "d"}); got != `a\.b.c\\.d` {
		t.Errorf("Text is %q", got)
	}
}

// elementsOf makes a path of any bytes: a 10 begins another element.
func elementsOf(data []byte) []string {
	var path []string
	for _, element := range bytes.Split(data, []byte("\n")) {
		path = append(path, string(element))
	}
	return path
}

func valid(path []string) bool {
	text := 0
	for _, element := range path {
		if element == "" {
			return false
		}
		text += 1 + len(element) + strings.Count(element, "\x00") + strings.Count(element, "\x01") + strings.Count(element, "\x02")
	}
	return len(path) <= maxDepth && text <= maxText
}

// Every path has a text, in the store and to be read, that is its own; and a
// path's range has in it what is at the path or below it, and nothing else.
func FuzzPaths(f *testing.F) {
	for _, seed := range [][2]string{
		{"a\nb", "a\nb\nc"}, {"a", "a.b"}, {"a\x00", "a"}, {"a", "a\x01b"}, {"a\x02", "a\x02\x03"}, {`a\.`, "a"}, {"\xff", "\xff\xfe"}, {"a\n", "b"},
		{"a\x00", "a\x02"}, {"*", "[a]?"}, {"\x02\x03", "\x00"},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		one, two := elementsOf(a), elementsOf(b)
		if got := Path(Text(one)); !slices.Equal(got, one) {
			t.Errorf("%q is read as %q", one, got)
		}
		text, err := encode(one)
		if (err == nil) != valid(one) {
			t.Fatalf("encode(%q) says %v", one, err)
		}
		other, err2 := encode(two)
		if err != nil || err2 != nil {
			return
		}
		if got, err := decode(text); err != nil || !slices.Equal(got, one) {
			t.Errorf("%q is decoded as %q, %v", one, got, err)
		}
		below := len(two) >= len(one) && slices.Equal(two[:len(one)], one)
		for _, member := range []string{other + ofLeaf, other + ofLeaf + "123 \"x\"", other + ofLeaf + "\xff"} {
			if in := member >= text+ofLeaf && member < text+above; in != below {
				t.Errorf("%q is in the range of %q: %v, want %v", two, one, in, below)
			}
			if in := member >= text+ofLeaf && member < text+ofChild; in != slices.Equal(one, two) {
				t.Errorf("%q is in the range of the leaf %q: %v", two, one, in)
			}
		}
		if got, want := strings.Compare(text+ofLeaf, other+ofLeaf), slices.Compare(one, two); got != want {
			t.Errorf("%q and %q are ordered %d, want %d", one, two, got, want)
		}
	})
}

// Whatever a server sends is decoded to what would be encoded so, or refused.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"\x01a\x00 1", "\x01a\x01b\x00123 {}", "\x00 null", "a\x00 1", "\x01\x00 1", "\x01a\x02\x00 1", "\x01a\x00-1 1", "\x01a\x001", "\x01a\x00 [1", "\x01a\x00 1 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := readLeaf(text)
		if err != nil {
			return
		}
		path, err := decode(l.path)
		if err == nil {
			if again, err := encode(path); err == nil && again != l.path {
				t.Errorf("%q is decoded as %q, which is encoded as %q", l.path, path, again)
			}
		}
		value, err := decodeValue(l.json)
		if err != nil || strings.Contains(l.json, `"`) { // what is quoted may be an empty key
			return
		}
		if _, err := (&Tree{maxLeaves: 1 << 20, maxBytes: 1 << 30}).flatten([]string{"x"}, value); err != nil {
			t.Errorf("%q is decoded as %v, which can't be stored: %v", l.json, value, err)
		}
	})
}
