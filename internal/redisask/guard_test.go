package redisask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/iotest"
)

// readAll reads what a server sends through a guard.
func readAll(t testing.TB, longest int, said io.Reader) ([]byte, error) {
	t.Helper()
	conn, err := Guard(func(context.Context, string, string) (net.Conn, error) { return fakeConn{Reader: said}, nil }, longest)(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	return io.ReadAll(conn)
}

type fakeConn struct {
	net.Conn
	io.Reader
}

func (c fakeConn) Write(p []byte) (int, error) { return len(p), nil }

func (c fakeConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func array(n int, element string) string {
	return fmt.Sprintf("*%d\r\n%s", n, strings.Repeat(element, n))
}

// well is what servers send.
var well = map[string]string{
	"nothing":            "",
	"lines":              "+OK\r\n-ERR no\r\n:1\r\n:-1\r\n_\r\n,1.5\r\n,inf\r\n#t\r\n(3492890328409238509324850943850943825024385\r\n",
	"texts":              "$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n=7\r\ntxt:abc\r\n!5\r\nERR a\r\n",
	"a text that is one": "$8\r\n$999999\n\r\n+OK\r\n",
	"arrays":             "*0\r\n*-1\r\n*3\r\n:1\r\n*1\r\n$1\r\na\r\n*-1\r\n~1\r\n+a\r\n%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n%0\r\n",
	"a push":             ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
	"attributes":         "|1\r\n+a\r\n*1\r\n:1\r\n*2\r\n:1\r\n|1\r\n+ttl\r\n:3600\r\n:2\r\n",
	"a bare attribute":   "|0\r\n:1\r\n",
	"MGET of 10,000":     array(10_000, "$5\r\nvalue\r\n"),
	"SMEMBERS":           array(1_000_000, "$1\r\nm\r\n"),
	"the most":           array(mostElements, ":1\r\n"),
	"a deep one":         strings.Repeat("*1\r\n", mostDepth) + ":1\r\n:1\r\n",
	"a long line":        "+" + strings.Repeat("a", mostLine-10) + "\r\n:1\r\n",
	"many, one by one":   strings.Repeat("|1\r\n+a\r\n+b\r\n:1\r\n", 100),
	"the longest text":   "$100000\r\n" + strings.Repeat("x", 100_000) + "\r\n",
}

func TestGuardLetsPassWhatServersSend(t *testing.T) {
	for name, said := range well {
		t.Run(name, func(t *testing.T) {
			readers := []io.Reader{strings.NewReader(said)}
			if len(said) < 1<<20 {
				readers = append(readers, iotest.HalfReader(strings.NewReader(said)), &pieces{strings.NewReader(said), rand.New(rand.NewPCG(1, 2))})
			}
			for _, r := range readers {
				got, err := readAll(t, 100_000, r)
				if err != nil || string(got) != said {
					t.Errorf("%d of %d bytes are read, and %v", len(got), len(said), err)
				}
			}
		})
	}
}

// pieces reads few bytes at a time.
type pieces struct {
	io.Reader
	rand *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) { return p.Reader.Read(b[:min(len(b), 1+p.rand.IntN(7))]) }

func TestGuardRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		before, said string
		is           error
	}{
		"a long text":           {":1\r\n", "$100001\r\n", ErrLength},
		"a long verbatim one":   {":1\r\n", "=100001\r\n", ErrLength},
		"a long error":          {":1\r\n", "!100001\r\n", ErrLength},
		"longer than any":       {":1\r\n", "$99999999999999\r\n", ErrAnswer},
		"the greatest length":   {"", "$9223372036854775807\r\n", ErrAnswer},
		"more than that":        {"", "$92233720368547758070\r\n", ErrAnswer},
		"a padded length":       {"", "$" + strings.Repeat("0", 30) + "1\r\n", ErrAnswer},
		"less than none":        {"", "$-2\r\n", ErrAnswer},
		"no length":             {"", "$\r\n", ErrAnswer},
		"a sign":                {"", "$+1\r\n", ErrAnswer},
		"no end":                {"", "$1\n", ErrAnswer},
		"a stream":              {"", "$?\r\n", ErrAnswer},
		"a stream of elements":  {"", "*?\r\n", ErrAnswer},
		"no verbatim":           {"", "=-1\r\n", ErrAnswer},
		"a large array":         {":1\r\n", "*999999999999\r\n", ErrAnswer},
		"a large map":           {":1\r\n", "%1048577\r\n", ErrAnswer},
		"a large set":           {":1\r\n", "~999999999999\r\n", ErrAnswer},
		"a large push":          {":1\r\n", ">999999999999\r\n", ErrAnswer},
		"a large attribute":     {":1\r\n", "|999999999999\r\n", ErrAnswer},
		"large ones together":   {"*800000\r\n", "*800000\r\n", ErrAnswer},
		"an empty push":         {":1\r\n", ">0\r\n", ErrAnswer},
		"no push":               {":1\r\n", ">-1\r\n", ErrAnswer},
		"too deep":              {strings.Repeat("*1\r\n", mostDepth), "*1\r\n", ErrAnswer},
		"a key with elements":   {"%1\r\n", "*1\r\n", ErrAnswer},
		"an empty key":          {"%2\r\n+a\r\n*1\r\n:1\r\n", "*0\r\n", ErrAnswer},
		"an endless line":       {":1\r\n", "+" + strings.Repeat("a", mostLine+1), ErrAnswer},
		"attributes and no end": {strings.Repeat("|0\r\n", mostAttributes), "|0\r\n", ErrAnswer},
		"the same with more":    {strings.Repeat("|1\r\n+a\r\n+b\r\n", mostAttributes), "|1\r\n", ErrAnswer},
		"an empty line":         {":1\r\n", "\r\n", ErrAnswer},
		"another protocol":      {"", "HTTP/1.1 400 Bad Request\r\n", ErrAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(t, 100_000, strings.NewReader(c.before+c.said+"+OK\r\n"))
			if !errors.Is(err, c.is) || string(got) != c.before && name != "an endless line" {
				t.Errorf("%d bytes are read, and %v, want %d and %v", len(got), err, len(c.before), c.is)
			}
			got, err = readAll(t, 100_000, iotest.OneByteReader(strings.NewReader(c.before+c.said+"+OK\r\n")))
			if !errors.Is(err, c.is) || !strings.HasPrefix(string(got), c.before) || strings.Contains(string(got[len(c.before):]), "\n") {
				t.Errorf("byte by byte: %d bytes are read, and %v, want %d and %v", len(got), err, len(c.before), c.is)
			}
		})
	}
}

