package memcachedstore

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// ErrAnswer says that a server answered what memcached would not: more than was
// asked, or a value over the limit. The connection is given up.
var ErrAnswer = errors.New("memcachedstore: the answer is not what was asked for")

// mostLine is the longest line of an answer: the client has no room for more.
const mostLine = 4096

// answer follows what a server says to one request, before the client believes
// it: the client reserves what a line promises, and takes lines without end.
type answer struct {
	items int    // that may come yet: as many as keys were asked for
	room  int    // bytes that values may have yet, all together
	value int    // bytes to come of the value that was promised last
	line  []byte // what has come of a line
	ended bool
}

// check looks at the next bytes of an answer.
func (a *answer) check(b []byte) error {
	for len(b) > 0 {
		if a.ended {
			return fmt.Errorf("%w: it goes on after its end", ErrAnswer)
		}
		if a.value > 0 {
			n := min(a.value, len(b))
			a.value -= n
			b = b[n:]
			continue
		}
		rest, whole := b[len(b):], false
		if at := bytes.IndexByte(b, '\n'); at >= 0 {
			b, rest, whole = b[:at], b[at+1:], true
		}
		if len(a.line)+len(b) >= mostLine {
			return fmt.Errorf("%w: it has a line of more than %d bytes", ErrAnswer, mostLine)
		}
		a.line = append(a.line, b...)
		b = rest
		if whole {
			if err := a.lineEnds(); err != nil {
				return err
			}
		}
	}
	return nil
}

// lineEnds looks at a line: VALUE key flags bytes, with a number after it that the
// client compares and swaps by, or the last one.
func (a *answer) lineEnds() error {
	line := a.line
	a.line = a.line[:0]
	if !bytes.HasPrefix(line, []byte("VALUE ")) {
		a.ended = true
		return nil
	}
	fields := bytes.Split(bytes.TrimSuffix(line, []byte("\r")), []byte(" "))
	if len(fields) < 4 {
		return fmt.Errorf("%w: %.80q", ErrAnswer, line)
	}
	size, err := strconv.ParseUint(string(fields[3]), 10, 32)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %.80q", ErrAnswer, line)
	case a.items == 0:
		return fmt.Errorf("%w: it has more values than keys were asked for", ErrAnswer)
	case size > uint64(a.room):
		return fmt.Errorf("%w: the values of one answer are over the limit, with one of %d bytes where %d are left: ask for fewer keys at a time, or raise memcachedstore.MaxValue (max-value in a URL)", ErrAnswer, size, a.room)
	}
	a.items--
	a.room -= int(size)
	a.value = int(size) + len("\r\n")
	return nil
}
