package httpmemo_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/httpmemo"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// roundTrip is a function as an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// response is one as a transport gives it; headers are names and values in turn.
func response(req *http.Request, body io.Reader, headers ...string) *http.Response {
	resp := &http.Response{
		Status: "200 OK", StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: io.NopCloser(body), ContentLength: -1, Request: req,
	}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Add(headers[i], headers[i+1])
	}
	return resp
}

func get(t *testing.T, ctx context.Context, rt http.RoundTripper, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rt.RoundTrip(req)
}

// closedBody counts bodies that were closed.
type closedBody struct {
	io.Reader
	closed func()
}

func (b closedBody) Close() error { b.closed(); return nil }

// All who ask for the same meanwhile have one request, and a copy each.
func TestTogetherAndApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, release := 0, make(chan struct{})
		cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			asked++
			<-release
			return response(req, strings.NewReader("body"), "Cache-Control", "max-age=60", "X-A", "a"), nil
		}))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				resp, err := get(t, t.Context(), cache, "http://a/")
				if err != nil {
					t.Error(err)
					return
				}
				resp.Header["X-A"][0] = "changed"
				resp.Header.Set("X-B", "b")
				body, _ := io.ReadAll(resp.Body)
				if string(body) != "body" || resp.Request == nil || resp.Request.URL.Host != "a" {
					t.Errorf("%q %v", body, resp.Request)
				}
				body[0] = 'B'
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		resp, err := get(t, t.Context(), cache, "http://a/")
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if asked != 1 || string(body) != "body" || resp.Header.Get("X-A") != "a" || resp.Header.Get("X-B") != "" {
			t.Errorf("asked %d times, body %q, header %v", asked, body, resp.Header)
		}
	})
}

// Who joined a load whose response can't be stored asks for itself; who led to it has
// the response.
func TestJoinedWhatCantBeStored(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		body    string
		broken  error
	}{
		"no-store":     {headers: []string{"Cache-Control", "no-store"}, body: "b"},
		"Set-Cookie":   {headers: []string{"Cache-Control", "max-age=9", "Set-Cookie", "a=b"}, body: "b"},
		"over a limit": {headers: []string{"Cache-Control", "max-age=9"}, body: "0123456789"},
		"cut off":      {headers: []string{"Cache-Control", "max-age=9"}, body: "0123", broken: io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				asked, closed, release := 0, 0, make(chan struct{})
				cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
					mu.Lock()
					asked++
					n := asked
					mu.Unlock()
					if n == 1 {
						<-release
					}
					var body io.Reader = strings.NewReader(c.body)
					if c.broken != nil {
						body = io.MultiReader(body, failing{c.broken})
					}
					resp := response(req, body, append(c.headers, "X-User", req.Header.Get("X-Request-Id"))...)
					resp.Body = closedBody{resp.Body, func() { mu.Lock(); closed++; mu.Unlock() }}
					return resp, nil
				}), httpmemo.MaxBody(5))
				var wg sync.WaitGroup
				for _, id := range []string{"a", "b", "c"} {
					wg.Go(func() {
						req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a/", nil)
						req.Header.Set("X-Request-Id", id)
						resp, err := cache.RoundTrip(req)
						if err != nil {
							t.Error(err)
							return
						}
						body, err := io.ReadAll(resp.Body)
						if string(body) != c.body || err != c.broken || resp.Header.Get("X-User") != id {
							t.Errorf("%s got %q, %v, that of %s", id, body, err, resp.Header.Get("X-User"))
						}
						_ = resp.Body.Close()
					})
				}
				synctest.Wait()
				if asked != 1 {
					t.Errorf("asked %d times at once", asked)
				}
				close(release)
				wg.Wait()
				if asked != 3 || closed != 3 {
					t.Errorf("asked %d times, closed %d bodies, want 3", asked, closed)
				}
			})
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A body over the limit is read no further than to the limit before its caller reads it.
func TestOverTheLimitStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		var ctx context.Context
		cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			ctx = req.Context()
			return response(req, r, "Cache-Control", "max-age=9"), nil
		}), httpmemo.MaxBody(3))
		go func() { _, _ = w.Write([]byte("0123")) }()
		resp, err := get(t, t.Context(), cache, "http://a/")
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = w.Write([]byte("45")); w.Close() }()
		body, err := io.ReadAll(resp.Body)
		if string(body) != "012345" || err != nil {
			t.Errorf("%q, %v", body, err)
		}
		if ctx.Err() != nil {
			t.Error("the request has ended before its body was closed")
		}
		_ = resp.Body.Close()
		if ctx.Err() == nil {
			t.Error("the request goes on after its body was closed")
		}
	})
}

