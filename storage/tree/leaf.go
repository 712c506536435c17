package tree

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/perennial-go/perennial/storage"
)

// leaf is one as it is stored.
type leaf struct {
	path string // as encode writes it
	ends int64  // in ms of the server's clock, 0 for never
	json string
}

var errLeaf = errors.New("it is no leaf of a tree")

// readLeaf takes a leaf apart: see the scripts for what it is.
func readLeaf(text string) (leaf, error) {
	path, rest, ok := strings.Cut(text, ofLeaf)
	if !ok {
		return leaf{}, errLeaf
	}
	ends, value, ok := strings.Cut(rest, " ")
	if !ok || value == "" || value[0] == ' ' || value[0] == '{' && value != "{}" { // an object is a node
		return leaf{}, errLeaf
	}
	l := leaf{path: path, json: value}
	if ends == "" {
		return l, nil
	}
	var err error
	if l.ends, err = strconv.ParseInt(ends, 10, 64); err != nil || l.ends <= 0 {
		return leaf{}, errLeaf
	}
	return l, nil
}

// found is what the server has told of a path and what is below it.
type found struct {
	now   int64 // in ms of the server's clock
	texts []string
}

// each calls f with the leaves that have not ended, and with what their paths
// have below path. What is no leaf is an error.
func (f *found) each(path string, do func(below string, l leaf) error) error {
	for _, text := range f.texts {
		l, err := readLeaf(text)
		if err != nil {
			return unreadable(err)
		}
		if l.ends != 0 && l.ends <= f.now {
			continue
		}
		below, ok := strings.CutPrefix(l.path, path)
		if !ok {
			return unreadable(errLeaf)
		}
		if err := do(below, l); err != nil {
			return unreadable(err)
		}
	}
	return nil
}

func unreadable(err error) error {
	return fmt.Errorf("%w: %w: use a prefix that nobody else has, or Clear the tree", storage.ErrUnreadable, err)
}
