// Package serdetest proves that a serde.SerDe, a serde.Codec or a serde.Encoding
// does what stores and the engine rely on:
//
//	func TestConformance(t *testing.T) {
//		serdetest.Run(t, func() serde.SerDe[User] { return mine.New[User]() },
//			[]User{{}, {Name: "Ada"}, {Name: "Grace", Roles: []string{"admin"}}}, nil)
//	}
//
// Run it with the race detector too.
package serdetest

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/serde"
)

// Run checks the SerDes that the function makes with the values given, two
// different ones at least. Give those that are likely to go wrong: the zero
// value, empty and nil ones, long ones. equal compares a value that came back
// with the one that went in; nil is reflect.DeepEqual.
func Run[V any](t *testing.T, newSerDe func() serde.SerDe[V], values []V, equal func(got, want V) bool) {
	t.Helper()
	s := serDes[V]{newSerDe, subject[V]{values, equalOr(equal)}}
	s.need(t)
	checks.Run(t, serDeSuite[V](), func(*testing.T) serDes[V] { return s })
}

// RunCodec checks the codecs that the function makes. Values and equal are as
// those of Run.
func RunCodec[V any](t *testing.T, newCodec func() serde.Codec[V], values []V, equal func(got, want V) bool) {
	t.Helper()
	s := codecs[V]{newCodec, subject[V]{values, equalOr(equal)}}
	s.need(t)
	checks.Run(t, codecSuite[V](), func(*testing.T) codecs[V] { return s })
}

// RunEncoding checks the encodings that the function makes.
func RunEncoding(t *testing.T, newEncoding func() serde.Encoding) {
	t.Helper()
	checks.Run(t, encodingSuite(), func(*testing.T) encodings { return encodings{newEncoding} })
}

// subject is what a check is run on.
type subject[V any] struct {
	values []V
	equal  func(got, want V) bool
}

func equalOr[V any](equal func(got, want V) bool) func(got, want V) bool {
	if equal != nil {
		return equal
	}
	return func(got, want V) bool { return reflect.DeepEqual(got, want) }
}

// need fails a test whose values could not show a fault.
func (s subject[V]) need(t checks.TB) {
	t.Helper()
	for _, v := range s.values {
		if !s.equal(v, v) {
			t.Fatalf("serdetest: equal does not say that %v equals itself: give values and an equal that do", v)
		}
		if !s.equal(v, s.values[0]) {
			return
		}
	}
	t.Fatalf("serdetest: the %d values are all equal: two different ones are needed", len(s.values))
}

// show is the beginning of a value, with its types.
func show(v any) string { return fmt.Sprintf("%.200s", fmt.Sprintf("%#v", v)) }

// together runs a function in some goroutines at once, for each of n.
func together(n int, f func(i int)) {
	const goroutines, rounds = 4, 5
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				for i := range n {
					f(i)
				}
			}
		})
	}
	wg.Wait()
}

// garbage is what a store may hold that nobody has written.
var garbage = [][]byte{
	nil, {}, {0}, {0xFF}, []byte("null"), []byte("{}"), []byte("garbage"), make([]byte, 31), make([]byte, 32), make([]byte, 1000),
	[]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"), []byte("\x28\xb5\x2f\xfd"), []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
}

// scribble makes data something else, as its owner may.
func scribble(data []byte) {
	for i := range data {
		data[i] ^= 0x5A
	}
}