// Where messages come, they are as a client takes them without a panic.
func TestGuardOfMessages(t *testing.T) {
	message := func(elements ...string) string {
		return fmt.Sprintf("*%d\r\n%s\r\n", len(elements), strings.Join(elements, "\r\n"))
	}
	for said, fine := range map[string]bool{
		message("$9\r\nsubscribe", "$1\r\na", ":1"):                true,
		message("$11\r\nunsubscribe", "$-1", ":0"):                 true,
		message("$11\r\nunsubscribe", "_", ":0"):                   true,
		message("$7\r\nmessage", "$1\r\na", "$0\r\n"):              true,
		message("$8\r\npmessage", "$1\r\n*", "$1\r\na", "$1\r\nb"): true,
		message("$4\r\npong", "$0\r\n"):                            true,
		">3" + message("$7\r\nmessage", "$1\r\na", "$0\r\n")[2:]:   true,
		"+PONG\r\n":           true,
		"-NOPERM no\r\n":      true,
		"%1\r\n$-1\r\n*0\r\n": false, // a client reads the key, and takes the value for a message
		"~3" + message("$7\r\nmessage", "$1\r\na", "$0\r\n")[2:]: false,
		"*-1\r\n": false,
		"*0\r\n":  false,
		message("$9\r\nsubscribe", "$1\r\na", "$1\r\n1"):             false,
		message("$9\r\nsubscribe", "$1\r\na"):                        false,
		message("$7\r\nmessage", "$-1", "$1\r\na"):                   false,
		message("$7\r\nmessage", "$1\r\na", "*1\r\n:1"):              false,
		message("$7\r\nmessage", "$1\r\na", "$1\r\na", "$1\r\na"):    false,
		message("$8\r\npmessage", "$1\r\n*", "$1\r\na", "$-1"):       false,
		message("$4\r\npong", "$-1"):                                 false,
		message("$-1", "$1\r\na", ":1"):                              false,
		message(":1", "$1\r\na", ":1"):                               false,
		message("$20\r\nsubscribesubscribesu", "$1\r\na", "$1\r\na"): false,
		message("$0\r\n", "$1\r\na", "$1\r\na"):                      false,
	} {
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(said), "byte by byte": iotest.OneByteReader(strings.NewReader(said))} {
			server := fakeConn{Reader: r}
			conn, _ := Guard(func(context.Context, string, string) (net.Conn, error) { return server, nil }, 100)(t.Context(), "", "")
			_, _ = conn.Write([]byte("*2\r\n$9\r\nSubscribe\r\n$1\r\na\r\n"))
			if got, err := io.ReadAll(conn); (err == nil) != fine || fine && string(got) != said {
				t.Errorf("%s, %q is read as %q, and %v", name, said, got, err)
			}
		}
	}
}

