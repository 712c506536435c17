package storage_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// seen is what a driver of the tests makes of a URL.
type seen struct {
	storage.Null
	u        storage.URL
	text     string
	number   int
	duration time.Duration
	yes      bool
	choice   string
	closed   *int
}

func (s seen) Close() error {
	*s.closed++
	return nil
}

// lastSeen is the last of them.
var lastSeen seen

// closedSeen counts what the driver's stores were closed.
var closedSeen int

func init() {
	storage.Register(func(_ context.Context, u *storage.URL) (storage.Bytes, error) {
		s := seen{
			u: *u, text: u.Text("text", "none"), number: u.Int("number", 7, 2), duration: u.Duration("duration", time.Second),
			yes: u.Bool("yes", true), choice: u.Choice("choice", "one", "two"), closed: &closedSeen,
		}
		lastSeen = s
		if u.Host == "faulty" {
			u.Fault("host %q is faulty: take another", u.Host)
		}
		if u.Host == "careless" { // does not call Check
			return s, nil
		}
		return s, u.Check()
	}, "seen", "seen+unix")
}

func openSeen(t *testing.T, url string) (*storage.Store, seen) {
	t.Helper()
	s, err := storage.Open(t.Context(), url)
	if err != nil {
		t.Fatalf("Open(%q): %v", url, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, s.Bytes().(seen)
}

func TestURLParts(t *testing.T) {
	for _, c := range []struct{ url, host, path, user, password, shown string }{
		{"seen://", "", "", "", "", "seen://"},
		{"SEEN://h", "h", "", "", "", "seen://h"},
		{"seen://h:6379/0", "h:6379", "/0", "", "", "seen://h:6379/0"},
		{"seen://h:/", "h:", "/", "", "", "seen://h:/"},
		{"seen://a:1,b:2,c/x", "a:1,b:2,c", "/x", "", "", "seen://a:1,b:2,c/x"},
		{"seen://[::1]:6379/0", "[::1]:6379", "/0", "", "", "seen://[::1]:6379/0"},
		{"seen://[::1],[::2]:1", "[::1],[::2]:1", "", "", "", "seen://[::1],[::2]:1"},
		{"seen+unix:///run/a.sock", "", "/run/a.sock", "", "", "seen+unix:///run/a.sock"},
		{"seen://u@h", "h", "", "u", "", "seen://h"},
		{"seen://:p@h", "h", "", "", "p", "seen://h"},
		{"seen://u:p@h/x", "h", "/x", "u", "p", "seen://h/x"},
		{"seen://u:a:b@c@h", "h", "", "u", "a:b@c", "seen://h"},
		{"seen://u%3A:%40%2F%3F%25%23+%20@h", "h", "", "u:", "@/?%#+ ", "seen://h"},
		{"seen://a%20b/c%2Fd%40e", "a b", "/c/d@e", "", "", "seen://a b/c/d@e"},
		{"seen://h%0A/%1B[0m%00", "h\n", "/\x1b[0m\x00", "", "", `seen://h\n/\x1b[0m\x00`},
		{"seen://h?text=a", "h", "", "", "", "seen://h"},
		{"seen://h/?text=a/b:c", "h", "/", "", "", "seen://h/"},
	} {
		s, got := openSeen(t, c.url)
		if u := got.u; u.Host != c.host || u.Path != c.path || u.User != c.user || u.Password != c.password {
			t.Errorf("%s is read as host %q, path %q, user %q, password %q; want %q, %q, %q, %q",
				c.url, u.Host, u.Path, u.User, u.Password, c.host, c.path, c.user, c.password)
		}
		if got.u.String() != c.shown || s.String() != c.shown {
			t.Errorf("%s is shown as %s, and its store as %s, want %s", c.url, &got.u, s, c.shown)
		}
	}
}

func TestURLParameters(t *testing.T) {
	_, s := openSeen(t, "seen://")
	if s.text != "none" || s.number != 7 || s.duration != time.Second || !s.yes || s.choice != "one" {
		t.Errorf("without parameters: %+v", s)
	}
	_, s = openSeen(t, "seen://?text=a%20%26b%40&number=2&duration=50ms&yes=false&choice=two&prefix=svc:&serde=json%2Bzlib")
	if s.text != "a &b@" || s.number != 2 || s.duration != 50*time.Millisecond || s.yes || s.choice != "two" {
		t.Errorf("with parameters: %+v", s)
	}
	_, s = openSeen(t, "seen://?text=&yes=1")
	if s.text != "" || !s.yes {
		t.Errorf("with an empty one: %+v", s)
	}
}

// Every fault names what is wrong and says what to do.
func TestBadURLs(t *testing.T) {
	for _, c := range []struct {
		url  string
		says []string
	}{
		{"", []string{"no scheme", "redis://host:6379/0", "memory://", "null://"}},
		{"localhost:6379", []string{"no scheme"}},
		{"://host", []string{"no scheme"}},
		{"re dis://host", []string{"no scheme"}},
		{"1redis://host", []string{"no scheme"}},
		{"seen:/host", []string{"no scheme"}},
		{"http://host", []string{`"http"`, "memory://", "null://", "redis://", "redisstore"}},
		{"seen://a%zz", []string{"host", "seen", "%25"}},
		{"seen://h/%", []string{"path", "%25"}},
		{"seen://%zz@h", []string{"user", "%25"}},
		{"seen://u:%zz@h", []string{"password", "%25"}},
		{"seen://h:port", []string{"port", "6379"}},
		{"seen://::1", []string{"port"}},
		{"seen://a:1,b:x", []string{"port"}},
		{"seen://h/a@b", []string{"%40"}},
		{"seen://h?text=a@b", []string{"%40"}},
		{"seen://h?text=%zz", []string{"parameters"}},
		{"seen://h?a;b", []string{"parameters"}},
		{"seen://h?nonesuch=1", []string{`"nonesuch" is unknown`, "text, yes", "prefix, serde"}},
		{"seen://h?Text=1", []string{`"Text" is unknown`}},
		{"seen://h?text=a&text=b", []string{`"text" is given 2 times`, "once"}},
		{"seen://h?prefix=a&prefix=b", []string{`"prefix" is given 2 times`}},
		{"seen://h?number=x", []string{`number="x"`, "whole number of at least 2"}},
		{"seen://h?number=1", []string{`number="1"`, "at least 2"}},
		{"seen://h?number=", []string{`number=""`}},
		{"seen://h?number=2.5", []string{`number="2.5"`}},
		{"seen://h?number=99999999999999999999", []string{`number="99999999999999999999"`}},
		{"seen://h?duration=5", []string{`duration="5"`, "50ms"}},
		{"seen://h?duration=0s", []string{`duration="0s"`, "above zero"}},
		{"seen://h?duration=-1s", []string{`duration="-1s"`}},
		{"seen://h?duration=", []string{`duration=""`}},
		{"seen://h?yes=maybe", []string{`yes="maybe"`, "true or false"}},
		{"seen://h?yes=", []string{`yes=""`}},
		{"seen://h?choice=three", []string{`choice="three"`, "one, two"}},
		{"seen://h?serde=nonesuch", []string{"nonesuch"}},
		{"seen://faulty", []string{`"faulty"`, "take another"}},
		{"seen://faulty?number=1&duration=5&nonesuch=1&text=a&text=b", []string{"faulty", "number=", "duration=", `"nonesuch"`, `"text" is given`}},
		{"null://?capacity=1", []string{`"capacity" is unknown`}},
		{"memory://?capacity=0", []string{`capacity="0"`}},
		{"memory://?size=1", []string{`"size" is unknown`, "capacity"}},
		{"memory://u:p@name", []string{"no user"}},
	} {
		s, err := storage.Open(t.Context(), c.url)
		if err == nil {
			t.Errorf("Open(%q) opens %s", c.url, s)
			continue
		}
		for _, want := range c.says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("Open(%q) says %q, want %q in it", c.url, err, want)
			}
		}
		if !strings.HasPrefix(err.Error(), "storage: ") {
			t.Errorf("Open(%q) says %q, which does not begin with the package", c.url, err)
		}
	}
}