// While a response is validated in the background, the stale one is served, and the
// refresh is one.
func TestStaleWhileRevalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, conditions := 0, 0
		cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			asked++
			time.Sleep(time.Second)
			resp := response(req, strings.NewReader("x"), "Cache-Control", "max-age=10, stale-while-revalidate=10", "Etag", `"a"`)
			if req.Header.Get("If-None-Match") == `"a"` {
				conditions++
				resp.StatusCode = http.StatusNotModified
			}
			return resp, nil
		}))
		ask := func() *http.Response {
			resp, err := get(t, t.Context(), cache, "http://a/")
			if err != nil {
				t.Fatal(err)
			}
			return resp
		}
		ask()
		time.Sleep(12 * time.Second)
		for range 3 {
			// 10 s less the second that the origin took, and 12 s later
			if got := ask().Header.Get("Cache-Status"); got != "http; hit; ttl=-3" {
				t.Error(got)
			}
		}
		time.Sleep(2 * time.Second)
		if got := ask().Header.Get("Cache-Status"); got != "http; hit; ttl=8" || asked != 2 || conditions != 1 {
			t.Errorf("%s, asked %d times, %d of them with a condition", got, asked, conditions)
		}
	})
}

// A connection that fails is bridged where the response allows it, and is an error where
// it does not: as it stands.
func TestStaleIfErrorOfAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := errors.New("connection refused")
		fails, control := false, "max-age=10, stale-if-error=10"
		cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			if fails {
				return nil, failure
			}
			return response(req, strings.NewReader("x"), "Cache-Control", control), nil
		}), httpmemo.With(config.Logger(nil)))
		for _, c := range []struct {
			control string
			err     error
		}{{"max-age=10, stale-if-error=10", nil}, {"max-age=10", failure}, {"max-age=10, stale-if-error=4", failure}, {"max-age=10, stale-if-error=10, no-cache", failure}} {
			fails, control = false, c.control
			url := "http://a/" + url.PathEscape(control)
			if _, err := get(t, t.Context(), cache, url); err != nil {
				t.Fatal(err)
			}
			fails = true
			time.Sleep(15 * time.Second)
			resp, err := get(t, t.Context(), cache, url)
			if err != c.err || err == nil && resp.Header.Get("Age") != "15" {
				t.Errorf("%s: %v, %v", c.control, resp, err)
			}
		}
	})
}

// One that takes too long is bridged only where it is allowed, too.
func TestStaleIfErrorOfAHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hangs atomic.Bool // a load that has been given up still reads it
		cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			if hangs.Load() {
				<-req.Context().Done()
				return nil, req.Context().Err()
			}
			return response(req, strings.NewReader("x"), "Cache-Control", "max-age=10"+req.URL.RawQuery), nil
		}), httpmemo.With(config.Logger(nil), config.MethodTimeout(5*time.Second)))
		for query, want := range map[string]error{"": memoize.ErrLoadTimeout, ",stale-if-error=20": nil} {
			hangs.Store(false)
			if _, err := get(t, t.Context(), cache, "http://a/?"+query); err != nil {
				t.Fatal(err)
			}
			hangs.Store(true)
			time.Sleep(15 * time.Second)
			if _, err := get(t, t.Context(), cache, "http://a/?"+query); !errors.Is(err, want) {
				t.Errorf("%q: %v", query, err)
			}
		}
	})
}

// Who joins the load of one who takes a stale response, or wants a stored one or none,
// gets neither. An observer holds the load up until there is one who joins.
func TestNobodyElseTakesWhatIsStale(t *testing.T) {
	for control, want := range map[string]string{"max-stale=60": "http; hit; ttl=-5", "only-if-cached": ""} {
		synctest.Test(t, func(t *testing.T) {
			gate := make(chan struct{})
			close(gate)
			asked := 0
			cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
				asked++
				return response(req, strings.NewReader("x"), "Cache-Control", "max-age=10"), nil
			}), httpmemo.With(config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
				if e.Kind == observe.LoadStarted {
					<-gate
				}
			}))))
			if _, err := get(t, t.Context(), cache, "http://a/"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(15 * time.Second)
			gate = make(chan struct{})
			var wg sync.WaitGroup
			for _, c := range [][2]string{{control, want}, {"", "http; fwd=stale; stored; ttl=10"}} {
				wg.Go(func() {
					req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://a/", nil)
					if c[0] != "" {
						req.Header.Set("Cache-Control", c[0])
					}
					resp, err := cache.RoundTrip(req)
					if err != nil || resp.Header.Get("Cache-Status") != c[1] || (resp.StatusCode == 504) != (c[1] == "") {
						t.Errorf("%q: %v, %v", c[0], resp, err)
					}
				})
				synctest.Wait()
			}
			close(gate)
			wg.Wait()
			if asked != 2 {
				t.Errorf("asked %d times", asked)
			}
		})
	}
}

