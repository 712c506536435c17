package lock

import (
	"fmt"
	"strings"
)

const (
	maxPath  = 1 << 10 // bytes
	maxDepth = 64      // elements
)

// Path makes a path of elements that may have any text in them, such as what a
// user has typed: what would mean something in a path (/ { } %) is escaped, so
// no two lists of elements make the same path, and none reaches out of its
// place. Elements that are empty make a path that is refused.
func Path(elements ...string) string {
	escaped := make([]string, len(elements))
	for i, e := range elements {
		escaped[i] = escapes.Replace(e)
	}
	return strings.Join(escaped, "/")
}

var escapes = strings.NewReplacer("%", "%25", "/", "%2F", "{", "%7B", "}", "%7D")

// place is a path that was checked.
type place string

func parse(path string) (place, error) {
	depth := strings.Count(path, "/") + 1
	switch {
	case path == "":
		return "", fmt.Errorf("%w: it is empty: name what is to be locked", ErrPath)
	case len(path) > maxPath:
		return "", fmt.Errorf("%w: it has %d bytes, %d are allowed: hash what is long", ErrPath, len(path), maxPath)
	case depth > maxDepth:
		return "", fmt.Errorf("%w: it has %d elements, %d are allowed", ErrPath, depth, maxDepth)
	case strings.HasPrefix(path, "/"), strings.HasSuffix(path, "/"), strings.Contains(path, "//"):
		return "", fmt.Errorf("%w: %q has an empty element: leave the slash out", ErrPath, path)
	case strings.ContainsAny(path, "{}"):
		return "", fmt.Errorf("%w: %q has a brace in it: make it with lock.Path", ErrPath, path)
	}
	return place(path), nil
}

// tree is the first element: what is in one tree is in one slot of a cluster.
func (p place) tree() string {
	tree, _, _ := strings.Cut(string(p), "/")
	return tree
}

// nodes are the path's beginnings, from the first element to the whole.
func (p place) nodes() []place {
	var nodes []place
	for i := range len(p) {
		if p[i] == '/' {
			nodes = append(nodes, p[:i])
		}
	}
	return append(nodes, p)
}

// excludes reports whether locks on both can't be held at once: one is the other,
// or above it.
func (p place) excludes(other place) bool {
	short, long := p, other
	if len(short) > len(long) {
		short, long = long, short
	}
	return strings.HasPrefix(string(long), string(short)) && (len(long) == len(short) || long[len(short)] == '/')
}
