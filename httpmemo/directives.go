package httpmemo

import (
	"net/http"
	"strings"
	"time"
)

// directives are those of a Cache-Control field: names in lower case with their
// arguments, without the quotes. Of one that is given twice with different arguments
// the first holds, except for seconds, of which the least do.
type directives map[string]string

// longest is what larger numbers of seconds count as, by section 1.2.2 of RFC 9111.
const longest = (1 << 31) * time.Second

// parseDirectives reads the lines of a Cache-Control field. What can't be read is left
// out, up to the next comma: an origin that writes one directive wrong has still said
// the others.
func parseDirectives(lines []string) directives {
	if len(lines) == 0 {
		return nil
	}
	d := directives{}
	for _, line := range lines {
		for line != "" {
			var name, argument string
			name, argument, line = nextDirective(line)
			if name != "" {
				d.add(name, argument)
			}
		}
	}
	return d
}

// nextDirective takes one directive off the front of a line. An argument may be quoted
// whichever directive it is of, as section 5.2 has it.
func nextDirective(line string) (name, argument, rest string) {
	line = strings.TrimLeft(line, " \t,")
	end := strings.IndexAny(line, "=,")
	if end < 0 {
		return token(line), "", ""
	}
	name, rest = token(line[:end]), line[end+1:]
	if line[end] == ',' {
		return name, "", rest
	}
	rest = strings.TrimLeft(rest, " \t")
	if strings.HasPrefix(rest, `"`) {
		argument, rest = quoted(rest[1:])
		if _, after, found := strings.Cut(rest, ","); found {
			return name, argument, after
		}
		return name, argument, ""
	}
	argument, rest, _ = strings.Cut(rest, ",")
	return name, strings.Trim(argument, " \t"), rest
}

// quoted reads a quoted string whose first quote is gone. One that does not end takes
// the rest of the line: what stands in it can't be told from its text.
func quoted(s string) (text, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:]
		case '\\':
			if i++; i < len(s) {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// token is a name in lower case, or nothing where it is none.
func token(s string) string {
	s = strings.Trim(s, " \t")
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return ""
		}
	}
	return strings.ToLower(s)
}

func isTokenByte(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

func (d directives) add(name, argument string) {
	before, twice := d[name]
	if !twice {
		d[name] = argument
	} else if seconds(argument) < seconds(before) {
		d[name] = argument
	}
}

func (d directives) has(name string) bool {
	_, ok := d[name]
	return ok
}

// seconds is the argument of a directive that has seconds. One that is no number counts
// as zero, as section 4.2.1 advises: the response is stale.
func (d directives) seconds(name string) (time.Duration, bool) {
	argument, ok := d[name]
	return seconds(argument), ok
}

func seconds(s string) time.Duration {
	n := time.Duration(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = min(n*10+time.Duration(s[i]-'0'), longest/time.Second)
	}
	return n * time.Second
}

// cacheControl is the Cache-Control of a message, or what Pragma says where a request
// has none.
func cacheControl(h http.Header, request bool) directives {
	d := parseDirectives(h.Values("Cache-Control"))
	if request && d == nil && parseDirectives(h.Values("Pragma")).has("no-cache") {
		return directives{"no-cache": ""}
	}
	return d
}