// A guard says the same of what it reads however it comes in pieces, and never lets
// a length pass that is too large.
func FuzzScanner(f *testing.F) {
	for _, said := range well {
		if len(said) < 1000 {
			f.Add([]byte(said), uint64(1))
		}
	}
	f.Add([]byte("%1\r\n*0\r\n"), uint64(7))
	f.Add([]byte("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n"), uint64(2))
	f.Fuzz(func(t *testing.T, said []byte, seed uint64) {
		const longest = 100
		whole, inPieces := scanner{longest: longest}, scanner{longest: longest}
		if seed%2 == 0 {
			whole.messages, inPieces.messages = &messages{}, &messages{}
		}
		well, err := whole.next(said)
		if err == nil && well != len(said) || well > len(said) {
			t.Fatalf("%d of %d bytes are well, and %v", well, len(said), err)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		var second error
		for rest := said; len(rest) > 0 && second == nil; {
			n := 1 + random.IntN(len(rest))
			_, second = inPieces.next(rest[:n])
			rest = rest[n:]
		}
		if fmt.Sprint(err) != fmt.Sprint(second) {
			t.Fatalf("in one piece %v, in several %v", err, second)
		}
		if whole.due < 0 || whole.due > 2*mostElements || len(whole.open) > mostDepth || whole.skip > longest+2 || len(whole.line) > lineKept || whole.attrs < 0 {
			t.Fatalf("%+v", whole)
		}
	})
}

func BenchmarkScanner(b *testing.B) {
	for name, said := range map[string]string{"one of 1 MiB": "$1048576\r\n" + strings.Repeat("x", 1<<20) + "\r\n", "10,000 of 5 B": well["MGET of 10,000"]} {
		b.Run(name, func(b *testing.B) {
			p := []byte(said)
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				s := scanner{longest: 1 << 30}
				if _, err := s.next(p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What came before a client subscribes, and was not asked for, is not taken for a message.
func TestGuardOfWhatCameBefore(t *testing.T) {
	const hello, subscribe = "*1\r\n$5\r\nHELLO\r\n", "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n"
	for name, c := range map[string]struct {
		writes []string
		said   string
		bad    bool
	}{
		"one answer":               {[]string{hello}, "+OK\r\n", false},
		"a map":                    {[]string{hello, hello}, "%2\r\n$1\r\na\r\n:-1\r\n+b\r\n*1\r\n*2\r\n+c\r\n:1\r\n-ERR\r\n", false},
		"a flat map":               {[]string{hello, hello}, "*4\r\n$1\r\na\r\n:1\r\n+b\r\n*0\r\n$2\r\nOK\r\n", false},
		"a key that is an error":   {[]string{hello}, "*2\r\n-ERR\r\n*1\r\n:1\r\n", true},
		"a key that is an array":   {[]string{hello}, "*2\r\n*1\r\n:1\r\n:1\r\n", true},
		"a value that is an error": {[]string{hello}, "*2\r\n+a\r\n*1\r\n-ERR\r\n", true},
		"a value that is none":     {[]string{hello}, "*2\r\n+a\r\n$-1\r\n", true},
		"an array for a line":      {[]string{hello, hello}, "+OK\r\n*1\r\n:1\r\n", true},
		"two, of one write":        {[]string{hello + hello}, "+OK\r\n$2\r\nOK\r\n", false},
		"fewer than asked for":     {[]string{hello, hello}, "+OK\r\n", false},
		"a line more":              {[]string{hello}, "+OK\r\n+OK\r\n", true},
		"a message more":           {[]string{hello, hello}, "+OK\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n-ERR\r\n", true},
		"a part of one":            {[]string{hello}, "+OK\r\n*3\r\n$7\r\nmes", true},
		"too many to count":        {[]string{strings.Repeat(hello, 64)}, strings.Repeat("+OK\r\n", 65), false},
		"what is no command":       {[]string{"PING\r\n"}, "+OK\r\n+OK\r\n", false},
		"a part of a command":      {[]string{hello[:10], hello[10:]}, "+OK\r\n+OK\r\n", false},
		"an endless command":       {[]string{"*9223372036854775807\r\n$9223372036854775807\r\na"}, "+OK\r\n+OK\r\n", false},
	} {
		conn, err := Guard(func(context.Context, string, string) (net.Conn, error) {
			return fakeConn{Reader: strings.NewReader(c.said)}, nil
		}, 100)(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, write := range c.writes {
			if _, err := io.WriteString(conn, write); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := io.ReadAll(conn); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := io.WriteString(conn, subscribe); errors.Is(err, ErrAnswer) != c.bad {
			t.Errorf("%s: to subscribe says %v", name, err)
		}
	}
}
