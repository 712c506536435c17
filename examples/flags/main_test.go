package main

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
)

// asMember says that this process is a member of a test's board.
const asMember = "FLAGS_TEST_MEMBER"

func TestMain(m *testing.M) {
	if os.Getenv(asMember) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

func TestDemo(t *testing.T) {
	t.Setenv(asMember, "1")
	var out strings.Builder
	if err := demo(t.Context(), &out, servers.Redis(t, servers.Durable...)); err != nil {
		t.Fatalf("%v, after\n%s", err, &out)
	}
	const want = `ann: on dark-mode    committed
bob: on beta         committed
cid: on old-search   committed
ann: show            beta=true dark-mode=true old-search=true
bob: show            beta=true dark-mode=true old-search=true
cid: show            beta=true dark-mode=true old-search=true
# the server is killed
cid: show            beta=true dark-mode=true old-search=true
ann: on new-search   queued, until the server is back
bob: flip beta       queued, until the server is back
cid: off old-search  queued, until the server is back
cid: flip beta       queued, until the server is back
ann: show            beta=true dark-mode=true new-search=true old-search=true
bob: show            beta=false dark-mode=true old-search=true
cid: show            beta=false dark-mode=true old-search=false
# the server is started again
ann: flush           nothing waits any more
bob: flush           nothing waits any more
cid: flush           nothing waits any more
ann: show            beta=true dark-mode=true new-search=true old-search=false
bob: show            beta=true dark-mode=true new-search=true old-search=false
cid: show            beta=true dark-mode=true new-search=true old-search=false
ann: log             7 entries
`
	if got := out.String(); got != want {
		t.Errorf("it printed\n%s\nwant\n%s", got, want)
	}
}

// What main itself starts works too.
func TestOwnServer(t *testing.T) {
	servers.Redis(t).Kill() // is there one to start?
	s, err := startServer()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := open(t.Context(), s.host, atoi(t, s.port), "ann")
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Restart()
	var out strings.Builder
	if err := b.serve(t.Context(), strings.NewReader("on x\nwhat?\noff\nshow\n\nshow\n"), &out); err != nil {
		t.Error(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 5 || lines[0] != usage || lines[2] != usage || !strings.Contains(lines[3], "the name can't be used") || lines[4] != "x=true" {
		t.Errorf("it printed\n%s", &out)
	}
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