func TestURLFaultsAreAlwaysInOneOrder(t *testing.T) {
	const url = "seen://faulty?number=1&duration=5&b=1&a=1&d=1&c=1&d=2&c=2&b=2"
	_, first := storage.Open(t.Context(), url)
	for range 20 {
		if _, err := storage.Open(t.Context(), url); err.Error() != first.Error() {
			t.Fatalf("once it says\n%v\nand then\n%v", first, err)
		}
	}
}

// marker stands in the place of a password; no error and no text may have it.
const marker = "S3CRETM4RKER"

func TestPasswordIsNotShown(t *testing.T) {
	for _, url := range []string{
		"seen://:MARK@h", "seen://u:MARK@h:1/2", "seen://u:a@MARK@h", "seen://u:a:MARK@h", "seen://u:MARK%2F%3F@faulty?number=1&x=1",
		"seen://u:MARK%zz@h", "seen://u:%zzMARK@h", "seen://%zz:MARK@h", "seen://u:MARK@h%zz", "seen://u:MARK@h/%zz", "seen://u:MARK@h:x",
		"seen://u:MARK/x@h", "seen://u:x/MARK@h", "seen://u:MARK?x@h", "seen://u:x?MARK@h", "seen://u:x?MARK=1@h", "seen://u:x?a=MARK@h",
		"seen://u:12/MARK@h", "seen://u:p@1/MARK@h", "seen://u:#MARK@h", "seen://u:MARK", "seen://:MARK", "seen://u:MARK/0", "seen://u:MARK?x=1",
		"u:MARK@h", "u:MARK@seen://h", "MARK@seen://h", ":MARK@://h", "redis:MARK@h", "//u:MARK@h", "http://u:MARK@h", "redis://:MARK@h", "memory://u:MARK@h", "null://u:MARK@h?x=1",
		"seen://u:MARK@h?x=%zz", "seen://u:MARK@h?a;b", "seen://u:MARK@h?serde=x", "seen://[::1]:MARK@h?x=1",
	} {
		notShown(t, strings.ReplaceAll(url, "MARK", marker))
	}
}

