package metrics

import (
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/guard"
)

// Check is an error that says what is wrong with a list of functions: one is nil, or two
// have one name, under which their numbers could not be told apart.
func Check(functions []Function) error {
	return check(functions, "function", nameOf, "give it what memoize.New has returned", "give each a name of its own with config.Name")
}

// CheckGuards is Check for guards.
func CheckGuards(guards []*guard.Guard) error {
	name := func(g *guard.Guard) (string, bool) {
		if g == nil {
			return "", false
		}
		return g.Name(), true
	}
	return check(guards, "guard", name, "give it what guard.New has returned", "list each once, and give each a name of its own in guard.New")
}

func check[T any](all []T, what string, nameOf func(T) (string, bool), notNil, notAlike string) error {
	var errs []error
	seen := map[string]bool{}
	for i, one := range all {
		name, ok := nameOf(one)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s %d of %d is nil: %s", what, i+1, len(all), notNil))
		case seen[name]:
			errs = append(errs, fmt.Errorf("two %ss are called %q: %s", what, name, notAlike))
		}
		seen[name] = true
	}
	return errors.Join(errs...)
}

// nameOf is false for nil, whether typed or not.
func nameOf(f Function) (name string, ok bool) {
	defer func() { ok = recover() == nil && f != nil }()
	if f != nil {
		name = f.Name()
	}
	return name, true
}
