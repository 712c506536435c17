package httpmemo

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestDirectives(t *testing.T) {
	for line, want := range map[string]directives{
		"":                            {},
		"no-store":                    {"no-store": ""},
		" , ,NO-Store\t, max-age = 5": {"no-store": "", "max-age": "5"},
		`max-age="5"`:                 {"max-age": "5"},
		`no-cache="a, b", private`:    {"no-cache": "a, b", "private": ""},
		`x="a\"b,c", no-store`:        {"x": `a"b,c`, "no-store": ""},
		`x="open, no-store`:           {"x": "open, no-store"},
		`x="a"junk, no-store`:         {"x": "a", "no-store": ""},
		"b\u00e4d, no-store":          {"no-store": ""},
		"=5, no-store":                {"no-store": ""},
		"max-age=":                    {"max-age": ""},
		"max-age=9, max-age=3":        {"max-age": "3"},
		"max-age=3, max-age=9":        {"max-age": "3"},
		"max-age=9;no-store":          {"max-age": "9;no-store"},
	} {
		if got := parseDirectives([]string{line}); !maps.Equal(got, want) {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
	for argument, want := range map[string]time.Duration{
		"0": 0, "60": time.Minute, "": 0, "-1": 0, "1.5": 0, "2147483648": longest, "9227000000": longest, "99999999999999999999999": longest, "60 ": 0,
	} {
		if got := seconds(argument); got != want {
			t.Errorf("%q is %v, want %v", argument, got, want)
		}
	}
	if d := cacheControl(http.Header{"Pragma": {"no-cache"}}, false); d.has("no-cache") {
		t.Error("Pragma of a response says nothing")
	}
}

// Whatever a line is, what is read of it has names that are tokens in lower case, and
// says the same when it is written and read again; and what follows it is read too.
func FuzzDirectives(f *testing.F) {
	for _, s := range []string{"", "no-store", "max-age=60, must-revalidate", `no-cache="Set-Cookie, X", private`, `a="\"`, `a="b\\", c`, "a=b=c,d", ",,=,", "max-age=99999999999999999999", "max-age=9227000000", "\x00=\xff", `x="open`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		d := parseDirectives([]string{line})
		var again []string
		for name, argument := range d {
			if name == "" || name != strings.ToLower(name) || token(name) != name {
				t.Fatalf("%q has the directive %q", line, name)
			}
			if s := seconds(argument); s < 0 || s > longest {
				t.Fatalf("%q is %v", argument, s)
			}
			again = append(again, name+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(argument)+`"`)
		}
		if got := parseDirectives([]string{strings.Join(again, ", ")}); !maps.Equal(got, d) {
			t.Fatalf("%q is %v, which is read as %v", line, d, got)
		}
		if got := parseDirectives([]string{line, "no-store"}); !got.has("no-store") {
			t.Fatalf("no-store after %q is lost", line)
		}
	})
}
