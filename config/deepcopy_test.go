package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
)

// copied is a deep copy of a value.
func copied[V any](t *testing.T, v V) V {
	t.Helper()
	p := config.DeepCopy[V]()
	if err := p.(interface{ Validate() error }).Validate(); err != nil {
		t.Fatal(err)
	}
	return p.Apply(v)
}

// Order is plain exported data of every kind that is copied.
type Order struct {
	ID    int
	Lines []Line
	By    map[string]*Line
	First *Line
	Pair  [2][]string
	At    time.Time
	Name  Named
	Void  []int
	None  map[string]int
	Nil   *Line
}

// Line is a part of an Order.
type Line struct {
	Text  string
	Price float64
}

// Named is a slice type of its own.
type Named []string

func order() Order {
	return Order{
		ID: 1, Lines: []Line{{"a", 1}, {"b", 2}}, By: map[string]*Line{"c": {"c", 3}}, First: &Line{"d", 4},
		Pair: [2][]string{{"e"}, {"f", "g"}}, At: time.Date(2024, 10, 7, 0, 0, 0, 1, time.UTC), Name: Named{"h"}, Void: []int{},
	}
}

func TestDeepCopyCopies(t *testing.T) {
	from := order()
	got := copied(t, from)
	if !reflect.DeepEqual(got, from) {
		t.Fatalf("got  %+v\nwant %+v", got, from)
	}
	if got.None != nil || got.Nil != nil || got.Void == nil {
		t.Error("nil and empty are not told apart")
	}
	got.Lines[0].Text, got.By["c"].Text, got.First.Text, got.Pair[1][0], got.Name[0] = "x", "x", "x", "x", "x"
	got.By["new"] = nil
	if !reflect.DeepEqual(from, order()) {
		t.Fatalf("the original changed with its copy: %+v", from)
	}
}

func TestDeepCopyOfOneKind(t *testing.T) {
	if got := copied(t, 7); got != 7 {
		t.Errorf("got %d", got)
	}
	if got := copied[[]int](t, nil); got != nil {
		t.Errorf("a nil slice becomes %v", got)
	}
	if got := copied[*int](t, nil); got != nil {
		t.Errorf("a nil pointer becomes %v", got)
	}
	n := 1
	p := &n
	if got := copied(t, &p); *got == p || **got != 1 {
		t.Error("a pointer to a pointer is not copied through")
	}
	type key struct{ A, B string }
	if got := copied(t, map[key]int{{"a", "b"}: 1}); got[key{"a", "b"}] != 1 {
		t.Errorf("got %v", got)
	}
}

// Ring refers to itself.
type Ring struct {
	Text string
	Next *Ring
	All  []*Ring
	By   map[string]*Ring
}

func TestDeepCopyOfCycles(t *testing.T) {
	a, b := &Ring{Text: "a"}, &Ring{Text: "b"}
	a.Next, b.Next = b, a
	a.All = []*Ring{a, b}
	a.By = map[string]*Ring{"self": a}
	got := copied(t, a)
	if got == a || got.Next == b || got.Text != "a" || got.Next.Text != "b" {
		t.Fatalf("got %p %+v, want a copy of %p", got, got, a)
	}
	if got.Next.Next != got || got.All[0] != got || got.All[1] != got.Next || got.By["self"] != got {
		t.Error("the copy does not refer to itself as the original does")
	}

	type tree []tree // a slice that holds itself
	loop := make(tree, 1)
	loop[0] = loop
	if c := copied(t, loop); &c[0] == &loop[0] || &c[0][0] != &c[0] {
		t.Error("a slice that holds itself is not copied as such")
	}
}