// A caller who leaves spoils nothing: not the load of others, and no body stays open.
func TestWhoLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, closed := make(chan struct{}), 0
		control := "max-age=60"
		cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			select {
			case <-release:
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
			resp := response(req, strings.NewReader("body"), "Cache-Control", control)
			resp.Body = closedBody{resp.Body, func() { closed++ }}
			return resp, nil
		}))
		ctx, leave := context.WithCancel(t.Context())
		errs := make(chan error)
		go func() { _, err := get(t, ctx, cache, "http://a/"); errs <- err }()
		synctest.Wait()
		go func() { _, err := get(t, t.Context(), cache, "http://a/"); errs <- err }()
		synctest.Wait()
		leave()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("who leaves gets %v", err)
		}
		release <- struct{}{}
		if err := <-errs; err != nil || closed != 1 {
			t.Errorf("who stays gets %v, %d bodies are closed", err, closed)
		}

		control = "no-store" // the response is for the caller alone, who has left
		ctx, leave = context.WithCancel(t.Context())
		go func() { _, err := get(t, ctx, cache, "http://a/b"); errs <- err }()
		synctest.Wait()
		leave()
		<-errs
		release <- struct{}{}
		synctest.Wait()
		if closed != 2 {
			t.Error("the body that nobody reads is open")
		}
	})
}

// The request of a load has nothing of its caller that is not in the key, but for what
// is neutral; and what the caller changes after its request changes nothing.
func TestNothingUnkeyedReachesALoad(t *testing.T) {
	o := newOrigin(t, says("x", "Cache-Control", "max-age=10, stale-while-revalidate=10"), httpmemo.Neutral("X-Trace"))
	req, _ := http.NewRequestWithContext(t.Context(), "GET", o.server.URL+"/", nil)
	req.Header = http.Header{"X-Keyed": {"k"}, "X-Trace": {"t"}, "Cache-Control": {"max-age=100, max-stale=5"}}
	for range 2 {
		resp, err := o.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		req.Header.Set("X-Trace", "u")
	}
	got := o.last().Header
	if got.Get("X-Keyed") != "k" || got.Get("X-Trace") != "t" || got.Get("Cache-Control") != "" || o.asked() != 1 {
		t.Errorf("asked %d times, with %v", o.asked(), got)
	}
}

// An unsafe method that succeeds invalidates its target and what it names of the same
// origin, in all variants and before the caller knows.
func TestUnsafeMethods(t *testing.T) {
	fresh := says("x", "Cache-Control", "max-age=60")
	for _, c := range []struct {
		name      string
		method    string
		handler   http.HandlerFunc
		forgotten []string
	}{
		{"POST", "POST", says(""), []string{"/a"}},
		{"a method that nobody knows", "FROB", says(""), []string{"/a"}},
		{"redirected", "PUT", status(303, "Location", "/b"), []string{"/a", "/b"}},
		{"names another", "DELETE", says("", "Content-Location", "c"), []string{"/a", "/c"}},
		{"of another origin", "POST", says("", "Location", "http://other.example/b"), []string{"/a"}},
		{"that fails", "POST", status(409, "Location", "/b"), nil},
		{"OPTIONS is safe", "OPTIONS", says(""), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOrigin(t, fresh)
			paths := []string{"/a", "/b", "/c"}
			for _, p := range paths {
				o.do("GET", p)
				o.do("GET", p, "Accept", "text/html")
			}
			o.answer(c.handler)
			o.do(c.method, "/a")
			o.answer(fresh)
			for _, p := range paths {
				want := 0
				for _, f := range c.forgotten {
					if f == p {
						want = 2
					}
				}
				before := o.asked()
				o.do("GET", p)
				o.do("GET", p, "Accept", "text/html")
				if got := o.asked() - before; got != want {
					t.Errorf("%s is asked for %d times, want %d", p, got, want)
				}
			}
		})
	}
}

