package keytext

import (
	"bytes"
	"math"
	oldrand "math/rand"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
	"unsafe"
)

// Texts are the same exactly where == says that keys are, whatever their type and
// what an interface in them holds.
func TestG12TextsAgreeWithEquality(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := generator{rand.New(rand.NewPCG(seed, 0))}
	same, others := 0, 0
	for range 400 {
		kind := g.typ(3)
		values := make([]reflect.Value, 12)
		for i := range values {
			values[i] = g.value(kind, 3)
		}
		for _, a := range values {
			for _, b := range values {
				textA, errA := appendValue(nil, a)
				textB, errB := appendValue(nil, b)
				if itself := a.Interface() == a.Interface(); (errA == nil) != itself {
					t.Fatalf("%v: %#v equals itself: %t, and its error is %v", kind, a, itself, errA)
				}
				if errA != nil || errB != nil {
					continue
				}
				equal := a.Interface() == b.Interface()
				if equal != bytes.Equal(textA, textB) {
					t.Fatalf("%v: %#v == %#v is %t, and their texts are %s and %s", kind, a, b, equal, textA, textB)
				}
				if equal {
					same++
				} else {
					others++
				}
			}
		}
	}
	if same < 2000 || others < 2000 {
		t.Errorf("only %d pairs are equal and %d are not", same, others)
	}
}

type (
	unexported struct {
		a any
		p netip.AddrPort
		s struct{ netip.Prefix } //lint:ignore U1000 set by reflection
	}
	blanked struct {
		A int8
		_ int8
		_ string
		B any
	}
)

// generator makes types and values, out of few, so that equal ones are among them.
type generator struct{ *rand.Rand }

func (g generator) typ(depth int) reflect.Type {
	if depth > 0 {
		switch g.IntN(6) {
		case 0:
			return reflect.ArrayOf(g.IntN(3), g.typ(depth-1))
		case 1:
			fields := make([]reflect.StructField, g.IntN(4))
			for i := range fields {
				fields[i] = reflect.StructField{Name: string(rune('A' + i)), Type: g.typ(depth - 1)}
			}
			return reflect.StructOf(fields)
		}
	}
	types := []reflect.Type{
		reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int64](), reflect.TypeFor[uint8](), reflect.TypeFor[uintptr](),
		reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
		reflect.TypeFor[string](), reflect.TypeFor[name](), reflect.TypeFor[time.Duration](), reflect.TypeFor[any](), reflect.TypeFor[any](),
		reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.AddrPort](), reflect.TypeFor[netip.Prefix](),
		reflect.TypeFor[unexported](), reflect.TypeFor[blanked](), reflect.TypeFor[quote](), reflect.TypeFor[boxed[any]](),
	}
	return types[g.IntN(len(types))]
}

func one[T any](g generator, of ...T) T { return of[g.IntN(len(of))] }

func (g generator) addr() netip.Addr {
	return one(g, netip.Addr{}, netip.MustParseAddr("1.2.3.4"), netip.MustParseAddr("::ffff:1.2.3.4"), netip.MustParseAddr("::1"),
		netip.MustParseAddr("::1%a"), netip.MustParseAddr("::1%a]:80"), netip.MustParseAddr("::ffff:1.2.3.4%a"))
}

func (g generator) value(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	switch t {
	case reflect.TypeFor[netip.Addr]():
		v.Set(reflect.ValueOf(g.addr()))
		return v
	case reflect.TypeFor[netip.AddrPort]():
		v.Set(reflect.ValueOf(netip.AddrPortFrom(g.addr(), one[uint16](g, 0, 80, 81))))
		return v
	case reflect.TypeFor[netip.Prefix]():
		v.Set(reflect.ValueOf(netip.PrefixFrom(g.addr(), one(g, -1, 0, 24, 96, 129))))
		return v
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(one(g, true, false))
	case reflect.Int, reflect.Int8, reflect.Int64:
		v.SetInt(one[int64](g, 0, 1, -1, 10))
	case reflect.Uint8, reflect.Uint16, reflect.Uintptr:
		v.SetUint(one[uint64](g, 0, 1, 10))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(g.float())
	case reflect.Complex64, reflect.Complex128:
		v.SetComplex(complex(g.float(), g.float()))
	case reflect.String:
		v.SetString(one(g, "", "0", "a", `"`, `a","b`, "\xff", "�", `\xff`, "\u200d", `\u200d`, "\U0001FAE9", "nil", "{", "{}", "::1"))
	case reflect.Array:
		for i := range t.Len() {
			v.Index(i).Set(g.value(t.Elem(), depth))
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := v.Field(i)
			reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem().Set(g.value(f.Type(), depth))
		}
	case reflect.Interface:
		if g.IntN(5) > 0 && depth > 0 {
			v.Set(g.value(g.typ(depth-1), depth-1))
		}
	}
	return v
}

