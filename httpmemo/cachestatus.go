package httpmemo

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// addStatus appends this cache's member to Cache-Status, RFC 9211: parameters are those
// after the cache's name.
func addStatus(h http.Header, name string, parameters ...string) {
	h["Cache-Status"] = append(h["Cache-Status"], strings.Join(append([]string{item(name)}, parameters...), "; "))
}

// item is a name as a structured field has it: a token where it is one, else a string.
func item(name string) string {
	if name == "" || !(name[0] == '*' || name[0]|0x20 >= 'a' && name[0]|0x20 <= 'z') {
		return text(name)
	}
	for i := range len(name) {
		if b := name[i]; !isTokenByte(b) && b != ':' && b != '/' {
			return text(name)
		}
	}
	return name
}

// text is a string of a structured field, which has no bytes but the printable of ASCII.
func text(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func ttl(left time.Duration) string { return "ttl=" + wholeSeconds(left) }

// wholeSeconds rounds down, so that nobody takes a response for fresher than it is.
func wholeSeconds(d time.Duration) string {
	n := int64(d / time.Second)
	if d%time.Second < 0 {
		n--
	}
	return strconv.FormatInt(n, 10)
}

// setAge is the Age of a response that was served from the cache: rounded down, as
// RFC 9111 counts whole seconds.
func setAge(h http.Header, age time.Duration) {
	h.Set("Age", strconv.FormatInt(int64(age/time.Second), 10))
}
