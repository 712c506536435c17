package runner

import (
	"fmt"
	"slices"
	"strings"
)

// Split is the parts of a list with commas; none of an empty one.
func Split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// Choose is the names that a list with commas gives, each of which is one of
// all, and all of them if it is empty.
func Choose(list string, all []string) ([]string, error) {
	chosen := Split(list)
	for _, name := range chosen {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no %q, but %s", name, strings.Join(all, ", "))
		}
	}
	if len(chosen) == 0 {
		return all, nil
	}
	return chosen, nil
}
