package serde_test

import (
	"math"
	"reflect"
	"testing"

	"github.com/perennial-go/perennial/serde"
)

type (
	point    struct{ X int }
	optional struct {
		Number *int
		Text   *string
		Switch *bool
		Twice  **int
		Array  *[2]int
		Point  *point
		Slice  []int
		Map    map[string]int
		Float  float64
		hidden int
	}
)

// What gob loses in silence, as its documentation here says: where nil and zero
// differ, JSON tells them apart.
func TestGobLosesPointersToZero(t *testing.T) {
	zero, text, off := 0, "", false
	twice := &zero
	value := optional{&zero, &text, &off, &twice, new([2]int), new(point), []int{}, map[string]int{}, math.Copysign(0, -1), 1}
	through := func(c serde.Codec[optional]) optional {
		data, err := c.Encode(value)
		if err != nil {
			t.Fatal(err)
		}
		back, err := c.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	want := optional{Point: value.Point, Map: value.Map, Array: value.Array}
	if back := through(made(serde.Gob[optional]())); !reflect.DeepEqual(back, want) {
		t.Errorf("gob gives %+v back, want %+v", back, want)
	}
	want = value
	want.hidden = 0
	if back := through(serde.JSON[optional]()); !reflect.DeepEqual(back, want) || !math.Signbit(back.Float) {
		t.Errorf("JSON gives %+v back, want %+v", back, want)
	}
	one := 1
	value = optional{Number: &one} // what is not zero stays
	if back := through(made(serde.Gob[optional]())); !reflect.DeepEqual(back, value) {
		t.Errorf("gob gives %+v back, want %+v", back, value)
	}
	comesBackAs(t, made(serde.Gob[*int]()), &zero) // a value of its own, and not a field
	comesBackAs(t, made(serde.Gob[[]*int]()), []*int{&zero})
	comesBackAs(t, made(serde.Gob[map[string]*int]()), map[string]*int{"": &zero})
}
