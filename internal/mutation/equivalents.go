//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// equivalents are mutants that change nothing anybody could notice, by name, with
// the reasons.
type equivalents map[string]string

// readEquivalents reads a list of names, each followed by its reason on lines
// that begin with a tab. Lines that begin with # are comments.
func readEquivalents(path string) (equivalents, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	list := equivalents{}
	var name string
	for i, line := range strings.Split(string(text), "\n") {
		reason, indented := strings.CutPrefix(line, "\t")
		switch {
		case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		case indented && name != "":
			list[name] += strings.TrimSpace(reason) + " "
		case indented:
			return nil, fmt.Errorf("%s:%d: a reason without the name of a mutant before it", path, i+1)
		default:
			name = line
			if _, twice := list[name]; twice {
				return nil, fmt.Errorf("%s:%d: %q is listed twice", path, i+1, name)
			}
			list[name] = ""
		}
	}
	for name, reason := range list {
		if reason == "" {
			return nil, fmt.Errorf("%s: no reason is given why %q changes nothing", path, name)
		}
	}
	return list, nil
}

// missing are those that no longer exist.
func (e equivalents) missing(all []*mutant) equivalents {
	gone := equivalents{}
	for name, reason := range e {
		gone[name] = reason
	}
	for _, m := range all {
		delete(gone, m.name)
	}
	return gone
}

// err says that they no longer exist.
func (e equivalents) err() error {
	if len(e) == 0 {
		return nil
	}
	return fmt.Errorf("testdata/mutation.txt lists mutants that no longer exist; take them out, or rename them after the changed code:\n\t%s", strings.Join(sortedKeys(e), "\n\t"))
}

// readNames reads the names of mutants, one a line.
func readNames(path string) (map[string]bool, error) {
	text, err := os.ReadFile(path)
	names := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		names[strings.TrimSpace(line)] = true
	}
	return names, err
}
