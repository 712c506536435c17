package redisask

import (
	"bytes"
	"fmt"
	"math"
)

// What answers may be. A server's own are far below it, but for arrays that were
// asked for.
const (
	// mostElements is how many elements arrays may say that are to come, those within
	// others too: 16 MiB of room, and as many as a command of a client may have.
	mostElements = 1 << 20
	// mostDepth is how deep arrays may be within arrays.
	mostDepth = 64
	// mostLine is how long a line may be, in bytes: all that is not the text of a value
	// is one.
	mostLine = 64 << 10
	// mostAttributes is how many attributes may come in a row: a client reads each
	// within the one before.
	mostAttributes = 16
)

// scanner follows what a server sends, in RESP2 or RESP3, piece by piece. The zero
// value, but for longest, is before the first answer.
type scanner struct {
	longest int // of a text, in bytes

	answers int64 // that have begun
	odd     bool  // a client that asks what clients ask at first may have read a part of one of them only

	skip  int64  // bytes of a text that are to come, with those that end it
	line  []byte // the beginning of a line of which the end is to come
	size  int    // of all that has come of that line
	open  []opened
	due   int64 // elements that are to come, of all that is open
	attrs int   // how many attributes are open
	row   int   // attributes since the last element that was none, nor of one

	messages *messages // where messages come
}

// opened is an array, or what else has elements, of which some are to come.
type opened struct {
	kind byte
	left int64
}

// lineKept is how much of a line is kept: no length is longer.
const lineKept = 24

// next scans what was read, and tells how many bytes of it are well: all where there
// is no error.
func (s *scanner) next(p []byte) (well int, err error) {
	for at := 0; at < len(p); {
		if s.skip > 0 {
			n := min(s.skip, int64(len(p)-at))
			if s.messages != nil && s.kindComes() {
				s.messages.text(p[at : at+int(n)])
			}
			s.skip -= n
			at += int(n)
			continue
		}
		line, _, whole := bytes.Cut(p[at:], []byte{'\n'})
		begins := at
		if at += len(line); whole {
			at++
		}
		if s.size += len(line); s.size > mostLine {
			return begins, fmt.Errorf("%w: a line of it has more than %d bytes", ErrAnswer, mostLine)
		}
		if !whole || len(s.line) > 0 {
			s.line = append(s.line, line[:min(len(line), lineKept-len(s.line))]...)
			line = s.line
		}
		if !whole {
			continue
		}
		if err := s.element(line[:min(len(line), lineKept)]); err != nil {
			return begins, err
		}
		s.line, s.size = s.line[:0], 0
	}
	return len(p), nil
}

// element is called for each line, with its beginning.
func (s *scanner) element(line []byte) error {
	if len(line) < 2 {
		return s.garbage(line)
	}
	if s.messages != nil && s.inMessage() {
		if err := s.messages.element(line, s.open[0].left); err != nil {
			return err
		}
	}
	s.sees(line)
	switch kind := line[0]; kind {
	case '+', '-', ':', '_', ',', '#', '(':
		s.came()
		return nil
	case '$', '=', '!':
		return s.text(line)
	case '*', '%', '~', '>', '|':
		return s.array(kind, line)
	}
	return s.garbage(line)
}

// sees counts answers. To HELLO, the first that a client asks, the answer is a map, or an
// array of its elements, without errors and nulls; to the others that come before it
// subscribes it is a line or a text.
func (s *scanner) sees(line []byte) {
	switch kind := line[0]; {
	case len(s.open) == 0:
		s.answers++
		s.odd = s.odd || kind == '|' || s.answers > 1 && bytes.IndexByte([]byte("*%~>"), kind) >= 0
	case s.answers == 1:
		s.odd = s.odd || kind == '-' || kind == '!' || kind == '_' || kind == '|' || line[1] == '-' && kind != ':' ||
			len(s.open) == 1 && s.open[0].left%2 == 0 && kind != '$' && kind != '+'
	}
}

// text is called for the length of one.
func (s *scanner) text(line []byte) error {
	n, ok := length(line)
	switch {
	case !ok:
		return s.garbage(line)
	case n > MaxServer:
		return fmt.Errorf("%w: it says that a text of %d bytes is to come", ErrAnswer, n)
	case n > int64(s.longest):
		return fmt.Errorf("%w: %d bytes are to come, and %d are read at most: delete the value, or raise the largest (max-value in a URL)", ErrLength, n, s.longest)
	case n >= 0:
		s.skip = n + int64(len("\r\n"))
	}
	s.came() // but for its bytes
	return nil
}

// array is called for the length of one, or of what else has elements.
func (s *scanner) array(kind byte, line []byte) error {
	n, ok := length(line)
	if !ok || kind == '>' && n == 0 || s.isKey() {
		return s.garbage(line)
	}
	if s.messages != nil && len(s.open) == 0 {
		if err := s.messages.begins(kind, n); err != nil {
			return err
		}
	}
	if kind == '|' {
		if s.row++; s.row > mostAttributes {
			return fmt.Errorf("%w: more than %d attributes come in a row", ErrAnswer, mostAttributes)
		}
	}
	if n <= 0 {
		if kind != '|' {
			s.came()
		}
		return nil
	}
	if n > mostElements-s.due {
		return fmt.Errorf("%w: it says that more than %d elements are to come", ErrAnswer, mostElements)
	}
	if len(s.open) == mostDepth {
		return fmt.Errorf("%w: there are more than %d arrays within each other", ErrAnswer, mostDepth)
	}
	switch kind {
	case '|':
		s.attrs++
		n *= 2
	case '%':
		n *= 2
	}
	s.due += n
	s.open = append(s.open, opened{kind, n})
	return nil
}

// inMessage reports whether the next element is one of a message.
func (s *scanner) inMessage() bool { return len(s.open) == 1 }

// kindComes reports whether the text that comes is the first element of a message.
func (s *scanner) kindComes() bool {
	return s.inMessage() && s.open[0].left == s.messages.elements-1
}

// isKey reports whether the next element is the key of a map: a client panics on a key
// that has elements.
func (s *scanner) isKey() bool {
	if len(s.open) == 0 {
		return false
	}
	last := s.open[len(s.open)-1]
	return last.kind == '%' && last.left%2 == 0
}

// came is called once an element has: so have the arrays of which it is the last.
// An attribute is no element of what it is in.
func (s *scanner) came() {
	for len(s.open) > 0 {
		last := &s.open[len(s.open)-1]
		last.left--
		s.due--
		if last.left > 0 {
			break
		}
		kind := last.kind
		s.open = s.open[:len(s.open)-1]
		if kind == '|' {
			s.attrs--
			return
		}
	}
	if s.attrs == 0 {
		s.row = 0
	}
}

func (s *scanner) garbage(line []byte) error {
	return fmt.Errorf("%w: it has %q where something is to begin", ErrAnswer, line[:min(len(line), 1)])
}

// length is what a line says, which is what ends before a byte '\r': -1 where there is
// nothing, as texts and arrays of RESP2 have it.
func length(line []byte) (n int64, ok bool) {
	kind, digits := line[0], line[1:len(line)-1]
	if line[len(line)-1] != '\r' || len(digits) == 0 {
		return 0, false
	}
	if string(digits) == "-1" {
		return -1, kind == '$' || kind == '*'
	}
	for _, d := range digits {
		if d < '0' || d > '9' {
			return 0, false
		}
		if n > (math.MaxInt64-9)/10 {
			return math.MaxInt64, true
		}
		n = 10*n + int64(d-'0')
	}
	return n, true
}
