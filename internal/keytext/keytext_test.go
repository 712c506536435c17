package keytext

import (
	"math"
	"reflect"
	"testing"
)

// of is the text of a key of its own type, not of an interface.
func of(key any) (string, error) {
	v := reflect.New(reflect.TypeOf(key)).Elem()
	v.Set(reflect.ValueOf(key))
	text, err := appendValue(nil, v)
	return string(text), err
}

func TestInterfaceKeysNameTheirTypes(t *testing.T) {
	texts := map[string]any{}
	for _, key := range []any{1, "1", int64(1), uint8(1), 1.0, true, nil, pair{"1", ""}} {
		text, err := Of(key)
		if other, ok := texts[text]; err != nil || ok {
			t.Errorf("%#v and %#v have the text %s, %v", key, other, text, err)
		}
		texts[text] = key
	}
	if text, err := Of("1"); text != `"1"` || err != nil {
		t.Errorf("a key of a type of its own has the text %s, %v", text, err)
	}
}

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
			text, err := of(key)
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
	a, _ := of(zero)
	b, _ := of(-zero)
	c, _ := of(math.Copysign(0, -1))
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
		if got, err := of(key); got != want || err != nil {
			t.Errorf("Of(%#v) = %s, %v, want %s", key, got, err, want)
		}
	}
}

func TestKeysWithoutText(t *testing.T) {
	for _, key := range []any{math.NaN(), new(int), make(chan int), [1]float64{math.NaN()}} {
		if text, err := of(key); err == nil {
			t.Errorf("Of(%#v) = %s, want an error", key, text)
		}
	}
}
