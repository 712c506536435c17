package servers

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Random starts what answers clients of Redis anything at all, by a seed that is
// printed where the test fails, and returns its address: now and then what was asked
// for, else answers of any type, length and number, none, too many, a flood, an endless
// drip, or half of one. To what a client sends first it is polite more often than not.
func Random(t testing.TB, seed uint64) (addr string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("servers: the seed is %d", seed)
		}
	})
	r := &random{rand: rand.New(rand.NewPCG(seed, 0))}
	return Fake(t, r.answer)
}

// Rounds is how many rounds a random test has: so many, or what PERENNIAL_ROUNDS says.
func Rounds(t testing.TB, n int) int {
	t.Helper()
	text := os.Getenv("PERENNIAL_ROUNDS")
	if text == "" {
		return n
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("servers: PERENNIAL_ROUNDS: %v", err)
	}
	return n
}

type random struct {
	mu   sync.Mutex // held while rand is used
	rand *rand.Rand
}

func (r *random) n(n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.IntN(n)
}

func (r *random) answer(to net.Conn, command []string) bool {
	if r.n(10) > 0 && Hello(to, command) || r.n(4) > 0 && itself(to, command) {
		return true
	}
	switch r.n(20) {
	case 0: // silence
		return true
	case 1:
		return false
	case 2:
		return r.flood(to)
	case 3:
		return r.drip(to)
	case 4: // half of one
		says := r.any(3)
		_, _ = io.WriteString(to, says[:r.n(len(says)+1)])
		return false
	case 5: // more than were asked for
		return write(to, strings.Repeat(r.any(3), 2+r.n(100)))
	case 6:
		return write(to, Nonsense[r.n(len(Nonsense))])
	}
	return write(to, r.any(3))
}

// itself answers who asks for the nodes of a cluster or for the master of a sentinel
// that it is all of them. It is false where something else is asked for.
func itself(to net.Conn, command []string) bool {
	host, port, _ := net.SplitHostPort(to.LocalAddr().String())
	switch strings.ToLower(strings.Join(command[:min(len(command), 2)], " ")) {
	case "cluster slots":
		return write(to, "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$"+strconv.Itoa(len(host))+"\r\n"+host+"\r\n:"+port+"\r\n")
	case "sentinel get-master-addr-by-name":
		return write(to, "*2\r\n$"+strconv.Itoa(len(host))+"\r\n"+host+"\r\n$"+strconv.Itoa(len(port))+"\r\n"+port+"\r\n")
	}
	return false
}

func write(to net.Conn, says string) bool {
	_, err := io.WriteString(to, says)
	return err == nil
}

// flood sends up to 64 MiB, as one text or as many answers.
func (r *random) flood(to net.Conn) bool {
	says := strings.Repeat(r.any(2), 1000)
	if r.n(2) == 0 {
		says = strings.Repeat("x", 64<<10)
		if !write(to, "$536870912\r\n") {
			return false
		}
	}
	for sent := 0; sent < 64<<20; sent += len(says) {
		if !write(to, says) {
			return false
		}
	}
	return false
}

// drip sends a byte each millisecond for as long as somebody hears it.
func (r *random) drip(to net.Conn) bool {
	slow := time.NewTicker(time.Millisecond)
	defer slow.Stop()
	for says := strings.Repeat(r.any(3), 50); ; {
		for i := range says {
			if <-slow.C; !write(to, says[i:i+1]) {
				return false
			}
		}
	}
}

// any is an answer of any type, with others in it to a depth.
func (r *random) any(depth int) string {
	number := func() string {
		return [...]string{"0", "1", "-1", "2", "7", "1000", "9223372036854775807", "-9223372036854775808", "1700000000", "x", ""}[r.n(11)]
	}
	kinds := 12
	if depth == 0 {
		kinds = 9
	}
	switch r.n(kinds) {
	case 0:
		return ":" + number() + "\r\n"
	case 1:
		return "$-1\r\n"
	case 2:
		return "_\r\n"
	case 3:
		return "+" + [...]string{"OK", "QUEUED", "PONG", ""}[r.n(4)] + "\r\n"
	case 4:
		return "-" + [...]string{"ERR", "NOSCRIPT no", "MOVED 1 127.0.0.1:1", "READONLY no", "LOADING", "", "WRONGTYPE", "OOM no"}[r.n(8)] + "\r\n"
	case 5:
		return Bulk(strings.Repeat("x", r.n(2000)))
	case 6:
		return Bulk([...]string{"message", "subscribe", "psubscribe", "pmessage", "pong"}[r.n(5)])
	case 7, 8:
		return Bulk(number())
	case 9:
		return ">" + r.several(depth, 1)
	case 10:
		return "%" + r.several(depth, 2)
	}
	return "*" + r.several(depth, 1)
}

func (r *random) several(depth, each int) string {
	n := r.n(7)
	says := strconv.Itoa(n) + "\r\n"
	for range each * n {
		says += r.any(depth - 1)
	}
	return says
}