func (g generator) float() float64 {
	return one(g, 0, math.Copysign(0, -1), 1, 0.1, float64(float32(0.1)), math.Inf(1), math.Inf(-1), one(g, 2, 2, 2, math.NaN()))
}

func localA() any {
	type local int
	return local(1)
}

func localB() any {
	type local int
	return local(1)
}

func localC() any {
	type local int
	return boxed[local]{1}
}

// What tells two types apart and their names do not, no text can tell. The one that
// comes first has the name.
func TestG12TypesOfOneName(t *testing.T) {
	first, err := Of(localA())
	again, errAgain := Of(localA())
	if err != nil || errAgain != nil || first != again {
		t.Errorf("a type that is declared in a function has the text %s, %v, and %s, %v", first, err, again, errAgain)
	}
	if text, err := Of(localB()); err == nil {
		t.Errorf("another type of one name has the text %s", text)
	}
	if text, err := Of(localC()); err == nil {
		t.Errorf("a type that is made of one in a function has the text %s, which changes with the code around it", text)
	}
}

// Of types without a name reflect tells the packages' names, not their paths.
func TestG12TypesWithoutName(t *testing.T) {
	field := func(pkg, name string, anonymous bool) reflect.Type {
		return reflect.StructOf([]reflect.StructField{{Name: name, PkgPath: pkg, Type: reflect.TypeFor[int](), Anonymous: anonymous}})
	}
	texts := map[string]reflect.Type{}
	for _, kind := range []reflect.Type{
		field("a/foo", "x", false), field("b/foo", "x", false), field("a/foo", "int", false), field("", "X", false),
		reflect.TypeFor[[1]rand.Source](), reflect.TypeFor[[1]oldrand.Source](),
		reflect.TypeFor[struct{ S rand.Source }](), reflect.TypeFor[struct{ S oldrand.Source }](),
		reflect.TypeFor[struct{ rand.Source }](), reflect.TypeFor[struct{ Source rand.Source }](),
		reflect.TypeFor[struct {
			Source rand.Source `json:"s"`
		}](),
		reflect.TypeFor[struct{ int }](), reflect.TypeFor[struct{ int int }](),
		reflect.TypeFor[[2]int](), reflect.TypeFor[[2]any](), reflect.TypeFor[[2]error](),
	} {
		text, err := Of(reflect.Zero(kind).Interface())
		if other, ok := texts[text]; ok || err != nil {
			t.Errorf("%v and %v have the text %s, %v", kind, other, text, err)
		}
		texts[text] = kind
	}
	if text, err := Of[any]([1]interface{ M() }{}); err == nil {
		t.Errorf("a type without a name that can't be told has the text %s", text)
	}
}

func TestG12AddressesThatAreNone(t *testing.T) {
	for want, key := range map[string]any{
		`"invalid AddrPort"`: netip.AddrPort{}, `"invalid IP:80"`: netip.AddrPortFrom(netip.Addr{}, 80), `"invalid IP:81"`: netip.AddrPortFrom(netip.Addr{}, 81),
		`"invalid Prefix"`: netip.Prefix{}, `"1.2.3.4/-1"`: netip.PrefixFrom(netip.MustParseAddr("1.2.3.4"), 33), `"::1/-1"`: netip.PrefixFrom(netip.MustParseAddr("::1"), -5),
	} {
		if text, err := of(key); text != want || err != nil {
			t.Errorf("the text is %s, %v, want %s", text, err, want)
		}
	}
}

// Equal keys have one text, also where a field that == does not look at differs.
func TestG12BlankFields(t *testing.T) {
	a, b := blanked{A: 1, B: 2}, blanked{A: 1, B: 2}
	reflect.NewAt(reflect.TypeFor[int8](), reflect.ValueOf(&b).Elem().Field(1).Addr().UnsafePointer()).Elem().SetInt(7)
	textA, _ := Of(a)
	textB, _ := Of(b)
	if a != b || textA != textB || textA != `{1,0,"",.int(2)}` {
		t.Errorf("equal keys have the texts %s and %s", textA, textB)
	}
}

// What is not exported is read wherever it stands.
func TestUnexportedFieldsOfWhatAnInterfaceHolds(t *testing.T) {
	text, err := Of[any](unexported{a: unexported{p: netip.MustParseAddrPort("1.2.3.4:80")}})
	inner := typeOfUnexported + `({nil,"1.2.3.4:80",{"invalid Prefix"}})`
	if want := typeOfUnexported + `({` + inner + `,"invalid AddrPort",{"invalid Prefix"}})`; text != want || err != nil {
		t.Errorf("the text is %s, %v, want %s", text, err, want)
	}
}

const typeOfUnexported = "github.com/perennial-go/perennial/internal/keytext.keytext.unexported"
