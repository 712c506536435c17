package memoize

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

func TestG12RefusedTypes(t *testing.T) {
	for _, refused := range []reflect.Type{
		reflect.TypeFor[*int](), reflect.TypeFor[chan int](), reflect.TypeFor[unsafe.Pointer](), reflect.TypeFor[time.Time](),
		reflect.TypeFor[struct{ At time.Time }](), reflect.TypeFor[[2]struct{ P *int }](),
	} {
		if _, err := checkType(refused, false); err == nil || !strings.Contains(err.Error(), "NewKeyed") || !strings.Contains(err.Error(), "IdentityKeys") {
			t.Errorf("keys of type %v: %v", refused, err)
		}
		if _, err := checkType(refused, true); err != nil {
			t.Errorf("keys of type %v by identity: %v", refused, err)
		}
	}
	for taken, dynamic := range map[reflect.Type]bool{
		reflect.TypeFor[int](): false, reflect.TypeFor[struct{ A, B string }](): false, reflect.TypeFor[netip.AddrPort](): false,
		reflect.TypeFor[any](): true, reflect.TypeFor[[2]struct{ V any }](): true,
	} {
		if d, err := checkType(taken, false); d != dynamic || err != nil {
			t.Errorf("keys of type %v: dynamic %v, %v", taken, d, err)
		}
	}
}
