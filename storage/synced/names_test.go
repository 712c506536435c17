package synced

import (
	"errors"
	"strings"
	"testing"
)

func TestKeysOfNames(t *testing.T) {
	m := &Memory{prefix: "svc:"}
	for key, want := range map[string]struct {
		scope []string
		name  string
	}{
		"svc:theme":        {nil, "theme"},
		"svc:flags:dark":   {[]string{"flags"}, "dark"},
		"svc:flags%3Adark": {nil, "flags:dark"},
		"svc:a%3A:b:%25":   {[]string{"a:", "b"}, "%"},
	} {
		scope := m
		for _, name := range want.scope {
			scope = scope.Scope(name)
		}
		v, err := NewVar[int](scope, want.name)
		if err != nil || v.key != key {
			t.Errorf("%q in %q: the key is %q, %v; want %q", want.name, want.scope, v.key, err, key)
		}
	}
}

// Keys that nobody here makes are no names.
func TestForeignKeysHaveNoName(t *testing.T) {
	for _, key := range []string{"svc:", "svc", "other:x", "svc:a:b", "svc::", "svc:%", "svc:%2", "svc:%3a", "svc:%41", "svc:" + strings.Repeat("x", MaxName+1)} {
		if name, ok := nameIn("svc:", key); ok {
			t.Errorf("the key %q is the name %q", key, name)
		}
	}
}

func TestNamesThatCantBeUsed(t *testing.T) {
	m := &Memory{prefix: "svc:"}
	long := strings.Repeat("x", MaxName+1)
	for what, err := range map[string]error{
		"no name":           second(NewVar[int](m, "")),
		"a long one":        second(NewVar[int](m, long)),
		"a list's":          second(NewList[int](m, "")),
		"a dict's":          second(NewDict[int](m, long)),
		"a scope's":         second(NewVar[int](m.Scope(""), "x")),
		"a scope's, long":   second(m.Scope(long).Names(t.Context())),
		"that of one above": m.Scope("").Scope("b").Watch(t.Context(), nil),
	} {
		if !errors.Is(err, ErrName) || !strings.HasPrefix(err.Error(), "synced: ") {
			t.Errorf("%s: the error is %v, want ErrName", what, err)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%s: the error has %d bytes", what, len(err.Error()))
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Two places have one key only if they are the same, and a name comes back as it
// was.
func FuzzNames(f *testing.F) {
	f.Add("a", "b", "a:b", "")
	f.Add("a:", "b", "a", ":b")
	f.Add("%", "3A", "%3", "A")
	f.Add("", "%253A", "", "%3A")
	f.Fuzz(func(t *testing.T, scope1, name1, scope2, name2 string) {
		key := func(scope, name string) (m *Memory, key string, ok bool) {
			m = &Memory{prefix: "svc:"}
			if scope != "" {
				m = m.Scope(scope)
			}
			v, err := NewVar[int](m, name)
			if err != nil {
				return nil, "", false
			}
			return m, v.key, true
		}
		m1, key1, ok1 := key(scope1, name1)
		_, key2, ok2 := key(scope2, name2)
		if !ok1 {
			return
		}
		if got, ok := nameIn(m1.prefix, key1); !ok || got != name1 {
			t.Errorf("the name %q comes back as %q, %v", name1, got, ok)
		}
		if ok2 && key1 == key2 && (scope1 != scope2 || name1 != name2) {
			t.Errorf("%q in %q and %q in %q have the key %q", name1, scope1, name2, scope2, key1)
		}
	})
}
