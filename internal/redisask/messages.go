package redisask

import (
	"bytes"
	"fmt"
	"slices"
)

// subscribes reports whether a client sends a command after which messages come. It
// sends that one at the beginning of what it writes.
func subscribes(p []byte) bool {
	line, rest, _ := bytes.Cut(p, []byte("\r\n"))
	if !bytes.HasPrefix(line, []byte("*")) {
		return false
	}
	_, rest, _ = bytes.Cut(rest, []byte("\r\n"))
	name, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return len(name) <= len("psubscribe") && bytes.HasSuffix(bytes.ToLower(name), []byte("subscribe"))
}

// messages is what a client panics on where messages come, some clients on
// goroutines of their own: those that don't have the elements that they should.
type messages struct {
	elements int64  // of the one that is read
	kind     []byte // its first, as far as it has come
}

// kinds is, of each element of a message after the first, as what it may be sent.
var kinds = map[string][]string{
	"message": {"$+", "$+"}, "smessage": {"$+", "$+"}, "pmessage": {"$+", "$+", "$+"}, "pong": {"$+"},
	"subscribe": told, "unsubscribe": told, "psubscribe": told, "punsubscribe": told, "ssubscribe": told, "sunsubscribe": told,
}

var told = []string{"$+_", ":"}

// begins is called for the kind of what comes and the number of its elements.
func (m *messages) begins(kind byte, n int64) error {
	if kind != '*' && kind != '>' {
		return fmt.Errorf("%w: a message begins with %q", ErrAnswer, kind)
	}
	if n < 2 || n > 4 {
		return fmt.Errorf("%w: a message has %d elements", ErrAnswer, n)
	}
	m.elements, m.kind = n, m.kind[:0]
	return nil
}

// element is called for each of a message, with the beginning of its line, and how
// many are to come with it.
func (m *messages) element(line []byte, left int64) error {
	at := m.elements - left
	none := len(line) > 1 && line[1] == '-'
	if at == 0 {
		if line[0] != '$' || none {
			return fmt.Errorf("%w: a message has no kind", ErrAnswer)
		}
		return nil
	}
	may := kinds[string(m.kind)]
	if int64(len(may)) != m.elements-1 || !slices.Contains([]byte(may[at-1]), line[0]) || none && line[0] == '$' && may[at-1] != told[0] {
		return fmt.Errorf("%w: a message is not as those of its kind are", ErrAnswer)
	}
	return nil
}

// text is called with what comes of a message's first element.
func (m *messages) text(p []byte) {
	const longest = len("punsubscribe\r\n")
	m.kind = append(m.kind, p[:min(len(p), longest-len(m.kind))]...)
	m.kind = bytes.TrimSuffix(m.kind, []byte("\r\n"))
}
