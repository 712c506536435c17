package digest

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

type pair struct {
	id   int
	name string
}

type mixed struct {
	pair
	more [2]any
	_    any
}

// Equal keys have equal digests, however they were made.
func TestEqualKeysHaveEqualDigests(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<10)
	if Of(long) != Of(strings.Clone(long)) {
		t.Error("two copies of a text have two digests")
	}
	if Of(pair{1, long}) != Of(pair{1, strings.Clone(long)}) {
		t.Error("two copies of a struct have two digests")
	}
	for _, key := range []any{nil, 1, long, pair{1, long}, mixed{}, [2]any{pair{}, nil}} {
		again := key
		if Of(key) != Of(again) || Of([1]any{key}) != Of([1]any{again}) {
			t.Errorf("%T has two digests", key)
		}
	}
}

// Keys that differ have digests that differ in both halves, and the halves of one
// digest tell nothing of each other: each has a seed of its own.
func TestKeysThatDifferHaveOtherDigests(t *testing.T) {
	t.Parallel()
	halves := map[uint64]string{}
	for i := range 10_000 {
		key := strconv.Itoa(i)
		for _, half := range Of(key) {
			if other, known := halves[half]; known {
				t.Fatalf("half of the digest of %q is half of that of %q", key, other)
			}
			halves[half] = key
		}
	}
}

// Keys that differ in the type of what an interface holds are not equal, wherever in the
// key the interface is, and have other digests.
func TestTypesInInterfacesTell(t *testing.T) {
	t.Parallel()
	values := []any{
		nil, 0, 1, int8(1), int64(1), uint(1), "", "1", struct{}{}, [0]int{}, pair{}, mixed{}, struct{ v any }{1},
		[1]any{}, [2]any{}, [2]any{nil, 1}, [2]any{1, nil}, [2]any{int64(1), nil}, mixed{more: [2]any{1, nil}}, mixed{more: [2]any{nil, uint(1)}},
	}
	for name, of := range map[string]func(v any) Digest{
		"alone":       Of[any],
		"in an array": func(v any) Digest { return Of([2]any{v, v}) },
		"in a struct": func(v any) Digest { return Of(mixed{more: [2]any{"a", v}}) },
		"in a struct in an array": func(v any) Digest {
			return Of([1]struct {
				n int
				v fmt.Stringer
				w any
			}{{w: v}})
		},
	} {
		known := map[Digest]any{}
		for _, v := range values {
			d := of(v)
			if other, found := known[d]; found {
				t.Errorf("%s: %T(%v) has the digest of %T(%v)", name, v, v, other, other)
			}
			known[d] = v
		}
	}
}

// Blank fields are not compared, so they have no part in a digest.
func TestBlankFieldsDoNotTell(t *testing.T) {
	t.Parallel()
	type filled struct { // in memory as a mixed
		pair
		more [2]any
		last any
	}
	a, b := filled{last: 1}, filled{last: int64(1)}
	if Of(*(*mixed)(unsafe.Pointer(&a))) != Of(*(*mixed)(unsafe.Pointer(&b))) {
		t.Error("two keys that are equal have two digests")
	}
	if hasInterface(reflect.TypeFor[struct{ _ any }]()) {
		t.Error("an interface is looked at that is not compared")
	}
}