func notShown(t *testing.T, url string) {
	t.Helper()
	shows := func(text string) bool { return strings.Contains(strings.ToUpper(text), marker) }
	s, err := storage.Open(t.Context(), url)
	if err != nil {
		if shows(fmt.Sprintf("%v %+v %q", err, err, err)) {
			t.Errorf("Open(%q) says %v", url, err)
		}
		return
	}
	if shows(fmt.Sprintf("%v %s", s, s)) {
		t.Errorf("Open(%q) opens %s", url, s)
	}
	if b, ok := s.Bytes().(seen); ok && shows(b.u.String()) {
		t.Errorf("Open(%q) is shown as %s", url, &b.u)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Open(%q): Close: %v", url, err)
	}
}

// FuzzOpenURL puts the marker where a password may stand: between a colon and
// an @. Whatever is around it, it is not shown, and nothing panics.
func FuzzOpenURL(f *testing.F) {
	for _, around := range [][2]string{
		{"seen://u:", "@h"}, {"seen://u:", "/x@h:1/2?number=1"}, {"seen://u:a?", "@faulty"}, {"redis://:", "@h"}, {"seen://h?text=:", "@b"},
		{"u:", "@seen://h"}, {"memory://:", "@a"}, {"seen://%zz:", "%zz@h%zz"}, {"seen://a@b/:", "@c@d"}, {"SEEN+UNIX://:#", "#@/"}, {"", "@"}, {":", "@://"},
	} {
		f.Add(around[0], around[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		if !strings.HasSuffix(before, ":") || !strings.Contains(after, "@") {
			before, after = before+":", after+"@h"
		}
		if strings.Contains(before+after, marker) {
			return
		}
		notShown(t, before+marker+after)
	})
}

func TestURLErrorsAreOfTheirKind(t *testing.T) {
	_, err := storage.Open(t.Context(), "nonesuch://h")
	if !errors.Is(err, storage.ErrScheme) {
		t.Errorf("%v is not ErrScheme", err)
	}
	for scheme, pkg := range map[string]string{
		"redis": "redisstore", "rediss": "redisstore", "redis+unix": "redisstore", "REDIS": "redisstore",
		"redis+cluster": "redisstore", "rediss+cluster": "redisstore", "redis+sentinel": "redisstore", "rediss+sentinel": "redisstore",
		"memcached": "memcachedstore", "bolt": "boltstore",
	} {
		_, err := storage.Open(t.Context(), scheme+"://:"+marker+"@h")
		want := fmt.Sprintf("import _ %q", "github.com/perennial-go/perennial/storage/"+pkg)
		if !errors.Is(err, storage.ErrScheme) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:// says %v, want %s", scheme, err, want)
		}
	}
}

// What is before an @ is the user, even if it is nothing; a duration may be as
// short as there are; what is faulty is read as the default.
func TestURLAtTheEdges(t *testing.T) {
	_, s := openSeen(t, "seen://@host?duration=1ns")
	if s.u.Host != "host" || s.u.User != "" || s.duration != 1 {
		t.Errorf("host %q, user %q, duration %v", s.u.Host, s.u.User, s.duration)
	}
	if _, err := storage.Open(t.Context(), "seen://careless?number=1&duration=0s&yes=x&choice=x"); err == nil || lastSeen.number != 7 || lastSeen.duration != time.Second || !lastSeen.yes || lastSeen.choice != "one" {
		t.Errorf("%v; the driver has seen %+v, want the defaults", err, lastSeen)
	}
}
