package keytext

import (
	"math"
	"testing"
)

type pair struct{ A, b string }

func TestTextIsInjective(t *testing.T) {
	for _, keys := range [][]any{
		{"", "a", `"a"`, "a,b", "a:b", "\x00", "\xff", "é"},
		{pair{"a:b", "c"}, pair{"a", "b:c"}, pair{"a,", "b"}, pair{"a", ",b"}, pair{`a","b`, ""}},
		{[1]any{1}, [1]any{"1"}, [1]any{int64(1)}, [1]any{nil}, [1]any{1.0}, [1]any{true}, [1]any{pair{"1", ""}}},
		{0.1, 0.2, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64},
		{1 + 2i, 2 + 1i},
	} {
		texts := map[string]any{}
		for _, key := range keys {
			text, err := Of(key)
			if err != nil {
				t.Fatalf("Of(%#v): %v", key, err)
			}
			if other, ok := texts[text]; ok {
				t.Errorf("%#v and %#v have the same text %s", key, other, text)
			}
			texts[text] = key
		}
	}
}

func TestEqualKeysHaveOneText(t *testing.T) {
	zero := 0.0
	a, _ := Of(zero)
	b, _ := Of(-zero)
	c, _ := Of(math.Copysign(0, -1))
	if a != b || a != c {
		t.Errorf("0 and -0 are equal and have texts %q, %q, %q", a, b, c)
	}
}

func TestReadable(t *testing.T) {
	for want, key := range map[string]any{
		`42`: 42, `"42"`: "42", `{"acme",7}`: struct {
			S string
			N int
		}{"acme", 7},
		`[1,2]`: [2]int{1, 2}, `true`: true, `(1,2)`: 1 + 2i,
	} {
		if got, err := Of(key); got != want || err != nil {
			t.Errorf("Of(%#v) = %s, %v, want %s", key, got, err, want)
		}
	}
}

func TestKeysWithoutText(t *testing.T) {
	for _, key := range []any{math.NaN(), new(int), make(chan int), [1]float64{math.NaN()}} {
		if text, err := Of(key); err == nil {
			t.Errorf("Of(%#v) = %s, want an error", key, text)
		}
	}
}