// A change that fails on the way may have arrived; one that overtakes a load fences it.
func TestChangesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gets, release := 0, make(chan struct{})
		cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
			if req.Method == "POST" {
				return nil, io.ErrUnexpectedEOF
			}
			gets++
			<-release
			return response(req, strings.NewReader("x"), "Cache-Control", "max-age=60"), nil
		}))
		done := make(chan error)
		go func() { _, err := get(t, t.Context(), cache, "http://a/"); done <- err }()
		synctest.Wait()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://A:80/", nil)
		if _, err := cache.RoundTrip(req); err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
		go func() { _, err := get(t, t.Context(), cache, "http://a/"); done <- err }()
		synctest.Wait()
		if gets != 2 {
			t.Errorf("a call after the change shares the load before it: %d loads", gets)
		}
		close(release)
		if err := errors.Join(<-done, <-done); err != nil {
			t.Error(err)
		}
		if _, err := get(t, t.Context(), cache, "http://a/"); err != nil || gets != 2 {
			t.Errorf("%v, %d loads", err, gets)
		}
		if err := cache.Invalidate("http://a"); err != nil {
			t.Error(err)
		}
		if _, err := get(t, t.Context(), cache, "http://a/"); err != nil || gets != 3 {
			t.Errorf("%v, %d loads after Invalidate", err, gets)
		}
	})
}

// An error of the next RoundTripper is returned as it is, and nothing is stored.
func TestErrorsAreTheNextOnes(t *testing.T) {
	failure := &url.Error{Op: "x", Err: io.EOF}
	asked := 0
	cache := httpmemo.Transport(roundTrip(func(*http.Request) (*http.Response, error) {
		asked++
		return nil, failure
	}), httpmemo.With(config.Logger(nil)))
	for range 2 {
		if _, err := get(t, t.Context(), cache, "http://a/"); err != error(failure) {
			t.Errorf("%T %v", err, err)
		}
	}
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
	none := httpmemo.Transport(roundTrip(func(*http.Request) (*http.Response, error) { return nil, nil }), httpmemo.With(config.Logger(nil)))
	if _, err := get(t, t.Context(), none, "http://a/"); err == nil || !strings.Contains(err.Error(), "no response") {
		t.Error(err)
	}
	panics := httpmemo.Transport(roundTrip(func(*http.Request) (*http.Response, error) { panic("boom") }), httpmemo.With(config.Logger(nil)))
	if _, err := get(t, t.Context(), panics, "http://a/"); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Error(err)
	}
}

// What has a body, names a user in its URL or is no HTTP goes by, untouched.
func TestRequestsThatPass(t *testing.T) {
	var got *http.Request
	cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
		got = req
		return response(req, strings.NewReader("x"), "Cache-Control", "max-age=60"), nil
	}))
	with := func(url string, body io.Reader, headers ...string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header[headers[i]] = []string{headers[i+1]}
		}
		return req
	}
	for name, req := range map[string]*http.Request{
		"a body":             with("http://a/", bytes.NewReader([]byte("b"))),
		"a user":             with("http://u:p@a/", nil),
		"ftp":                with("ftp://a/", nil),
		"no URL":             {Method: "GET"},
		"Upgrade":            with("http://a/", nil, "Upgrade", "websocket"),
		"in small letters":   with("http://a/", nil, "authorization", "x"),
		"a condition of its": with("http://a/", nil, "If-Match", "*"),
	} {
		for range 2 {
			got = nil
			resp, err := cache.RoundTrip(req)
			if got != req || err != nil || resp.Header.Get("Cache-Status") != "" {
				t.Errorf("%s: it does not pass: %v", name, err)
			}
		}
	}
	if calls := cache.Stats().Calls; calls != 0 {
		t.Errorf("%d calls", calls)
	}
}

// What is no response for all time: the host that the origin sees is in the key.
func TestHostIsInTheKey(t *testing.T) {
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, r.Host)
	})
	for _, host := range []string{"a.example", "b.example"} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", o.server.URL, nil)
		req.Host = host
		resp, err := o.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(resp.Body); string(body) != host {
			t.Errorf("%s gets the response of %s", host, body)
		}
		_ = resp.Body.Close()
	}
}