// What is referred to twice is copied once.
func TestDeepCopyOfSharedReferences(t *testing.T) {
	type pair struct {
		A, B *Line
		C, D []int
		E, F map[string]int
	}
	l, s, m := &Line{"x", 1}, []int{1, 2, 3}, map[string]int{"a": 1}
	got := copied(t, pair{l, l, s, s, m, m})
	if got.A != got.B || got.A == l {
		t.Error("one line became two, or none")
	}
	if &got.C[0] != &got.D[0] || &got.C[0] == &s[0] {
		t.Error("one slice became two, or none")
	}
	got.E["b"] = 2
	if got.F["b"] != 2 || m["b"] == 2 {
		t.Error("one map became two, or none")
	}
	two := copied(t, pair{C: s, D: s[:2]}) // slices of one array that differ in length
	if len(two.C) != 3 || len(two.D) != 2 || two.D[1] != 2 {
		t.Errorf("got %v and %v", two.C, two.D)
	}
}

// A pointer to a struct and one to its first field have one address.
func TestDeepCopyOfOneAddress(t *testing.T) {
	type outer struct{ In Line }
	type both struct {
		O *outer
		L *Line
	}
	o := &outer{Line{"x", 1}}
	got := copied(t, both{o, &o.In})
	if got.O.In.Text != "x" || got.L.Text != "x" || got.O == o || got.L == &o.In {
		t.Errorf("got %+v", got)
	}
}

// Secret has unexported fields and copies itself.
type Secret struct {
	hidden []int
	copies *int
}

// Clone makes it fit for DeepCopy.
func (s Secret) Clone() Secret {
	*s.copies++
	return Secret{append([]int(nil), s.hidden...), s.copies}
}

// Handle is a type whose pointer copies itself.
type Handle struct{ hidden *int }

// Clone makes *Handle fit for DeepCopy.
func (h *Handle) Clone() *Handle { n := *h.hidden; return &Handle{&n} }

func TestDeepCopyUsesClone(t *testing.T) {
	n := 0
	type holder struct {
		One  Secret
		Many []Secret
		Ptr  *Handle
		Nil  *Handle
	}
	seven := 7
	from := holder{Secret{[]int{1}, &n}, []Secret{{[]int{2}, &n}, {[]int{3}, &n}}, &Handle{&seven}, nil}
	got := copied(t, from)
	if n != 3 {
		t.Errorf("Clone was called %d times, want 3", n)
	}
	got.One.hidden[0], got.Many[1].hidden[0], *got.Ptr.hidden = 9, 9, 9
	if from.One.hidden[0] != 1 || from.Many[1].hidden[0] != 3 || seven != 7 || got.Nil != nil {
		t.Errorf("the original changed with its copy: %+v", from)
	}
}

// What can't be copied is refused when the configuration is made, with the
// place where it stands.
func TestDeepCopyRefuses(t *testing.T) {
	type withInterface struct{ Any any }
	type withChannel struct{ Deep []map[string]chan int }
	type withFunc struct{ F func() }
	type withUnexported struct {
		Fine   int
		hidden int
	}
	type withKey struct{ M map[[1]any]int }
	_ = withUnexported{}.hidden
	for _, c := range []struct {
		name  string
		err   error
		wants []string
	}{
		{"interface", valid[withInterface](), []string{"withInterface.Any is of kind interface"}},
		{"channel", valid[withChannel](), []string{"withChannel.Deep value is of kind chan"}},
		{"func", valid[*withFunc](), []string{"withFunc.F is of kind func"}},
		{"unexported", valid[[]withUnexported](), []string{"hidden is not exported"}},
		{"key", valid[withKey](), []string{"M key is of kind interface"}},
		{"itself", valid[any](), []string{"is of kind interface"}},
		{"remedy", valid[chan int](), []string{"give it a Clone method, or use config.CopyBy"}},
		{"pointer with a Clone of another type", valid[Handle](), []string{"hidden is not exported"}},
	} {
		t.Run(c.name, func(t *testing.T) { says(t, c.err, append(c.wants, "DeepCopy can't copy")...) })
	}
	err := config.InMemory[string, any](config.Postprocess(config.DeepCopy[any]())).Err()
	says(t, err, "DeepCopy can't copy")
	if got := strings.Count(err.Error(), "DeepCopy can't copy"); got != 1 {
		t.Errorf("the fault is reported %d times", got)
	}
}

func valid[V any]() error {
	return config.DeepCopy[V]().(interface{ Validate() error }).Validate()
}
