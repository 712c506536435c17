package config

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/module"
)

// Changes says in which settings s differs from older ones, such as
// "MethodTimeout 2m0s to 1s, Bypass false to true". A part that says nothing of
// itself is named by its type. Two functions count as one if their code is the same.
func (s *Settings[A, K, V]) Changes(old *Settings[A, K, V]) string {
	var changes []string
	differ := func(setting string, was, is any) {
		from, to := name(was), name(is)
		if from == to {
			to = "another"
		}
		changes = append(changes, fmt.Sprintf("%s %s to %s", setting, from, to))
	}
	for _, c := range []struct {
		setting string
		was, is any
	}{
		{"Configured", old.Configured, s.Configured},
		{"Bypass", old.Bypass, s.Bypass},
		{"FailOnStoreError", old.FailOnStoreError, s.FailOnStoreError},
		{"MethodTimeout", old.MethodTimeout, s.MethodTimeout},
		{"Builder", old.Builder, s.Builder},
		{"Keys", old.Keys, s.Keys},
		{"Storage", old.Storage, s.Storage},
		{"Eviction", old.Eviction, s.Eviction},
		{"Capacity", old.capacity(), s.capacity()},
		{"Weigh", old.Weigh, s.Weigh},
		{"Tags", old.Tags, s.Tags},
		{"Postprocess", old.Postprocessing, s.Postprocessing},
		{"ContextValues", old.ContextValues, s.ContextValues},
		{"Guard", old.Guard, s.Guard},
		{"Gather", old.Gather, s.Gather},
		{"OnRelease", old.OnRelease, s.OnRelease},
	} {
		if c.setting == "Capacity" && !same(old.Eviction, s.Eviction) {
			continue // the strategies say it
		}
		if !same(c.was, c.is) || c.setting == "Weigh" && !s.SameWeights(module.Only{}, old) {
			differ(c.setting, c.was, c.is)
		}
	}
	s.answersDiffer(old, differ)
	was, is := reflect.ValueOf(old.Limits.WithDefaults()), reflect.ValueOf(s.Limits.WithDefaults())
	for i := range is.NumField() {
		if from, to := was.Field(i).Interface(), is.Field(i).Interface(); from != to {
			differ(is.Type().Field(i).Name, from, to)
		}
	}
	return strings.Join(changes, ", ")
}

// capacity is what the strategy has, or is to have, nil where nobody can tell.
func (s *Settings[A, K, V]) capacity() any {
	if s.resize != nil {
		return *s.resize
	}
	if b, ok := s.Eviction.(eviction.Bounded); ok && !isNil(s.Eviction) {
		return b.Capacity()
	}
	return nil
}

// same tells whether two parts are one.
func same(was, is any) bool {
	if isNil(was) || isNil(is) {
		return isNil(was) == isNil(is)
	}
	a, b := reflect.ValueOf(was), reflect.ValueOf(is)
	switch {
	case a.Type() != b.Type():
		return false
	case a.Comparable() && b.Comparable():
		return was == is
	case a.Kind() == reflect.Func:
		return a.Pointer() == b.Pointer()
	}
	return reflect.DeepEqual(was, is)
}
