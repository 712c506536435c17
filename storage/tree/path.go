package tree

import (
	"errors"
	"fmt"
	"strings"
)

// Root is the path of the whole tree.
var Root []string

// How long paths may be: what is longer is refused, and believed of no server.
const (
	maxDepth = 128     // elements
	maxText  = 4 << 10 // bytes, as they are stored
)

// ErrPath says that a path can't be one: an element is empty, or it is too long.
var ErrPath = errors.New("tree: the path is no path")

// Path is the path that a dotted text means: "a.b.c" has three elements. A
// backslash before a dot or a backslash takes its meaning away; before anything
// else it is itself. Nothing else is special. It checks nothing: methods that are
// given a path with an empty element, as of "a..b" or "", return ErrPath.
//
// A path is as well written as []string{"a", "b", "c"}, and needs to be where an
// element comes from elsewhere: it may hold any bytes, dots too.
func Path(text string) []string {
	var path []string
	var element strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '.':
			path = append(path, element.String())
			element.Reset()
			continue
		case c == '\\' && i+1 < len(text) && (text[i+1] == '.' || text[i+1] == '\\'):
			i++
		}
		element.WriteByte(text[i])
	}
	return append(path, element.String())
}

// Text is the dotted text that Path reads as this path, "" for Root.
func Text(path []string) string {
	var text strings.Builder
	for i, element := range path {
		if i > 0 {
			text.WriteByte('.')
		}
		for i := range len(element) {
			if element[i] == '.' || element[i] == '\\' {
				text.WriteByte('\\')
			}
			text.WriteByte(element[i])
		}
	}
	return text.String()
}

// In the store a path is a text in which each element follows a byte 1, and
// what follows it is a byte 0 in the record of a leaf. So all that is at a path
// or below it is one range of texts,
//
//	from path 0 up to path 2, without that
//
// and paths that differ have ranges that are apart, or one within the other. In
// an element the bytes 0, 1 and 2 are written as 2 3, 2 4 and 2 5, which keeps the
// order of elements.
const (
	ofLeaf  = "\x00"
	ofChild = "\x01"
	escape  = "\x02"
	above   = "\x02" // what is at a path or below it is below this
)

const unescaped = 3 // is added to a byte that is escaped

// encode is the text of a path in the store.
func encode(path []string) (string, error) {
	if len(path) > maxDepth {
		return "", fmt.Errorf("%w: it has %d elements, %d are allowed: nest less deeply", ErrPath, len(path), maxDepth)
	}
	var text strings.Builder
	for i, element := range path {
		if element == "" {
			return "", fmt.Errorf("%w: element %d of %q is empty: name it, and escape a dot that is meant as it is by a backslash", ErrPath, i+1, Text(path))
		}
		text.WriteString(ofChild)
		writeElement(&text, element)
	}
	if text.Len() > maxText {
		return "", fmt.Errorf("%w: it takes %d bytes, %d are allowed: shorten it, or use a hash of the longest element", ErrPath, text.Len(), maxText)
	}
	return text.String(), nil
}

func writeElement(text *strings.Builder, element string) {
	if !strings.ContainsAny(element, ofLeaf+ofChild+escape) {
		text.WriteString(element)
		return
	}
	for i := range len(element) {
		c := element[i]
		if c < unescaped {
			text.WriteString(escape)
			c += unescaped
		}
		text.WriteByte(c)
	}
}

// errText says that a text in the store is none that encode makes.
var errText = errors.New("the path is none that a tree writes")

// decode is the path that encode has made a text of.
func decode(text string) ([]string, error) {
	var path []string
	for len(text) > 0 {
		element, rest, err := cutElement(text)
		if err != nil {
			return nil, err
		}
		if path = append(path, element); len(path) > maxDepth {
			return nil, errText
		}
		text = rest
	}
	return path, nil
}

// cutElement cuts the first element off a text.
func cutElement(text string) (element, rest string, err error) {
	if len(text) < 2 || text[0] != ofChild[0] {
		return "", "", errText
	}
	text = text[1:]
	end := strings.IndexByte(text, ofChild[0])
	if end < 0 {
		end = len(text)
	}
	element, err = readElement(text[:end])
	return element, text[end:], err
}

// readElement undoes writeElement.
func readElement(text string) (string, error) {
	if text == "" || strings.ContainsAny(text, ofLeaf+ofChild) {
		return "", errText
	}
	if !strings.Contains(text, escape) {
		return text, nil
	}
	var element strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == escape[0] {
			if i++; i == len(text) || text[i] < unescaped || text[i] >= 2*unescaped {
				return "", errText
			}
			c = text[i] - unescaped
		}
		element.WriteByte(c)
	}
	return element.String(), nil
}