// A response that can't be stored is remembered as such for ten seconds: who asks
// meanwhile waits for nobody.
func TestWhatCantBeStoredIsRemembered(t *testing.T) {
	o := newOrigin(t, says("x"))
	o.do("GET", "/")
	o.do("GET", "/")
	if s := o.cache.Stats(); s.Loads != 1 || o.asked() != 2 {
		t.Errorf("%d loads, asked %d times", s.Loads, o.asked())
	}
	o.clock.Add(10 * time.Second)
	o.answer(says("y", "Cache-Control", "max-age=5"))
	o.do("GET", "/")
	if resp, _ := o.do("GET", "/"); resp.Header.Get("Age") != "0" || o.asked() != 3 {
		t.Errorf("%v, asked %d times", resp.Header, o.asked())
	}
}

// Responses are bounded by their bytes.
func TestMaxBytes(t *testing.T) {
	o := newOrigin(t, says(strings.Repeat("x", 1000), "Cache-Control", "max-age=60"), httpmemo.MaxBytes(20_000), httpmemo.MaxBody(2000))
	for i := range 100 {
		o.do("GET", "/"+strings.Repeat("a", i))
	}
	if n := o.cache.Stats().Entries; n < 1 || n > 20_000/1600 {
		t.Errorf("%d entries of at least 1,600 bytes within 20,000", n)
	}
}

func TestBadOptions(t *testing.T) {
	for name, c := range map[string]struct {
		option httpmemo.Option
		says   string
	}{
		"MaxBody":     {httpmemo.MaxBody(0), "MaxBody is 0: give one byte or more"},
		"MaxBytes":    {httpmemo.MaxBytes(-1), "MaxBytes is -1"},
		"both":        {httpmemo.MaxBytes(10), "give MaxBytes at least as much"},
		"Keep":        {httpmemo.Keep(-1), "Keep is -1ns: give zero or more"},
		"Neutral":     {httpmemo.Neutral("Cookie"), "Cookie, which is no part of what a cache may share"},
		"no name":     {httpmemo.Neutral("a b"), "no name of one"},
		"KeyHeaders":  {httpmemo.KeyHeaders("Accept"), "for a Handler"},
		"Fresh":       {httpmemo.Fresh(0), "for a Handler"},
		"zero":        {httpmemo.Option{}, "a zero Option"},
		"With":        {httpmemo.With(config.Capacity(3)), "config.Capacity, which is not for a cache of responses"},
		"of memoize":  {httpmemo.With(config.MethodTimeout(-1)), "method"},
		"zero config": {httpmemo.With(config.Option{}), "not for a cache of responses"},
	} {
		if _, err := httpmemo.NewTransport(nil, c.option); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		closed := false
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://a/", closedBody{strings.NewReader("x"), func() { closed = true }})
		cache := httpmemo.Transport(nil, c.option)
		if _, err := cache.RoundTrip(req); err == nil || !strings.Contains(err.Error(), c.says) || !closed {
			t.Errorf("%s: RoundTrip: %v, body closed %v", name, err, closed)
		}
		if cache.Stats().Calls != 0 || cache.Name() == "" || cache.InvalidateAll(t.Context()) == nil || cache.Invalidate("http://a/") == nil || cache.Close(t.Context()) != nil {
			t.Errorf("%s: its methods", name)
		}
		cache.CloseIdleConnections()
	}
	ok := httpmemo.Transport(nil)
	for _, u := range []string{"/path", "http:///x", ":"} {
		if ok.Invalidate(u) == nil {
			t.Errorf("Invalidate(%q) is no error", u)
		}
	}
}

// What the transport has decompressed is kept so.
func TestDecompressed(t *testing.T) {
	o := newOrigin(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Error("the transport does not ask for gzip")
		}
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, "body")
		_ = z.Close()
	})
	for range 2 {
		resp, body := o.do("GET", "/")
		if body != "body" || !resp.Uncompressed || resp.ContentLength != -1 || resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q %+v", body, resp)
		}
	}
	if o.asked() != 1 {
		t.Errorf("asked %d times", o.asked())
	}
}

// While the cache is bypassed each request goes to the origin, and nothing is kept.
func TestBypass(t *testing.T) {
	o := newOrigin(t, says("x", "Cache-Control", "max-age=10"), httpmemo.With(config.Bypass(true)))
	for range 2 {
		if resp, body := o.do("GET", "/"); body != "x" || resp.StatusCode != 200 {
			t.Errorf("%v %q", resp.Status, body)
		}
	}
	o.answer(says("y", "Cache-Control", "no-store"))
	if _, body := o.do("GET", "/"); body != "y" || o.asked() != 3 {
		t.Errorf("%q, asked %d times", body, o.asked())
	}
}
