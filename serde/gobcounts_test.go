package serde_test

import (
	"bytes"
	"encoding/gob"
	"reflect"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/serde"
)

type (
	inGob struct {
		M    map[string]int
		Any  any
		List []any
		Next *inGob
		Deep map[string]map[string][]string
		None []struct{}
		Arr  [3]map[int]bool
		Old  map[string]string
	}
	without struct{ M map[string]int } // some fields of that
	otherIn struct{ A, B any }
)

func init() {
	gob.Register(map[string]any{})
	gob.Register([]any{})
	gob.Register(map[string]int{})
	gob.Register(inGob{})
	gob.Register(otherIn{})
}

func gobOf(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// promising is a record with a count in place of the one that stands before a
// text; the messages keep their length.
func promising(t testing.TB, v any, before string, count []byte) []byte {
	t.Helper()
	b := gobOf(t, v)
	at := bytes.LastIndex(b, []byte(before))
	if at < 0 {
		t.Fatalf("%q is not in %q", before, b)
	}
	at -= 2 // the text's length and the count
	b = bytes.Clone(b)
	copy(b[at:], count)
	return b
}

// TestGobPromises has records that say that they hold 2^30 of something.
func TestGobPromises(t *testing.T) {
	huge := []byte{0xFC, 0x40, 0, 0, 0}
	long := strings.Repeat("k", 100) // room for the count
	one := map[string]int{long: 1}
	for name, record := range map[string][]byte{
		"a map":                     promising(t, one, long, huge),
		"in a struct":               promising(t, inGob{M: one}, long, huge),
		"in a struct in a struct":   promising(t, inGob{Next: &inGob{M: one}}, long, huge),
		"in a map":                  promising(t, inGob{Deep: map[string]map[string][]string{"a": {long: nil}}}, long, huge),
		"in an interface":           promising(t, inGob{Any: one}, long, huge),
		"in a struct in interfaces": promising(t, inGob{Any: otherIn{A: []any{1, otherIn{B: one}}}}, long, huge),
		"in a slice of interfaces":  promising(t, inGob{List: []any{1, map[string]any{"a": one}}}, long, huge),
		"in an array":               promising(t, inGob{Arr: [3]map[int]bool{{1: true}}, Old: map[string]string{long: ""}}, long, huge),
		"that is not read":          promising(t, struct{ X, M map[string]int }{one, nil}, long, huge),
		"64 bits":                   promising(t, one, long, []byte{0xF8, 0x7F, 0, 0, 0, 0, 0, 0, 0}),
		"as many as bytes":          promising(t, one, long, []byte{0xFF, 105}),
	} {
		for what, decode := range map[string]func([]byte) error{
			"map":     func(b []byte) error { _, err := made(serde.Gob[map[string]int]()).Decode(b); return err },
			"struct":  func(b []byte) error { _, err := made(serde.Gob[inGob]()).Decode(b); return err },
			"without": func(b []byte) error { _, err := made(serde.Gob[without]()).Decode(b); return err },
		} {
			if what == "map" {
				record = append([]byte{1}, record...) // there is a value
			}
			var err error
			if n := allocated(func() { err = decode(record) }); err == nil || n > 1<<20 {
				t.Errorf("%s, read as %s: %d bytes are taken, %v", name, what, n, err)
			}
			if what == "map" {
				record = record[1:]
			}
		}
	}
}

// TestGobOfNoEnd has values so deep that reading them would end the process, and
// descriptions of many fields.
func TestGobOfNoEnd(t *testing.T) {
	deep := func(n int) *inGob {
		v := &inGob{M: map[string]int{"a": 1}}
		for range n {
			v = &inGob{Next: v}
		}
		return v
	}
	c := made(serde.Gob[inGob]())
	if _, err := c.Decode(gobOf(t, deep(9_000))); err != nil {
		t.Error(err)
	}
	if _, err := c.Decode(gobOf(t, deep(20_000))); err == nil || !strings.Contains(err.Error(), "too deep") {
		t.Errorf("20,000 levels: %v", err)
	}
	// A struct type of n fields without a name: 127 bytes and more.
	described := func(n int) []byte {
		number := func(n int) []byte { return []byte{0xFC, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }
		def := append([]byte{0x7F, 3, 2}, number(n)...) // -64, StructT, its fields
		def = append(append(def, make([]byte, n)...), 0, 0)
		return append(append(number(len(def)), def...), 3, 0xFF, 128, 0)
	}
	for _, n := range []int{1 << 17, 1 << 22} {
		var err error
		record := described(n)
		if took := allocated(func() { _, err = c.Decode(record) }); err == nil || !strings.Contains(err.Error(), "fields") || took > 4<<20 {
			t.Errorf("%d fields: %d bytes are taken, %v", n, took, err)
		}
	}
}

// TestGobThatIsNotRefused has what encoding/gob writes in messages of its own:
// interfaces whose types are described where they stand.
func TestGobThatIsNotRefused(t *testing.T) {
	for i, v := range []inGob{
		{}, {M: map[string]int{}}, {None: make([]struct{}, 1000)},
		{Any: map[string]any{"a": []any{1, "b", map[string]any{}, otherIn{A: otherIn{B: 1.5}}}, "c": 2i, "d": []byte("e")}},
		{Any: otherIn{A: inGob{List: []any{otherIn{}, map[string]int{"": 0}, uint8(9), true}}, B: inGob{Any: inGob{}}}, Old: map[string]string{"a": ""}},
		{List: make([]any, 100), Arr: [3]map[int]bool{{-1 << 30: true}, {}, {1 << 30: false}}},
		{Deep: map[string]map[string][]string{"": {"": {"", strings.Repeat("x", 1000)}}}, Next: &inGob{Next: &inGob{}}},
	} {
		data := gobOf(t, v)
		var want inGob
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&want); err != nil {
			t.Fatal(err)
		}
		if got, err := made(serde.Gob[inGob]()).Decode(data); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d: %v, want %v, %v", i, got, want, err)
		}
	}
}

// FuzzGob: no record takes more memory than a small multiple of its length, and
// none that gob itself can read from what it has written is refused.
func FuzzGob(f *testing.F) {
	long := strings.Repeat("k", 100)
	f.Add(promising(f, inGob{Any: map[string]int{long: 1}}, long, []byte{0xFC, 0x40, 0, 0, 0}))
	f.Add(gobOf(f, inGob{Any: otherIn{A: []any{1, otherIn{B: map[string]int{"a": 1}}}}, Deep: map[string]map[string][]string{"a": {"b": {"c"}}}}))
	f.Add(gobOf(f, without{map[string]int{"a": 1}}))
	f.Add(gobOf(f, "text"))
	c := made(serde.Gob[inGob]())
	f.Fuzz(func(t *testing.T, data []byte) {
		var v inGob
		var err error
		took := allocated(func() { v, err = c.Decode(data) })
		if took > 32<<20+uint64(len(data))<<10 {
			t.Errorf("%d bytes are taken for %d", took, len(data))
		}
		if err != nil {
			return
		}
		again, err := c.Encode(v)
		if err != nil {
			return // a nil in a slice of interfaces, say
		}
		if _, err := c.Decode(again); err != nil {
			t.Errorf("what is written is not read: %v", err)
		}
	})
}
