package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// took is how long the source of the tests takes.
const took = 50 * time.Millisecond

func source(ctx context.Context, pkg string) (string, error) {
	if err := sleep(ctx, took); err != nil {
		return "", err
	}
	if pkg == "broken" {
		return "", errors.New("no <documentation>")
	}
	return "package <" + pkg + ">", nil
}

func mustServer(t *testing.T, packages []string, opts ...config.Option) *server {
	t.Helper()
	s, err := newServer(packages, source, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// visit asks a handler for a page, without a network.
func visit(ctx context.Context, h http.Handler, path string) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	return answer
}

func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustServer(t, []string{"net/http", "broken"}, config.UpdateAfter(time.Minute))
		h := s.handler()
		for _, step := range []struct {
			later  time.Duration
			path   string
			status int
			part   string // of the answer
		}{
			{0, "/", 200, `<li><a href="/pkg/net/http">net/http</a></li>`},
			{0, "/pkg/net/http", 200, "<pre>package &lt;net/http&gt;</pre>\n<p>miss, 0s old</p>"},
			{0, "/pkg/net/http", 200, "<p>hit, 0s old</p>"},
			{2 * time.Minute, "/pkg/net/http", 200, "<p>stale, 2m0s old</p>"},
			{took, "/pkg/net/http", 200, "<p>hit, 0s old</p>"},
			{0, "/pkg/net", 404, "no such package"},
			{0, "/pkg/-help", 404, "no such package"},
			{0, "/pkg/", 404, "no such package"},
			{0, "/elsewhere", 404, ""},
			{0, "/pkg/broken", 502, `load of godoc for key "broken" failed: no <documentation>`},
		} {
			time.Sleep(step.later)
			synctest.Wait()
			answer := visit(t.Context(), h, step.path)
			if answer.Code != step.status || !strings.Contains(answer.Body.String(), step.part) {
				t.Errorf("%s answered %d and\n%s\nwant %d and a body with\n%s", step.path, answer.Code, answer.Body, step.status, step.part)
			}
			if html := answer.Header().Get("Content-Type") == "text/html; charset=utf-8"; html != (step.status == 200) {
				t.Errorf("%s has content type %q", step.path, answer.Header().Get("Content-Type"))
			}
		}

		const want = `calls      5       pages that were asked for
hit        2       answered at once
stale      1       answered at once, refreshed in the background
loaded     1       waited for a load of their own
joined     0       waited for the load of another
failed     1       got an error
loads      3       runs of the go command
refreshes  1       those of them in the background
entries    1       pages that are kept
p50        0s      half of the calls took no longer
p99        50.3ms  all but one in a hundred took no longer
`
		if got := visit(t.Context(), h, "/stats").Body.String(); got != want {
			t.Errorf("/stats is\n%s\nwant\n%s", got, want)
		}

		if err := s.pages.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if answer := visit(t.Context(), h, "/pkg/net/http"); answer.Code != http.StatusServiceUnavailable {
			t.Errorf("after Close a page answered %d, want %d", answer.Code, http.StatusServiceUnavailable)
		}
	})
}

func TestReaderWhoLeavesHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustServer(t, []string{"fmt"})
		ctx, cancel := context.WithTimeout(t.Context(), took/2)
		defer cancel()
		if answer := visit(ctx, s.handler(), "/pkg/fmt"); answer.Body.Len() > 0 {
			t.Errorf("a reader who left was answered\n%s", answer.Body)
		}
		answer := visit(t.Context(), s.handler(), "/pkg/fmt")
		if st := s.pages.Stats(); answer.Code != 200 || st.Loads != 1 || st.Joined != 1 {
			t.Errorf("the next reader got %d with %d loads, %d joined; want 200 with 1, 1", answer.Code, st.Loads, st.Joined)
		}
	})
}

func TestCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		c := crowd{readers: 4, lasts: 3 * time.Second, pause: 10 * time.Millisecond}
		for i := range 20 {
			c.packages = append(c.packages, fmt.Sprint("pkg", i))
		}
		s := mustServer(t, c.packages, config.UpdateAfter(time.Second))
		h := s.handler()
		fetch := func(ctx context.Context, pkg string) error {
			if answer := visit(ctx, h, "/pkg/"+pkg); answer.Code != http.StatusOK {
				return fmt.Errorf("%s answered %d", pkg, answer.Code)
			}
			return nil
		}
		var out strings.Builder
		if err := c.read(ctx, &out, s, fetch); err != nil {
			t.Fatal(err)
		}
		if lines := strings.Count(out.String(), " calls, "); lines != 3 {
			t.Errorf("%d progress lines in\n%s\nwant one a second", lines, &out)
		}
		if err := s.pages.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		st := s.pages.Stats()
		if st.Failed != 0 || st.Calls < 500 || st.Stale == 0 || st.Loads != 20+st.Refreshes {
			t.Errorf("the crowd's calls: %+v", st)
		}
		if p50 := s.latency.quantile(0.5); p50 != 0 {
			t.Errorf("half of the calls took up to %v, want no time", p50)
		}

		var direct histogram
		n, err := c.ask(ctx, source, &direct)
		if p50 := direct.quantile(0.5); n != 50 || err != nil || p50 < took {
			t.Errorf("asked the source %d times, p50 %v, error %v", n, p50, err)
		}
	})
}

