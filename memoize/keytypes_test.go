package memoize

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

// A type has to be looked at key by key where anything in it may hold anything,
// whatever else is in it; and where keys are compared by identity no type has to that
// can't hold anything.
func TestTypesOfKeysThatHoldAnything(t *testing.T) {
	for of, dynamic := range map[reflect.Type]bool{
		reflect.TypeFor[struct {
			V any
			N int
		}](): true,
		reflect.TypeFor[struct {
			N int
			V any
		}](): true,
		reflect.TypeFor[[2]any]():             true,
		reflect.TypeFor[struct{ N, M int }](): false,
		reflect.TypeFor[string]():             false,
	} {
		for _, identity := range []bool{false, true} {
			if d, err := checkType(of, identity); d != dynamic || err != nil {
				t.Errorf("%v, identity %v: dynamic %v, %v", of, identity, d, err)
			}
		}
	}
	for _, of := range []reflect.Type{reflect.TypeFor[*int](), reflect.TypeFor[chan int](), reflect.TypeFor[time.Time](), reflect.TypeFor[[2]*int]()} {
		if d, err := checkType(of, true); d || err != nil {
			t.Errorf("%v by identity: dynamic %v, %v", of, d, err)
		}
	}
}

// Keys that are arrays are looked at element by element.
func TestKeysThatAreArraysOfAnything(t *testing.T) {
	for _, good := range [][2]any{{}, {"a", 1}, {1, [1]any{"c"}}} {
		if err := checkKey(good, false); err != nil {
			t.Errorf("%v: %v", good, err)
		}
	}
	for _, bad := range [][2]any{{new(int), 1}, {1, new(int)}, {1, []int{}}, {time.Now(), 1}, {1, [1]any{func() {}}}} {
		if err := checkKey(bad, false); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "NewKeyed") {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