func TestCrowdEndsWithItsFirstError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := crowd{readers: 4, packages: []string{"a", "b"}, lasts: time.Hour, pause: time.Second}
		broken := errors.New("broken")
		fetch := func(context.Context, string) error { return broken }
		began := time.Now()
		err := c.read(t.Context(), new(strings.Builder), mustServer(t, c.packages), fetch)
		if d := time.Since(began); !errors.Is(err, broken) || d > time.Second {
			t.Errorf("read ended after %v with error %v", d, err)
		}
	})
}

func TestReport(t *testing.T) {
	var memoized, direct histogram
	for range 200 {
		memoized.add(700 * time.Nanosecond)
		direct.add(40 * time.Millisecond)
	}
	r := report{
		stats:    memoize.Stats{Calls: 31707, Loads: 311, Joined: 41, Stale: 553, Fresh: 31013},
		memoized: &memoized, direct: &direct, sample: 50,
	}
	var out strings.Builder
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	const want = `
                    calls   loads   joined   stale   fresh   failed      p50      p99
         memoized   31707     311       41     553   31013        0    703ns    703ns
   not memoized *      50      50                                     41.9ms   41.9ms

* a sample: 50 calls of the source itself, one at a time, nothing else running
`
	if got := out.String(); got != want {
		t.Errorf("the report is\n%s\nwant\n%s", got, want)
	}
}

func TestQuantiles(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 15, 16, 31, 32, 1000, 123456789, time.Hour, 1<<63 - 1} {
		var h histogram
		h.add(d)
		if got := h.quantile(0.99); got < d || got-d > d/16 {
			t.Errorf("the quantile of %d alone is %d", d, got)
		}
	}
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("the quantile of nothing is %v", got)
	}
	for d := range time.Duration(10) {
		h.add(d)
	}
	if got := h.quantile(0.5); got != 5 {
		t.Errorf("the median of 0 to 9 is %d, want 5", got)
	}
}

func TestServe(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	instant := func(_ context.Context, pkg string) (string, error) { return "package " + pkg, nil }
	s, err := newServer([]string{"fmt"}, instant)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener, s) }()

	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	base := "http://" + listener.Addr().String()
	if err := get(ctx, client, base+"/pkg/fmt"); err != nil {
		t.Error(err)
	}
	if err := get(ctx, client, base+"/pkg/os"); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("an unknown package is error %v, want 404", err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serve ended with %v", err)
	}
	if _, err := s.pages.Call(t.Context(), "fmt"); !errors.Is(err, memoize.ErrClosed) {
		t.Errorf("after the end a call has error %v, want ErrClosed", err)
	}
}

func TestFaultsAreClear(t *testing.T) {
	t.Run("go command", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		err := run(t.Context(), new(strings.Builder), nil)
		if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), "the go command is missing") {
			t.Errorf("without a go command the error is %v", err)
		}
	})
	t.Run("address", func(t *testing.T) {
		mustFindGo(t)
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		err = run(t.Context(), new(strings.Builder), []string{"-addr", taken.Addr().String()})
		if err == nil || !strings.Contains(err.Error(), "give another address") {
			t.Errorf("at an address that is taken the error is %v", err)
		}
	})
}

func TestGoTool(t *testing.T) {
	tool := mustFindGo(t)
	packages, err := tool.list(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(packages, "net/http") || slices.ContainsFunc(packages, func(pkg string) bool {
		return strings.Contains(pkg, "internal") || strings.Contains(pkg, "vendor")
	}) {
		t.Errorf("the packages are %q", packages)
	}
	text, err := tool.doc(t.Context(), "errors")
	if err != nil || !strings.Contains(text, "func Unwrap(err error) error") {
		t.Errorf("the documentation of errors is %q, error %v", text, err)
	}
	if _, err := tool.doc(t.Context(), "no/such/package"); err == nil || !strings.Contains(err.Error(), "go doc -all no/such/package: exit status") {
		t.Errorf("a package that is not there is error %v", err)
	}
}

func mustFindGo(t *testing.T) goTool {
	t.Helper()
	tool, err := findGo()
	if err != nil {
		t.Skip(err)
	}
	return tool
}
