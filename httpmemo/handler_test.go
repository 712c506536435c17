package httpmemo_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/httpmemo"
)

// site is a real server whose handler is behind the one under test, and a real client.
type site struct {
	t      *testing.T
	clock  *clock.Mock
	cache  *httpmemo.Handler
	server *httptest.Server

	mu   sync.Mutex
	runs []*http.Request
}

func newSite(t *testing.T, handler http.HandlerFunc, options ...httpmemo.Option) *site {
	t.Helper()
	s := &site{t: t, clock: clock.NewMock()}
	s.clock.Set(time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC))
	var err error
	s.cache, err = httpmemo.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.runs = append(s.runs, r)
		s.mu.Unlock()
		handler(w, r)
	}), append([]httpmemo.Option{httpmemo.With(config.Clock(s.clock), config.Name("site"), config.Logger(nil))}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewUnstartedServer(s.cache)
	s.server.Config.ErrorLog = silent
	s.server.Start()
	t.Cleanup(func() {
		s.server.Close()
		if err := s.cache.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// do makes a request and returns how often the handler has run for it.
func (s *site) do(method, path string, headers ...string) (resp *http.Response, body string, runs int) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	s.mu.Lock()
	before := len(s.runs)
	s.mu.Unlock()
	resp, err = (&http.Client{Transport: s.server.Client().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	return resp, string(text), len(s.runs) - before
}

// What a handler answers is kept for as long as it says, and served as the server would
// have served it.
func TestHandlerKeeps(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		options []httpmemo.Option
		life    time.Duration
	}{
		"max-age":             {says("x", "Cache-Control", "max-age=10"), nil, 10 * time.Second},
		"s-maxage before it":  {says("x", "Cache-Control", "max-age=10, s-maxage=20"), nil, 20 * time.Second},
		"Expires":             {says("x", "Expires", time.Date(2024, 5, 6, 7, 9, 9, 0, time.UTC).Format(http.TimeFormat)), nil, time.Minute},
		"nothing, with Fresh": {says("x"), []httpmemo.Option{httpmemo.Fresh(5 * time.Second)}, 5 * time.Second},
		"less than Fresh":     {says("x", "Cache-Control", "max-age=1"), []httpmemo.Option{httpmemo.Fresh(time.Minute)}, time.Second},
		"an error with a life": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=3")
			http.Error(w, "gone", http.StatusGone)
		}, nil, 3 * time.Second},
		"of a cache before": {says("x", "Cache-Control", "max-age=10", "Age", "4"), nil, 6 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, c.handler, c.options...)
			plain := httptest.NewServer(c.handler)
			defer plain.Close()
			want, err := plain.Client().Get(plain.URL)
			if err != nil {
				t.Fatal(err)
			}
			wanted, _ := io.ReadAll(want.Body)
			_ = want.Body.Close()
			first, _, runs := s.do("GET", "/")
			if got := first.Header.Get("Cache-Status"); runs != 1 || !strings.HasPrefix(got, "site; fwd=miss; stored; ttl="+seconds(c.life)) {
				t.Errorf("%d runs, %s", runs, got)
			}
			s.clock.Add(c.life - time.Second)
			resp, body, runs := s.do("GET", "/")
			if got := resp.Header.Get("Cache-Status"); runs != 0 || got != "site; hit; ttl=1" || resp.Header.Get("Age") == "" {
				t.Errorf("%d runs, %s, Age %s", runs, got, resp.Header.Get("Age"))
			}
			if resp.StatusCode != want.StatusCode || body != string(wanted) || resp.ContentLength != want.ContentLength || resp.Header.Get("Content-Type") != want.Header.Get("Content-Type") {
				t.Errorf("%v %q %v; without a cache %v %q %v", resp.Status, body, resp.Header, want.Status, wanted, want.Header)
			}
			head, body, runs := s.do("HEAD", "/")
			if runs != 0 || body != "" || head.ContentLength != want.ContentLength || head.Header.Get("Content-Type") != want.Header.Get("Content-Type") {
				t.Errorf("HEAD: %d runs, %q, %v", runs, body, head.Header)
			}
			s.clock.Add(time.Second)
			if _, _, runs := s.do("GET", "/"); runs == 0 {
				t.Error("it is served after its life")
			}
		})
	}
}

func seconds(d time.Duration) string {
	return strconv.Itoa(int(d / time.Second))
}

// What can't be shared is answered by a run for each request, with all that the request
// has.
func TestHandlerPasses(t *testing.T) {
	fresh := []string{"Cache-Control", "max-age=60"}
	for name, handler := range map[string]http.HandlerFunc{
		"no-store":                 says("x", "Cache-Control", "no-store, max-age=60"),
		"private":                  says("x", "Cache-Control", "private, max-age=60"),
		"no-cache":                 says("x", "Cache-Control", "no-cache, max-age=60", "Etag", `"a"`),
		"Set-Cookie":               says("x", append(fresh, "Set-Cookie", "a=b")...),
		"Vary *":                   says("x", append(fresh, "Vary", "*")...),
		"Vary by what it had not":  says("x", append(fresh, "Vary", "Accept-Language, User-Agent")...),
		"no life":                  says("x", "Last-Modified", "Mon, 06 May 2019 07:08:09 GMT"),
		"a status without one":     status(418),
		"over the limit":           says(strings.Repeat("x", 101), fresh...),
		"a length that it has not": says("x", append(fresh, "Content-Length", "0")...),
		"a trailer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Trailer", "X-T")
			_, _ = io.WriteString(w, "x")
			w.Header().Set("X-T", "t")
		},
		"a trailer that comes as a surprise": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "x")
			w.Header().Set(http.TrailerPrefix+"X-T", "t")
		},
		"early hints": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "x")
		},
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "max-age=60")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "x")
		},
		"by what it had not": func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("X-Api-Key") == "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Cache-Control", "private")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, handler, httpmemo.MaxBody(100), httpmemo.KeyHeaders("Accept"))
			for i := range 3 {
				want := 1
				if i == 0 {
					want = 2 // one to see that it can't be shared
				}
				resp, _, runs := s.do("GET", "/", "X-Api-Key", "k")
				if runs != want || resp.Header.Get("Age") != "" || resp.Header.Get("Cache-Status") != "site; fwd=miss" || resp.StatusCode == http.StatusUnauthorized {
					t.Errorf("request %d: %d runs, want %d; %s %v", i, runs, want, resp.Status, resp.Header)
				}
			}
			s.clock.Add(10 * time.Second)
			if _, _, runs := s.do("GET", "/", "X-Api-Key", "k"); runs != 2 {
				t.Errorf("%d runs after ten seconds, want another try", runs)
			}
			if last := s.runs[len(s.runs)-1]; last.Header.Get("X-Api-Key") != "k" || last.RemoteAddr == "" {
				t.Errorf("it is run with %v", last)
			}
		})
	}
	t.Run("panics", func(t *testing.T) {
		s := newSite(t, func(http.ResponseWriter, *http.Request) { panic("boom") })
		for range 2 {
			if resp, err := s.server.Client().Get(s.server.URL); err == nil {
				t.Errorf("a response of a handler that panics: %v", resp.Status)
				_ = resp.Body.Close()
			}
		}
	})
	t.Run("hijacked", func(t *testing.T) {
		s := newSite(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				w.Header().Set("Cache-Control", "max-age=60")
				return
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nh")
			_ = rw.Flush()
		})
		for range 2 {
			if _, body, _ := s.do("GET", "/"); body != "h" {
				t.Errorf("%q", body)
			}
		}
	})
}

// Requests that the cache takes no part in, and those that it answers a condition of.
func TestHandlerRequests(t *testing.T) {
	s := newSite(t, says("x", "Cache-Control", "max-age=60", "Etag", `W/"a,b"`, "Last-Modified", "Mon, 06 May 2019 07:08:09 GMT"), httpmemo.KeyHeaders("accept-language"))
	s.do("GET", "/")
	for _, c := range []struct {
		headers []string
		runs    int
		status  int
		cached  string
	}{
		{[]string{"Authorization", "x"}, 1, 200, "fwd=bypass"},
		{[]string{"Cookie", "a=b"}, 1, 200, "fwd=bypass"},
		{[]string{"Range", "bytes=0-0"}, 1, 200, "fwd=bypass"},
		{[]string{"Cache-Control", "no-store"}, 1, 200, "fwd=bypass"},
		{[]string{"Cache-Control", "no-cache"}, 0, 200, "hit"}, // nobody may have it run as often as they like
		{[]string{"X-Other", "x", "User-Agent", "y"}, 0, 200, "hit"},
		{[]string{"Accept-Language", "de"}, 1, 200, "fwd=miss; stored"},
		{[]string{"Accept-Language", "de"}, 0, 200, "hit"},
		{[]string{"If-None-Match", `"b", "a,b"`}, 0, 304, "hit"},
		{[]string{"If-None-Match", "*"}, 0, 304, "hit"},
		{[]string{"If-None-Match", `"a"`}, 0, 200, "hit"},
		{[]string{"If-None-Match", `"a`, "If-Modified-Since", "Mon, 06 May 2024 07:08:09 GMT"}, 0, 200, "hit"},
		{[]string{"If-Modified-Since", "Mon, 06 May 2019 07:08:09 GMT"}, 0, 304, "hit"},
		{[]string{"If-Modified-Since", "Mon, 06 May 2019 07:08:08 GMT"}, 0, 200, "hit"},
	} {
		resp, body, runs := s.do("GET", "/", c.headers...)
		if runs != c.runs || resp.StatusCode != c.status || !strings.Contains(resp.Header.Get("Cache-Status"), c.cached) || (body == "") != (c.status == 304) {
			t.Errorf("%v: %d runs, %s %q %v", c.headers, runs, resp.Status, body, resp.Header)
		}
	}
}

// A load is run without anything that is not in the key.
func TestHandlerLoadsSeeTheKeyAlone(t *testing.T) {
	type user struct{}
	var got *http.Request
	cache, err := httpmemo.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("Cache-Control", "max-age=60")
	}), httpmemo.KeyHeaders("Accept"))
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), user{}, "ann"), "GET", "https://a.example/p?q", nil)
	r.Header = http.Header{"Accept": {"a"}, "X-Forwarded-Host": {"evil"}, "Traceparent": {"t"}}
	r.SetPathValue("id", "7")
	_ = r.FormValue("q")
	cache.ServeHTTP(httptest.NewRecorder(), r)
	if got == r || got.Context().Value(user{}) != nil || got.RemoteAddr != "" || got.Form != nil {
		t.Errorf("the load sees its caller: %v", got)
	}
	if got.Host != "a.example" || got.URL.String() != "/p?q" || got.RequestURI != "/p?q" || got.TLS == nil || got.PathValue("id") != "7" || len(got.Header) != 2 || got.Header.Get("Accept") != "a" {
		t.Errorf("the load does not see the key: %+v", got)
	}
	for name, change := range map[string]func(*http.Request){
		"another host":   func(r *http.Request) { r.Host = "b.example" },
		"another scheme": func(r *http.Request) { r.TLS = nil },
		"another query":  func(r *http.Request) { r.URL.RawQuery = "r" },
		"a client's certificate": func(r *http.Request) {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
		},
	} {
		got = nil
		other := httptest.NewRequestWithContext(t.Context(), "GET", "https://a.example/p?q", nil)
		other.Header.Set("Accept", "a")
		change(other)
		if cache.ServeHTTP(httptest.NewRecorder(), other); got == nil {
			t.Errorf("%s: answered from the cache", name)
		}
	}
}

// A change that succeeds is known before its client knows.
func TestHandlerChanges(t *testing.T) {
	answer := http.StatusNoContent
	s := newSite(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Method == "POST" {
			w.Header().Set("Location", "/b")
			w.WriteHeader(answer)
		}
	})
	for code, want := range map[int]int{204: 1, 303: 1, 403: 0, 500: 0} {
		answer = code
		s.do("GET", "/a")
		s.do("GET", "/b")
		if resp, _, _ := s.do("POST", "/a"); resp.StatusCode != code || resp.Header.Get("Cache-Status") != "site; fwd=method" {
			t.Errorf("%v", resp)
		}
		for _, path := range []string{"/a", "/b"} {
			if _, _, runs := s.do("GET", path); runs != want {
				t.Errorf("after a %d %s is asked for %d times, want %d", code, path, runs, want)
			}
		}
	}
	s.cache.Invalidate("/a")
	if _, _, runs := s.do("GET", "/a"); runs != 1 {
		t.Error("Invalidate changes nothing")
	}
	if err := s.cache.InvalidateAll(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, runs := s.do("GET", "/b"); runs != 1 || s.cache.Stats().Calls == 0 || s.cache.Name() != "site" {
		t.Error("InvalidateAll changes nothing")
	}
	if err := s.cache.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, runs := s.do("GET", "/b"); runs != 1 {
		t.Error("a closed cache answers")
	}
}

// Those who ask at once share a run; one that takes too long is a 503.
func TestHandlerTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, release := 0, make(chan struct{})
		cache, err := httpmemo.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			runs++
			select {
			case <-release:
			case <-r.Context().Done():
			}
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = io.WriteString(w, "x")
		}), httpmemo.With(config.MethodTimeout(time.Minute), config.Logger(nil)))
		if err != nil {
			t.Fatal(err)
		}
		ask := func(ctx context.Context) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			cache.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
			return w
		}
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if w := ask(t.Context()); w.Body.String() != "x" {
					t.Errorf("%d %q", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if runs != 1 {
			t.Errorf("%d runs", runs)
		}
		if err := cache.InvalidateAll(t.Context()); err != nil {
			t.Error(err)
		}
		release = make(chan struct{})
		if w := ask(t.Context()); w.Code != http.StatusServiceUnavailable {
			t.Errorf("one that takes too long is %d", w.Code)
		}
	})
}

// A handler that fails leaves what is there: while it is refreshed, and for as long as
// stale-if-error says.
func TestHandlerFails(t *testing.T) {
	for name, fail := range map[string]http.HandlerFunc{
		"an answer": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"a panic":   func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				next := says("x", "Cache-Control", "max-age=10, stale-while-revalidate=10, stale-if-error=20")
				runs := 0
				cache, err := httpmemo.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					runs++
					next(w, r)
				}), httpmemo.With(config.Logger(nil)))
				if err != nil {
					t.Fatal(err)
				}
				ask := func() *httptest.ResponseRecorder {
					w := httptest.NewRecorder()
					defer synctest.Wait()
					defer func() { _ = recover() }()
					cache.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
					return w
				}
				ask()
				next = fail
				for _, c := range []struct {
					after time.Duration
					has   string
					body  string
				}{
					{15 * time.Second, "handler; hit; ttl=-5", "x"},                                 // and a refresh that fails
					{10 * time.Second, `handler; fwd=stale; ttl=-15; detail="stale-if-error"`, "x"}, // by one that fails
					{5*time.Second + 1, "handler; fwd=miss", ""},
				} {
					time.Sleep(c.after)
					before := runs
					w := ask()
					if runs == before {
						t.Errorf("after %v the handler is not run", c.after)
					}
					if w != nil && (w.Header().Get("Cache-Status") != c.has || w.Body.String() != c.body) {
						t.Errorf("after %v: %d %q %v", c.after, w.Code, w.Body, w.Header())
					}
				}
			})
		})
	}
}

// A handler whose response can't be shared is told, by its context and its writes.
func TestHandlerIsTold(t *testing.T) {
	var wrote error
	var ctx context.Context
	first := true
	cache, err := httpmemo.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			ctx = r.Context()
			w.(http.Flusher).Flush()
			_, wrote = w.Write([]byte("x"))
			if ctx.Err() == nil {
				t.Error("the context goes on")
			}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	cache.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if wrote == nil || !strings.Contains(wrote.Error(), "can't be shared") {
		t.Error(wrote)
	}
}

func TestBadHandlers(t *testing.T) {
	if _, err := httpmemo.NewHandler(nil); err == nil || !strings.Contains(err.Error(), "nil handler") {
		t.Error(err)
	}
	next := http.NotFoundHandler()
	for want, o := range map[string]httpmemo.Option{
		"Authorization, which is no part": httpmemo.KeyHeaders("authorization"),
		"If-None-Match, which is no part": httpmemo.KeyHeaders("if-none-match"),
		`"" , which`:                      {},
		"Fresh is -1s":                    httpmemo.Fresh(-time.Second),
	} {
		_, err := httpmemo.NewHandler(next, o)
		if want == `"" , which` {
			want = "a zero Option"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	_, err := httpmemo.NewHandler(nil, httpmemo.Fresh(-1), httpmemo.MaxBody(-1))
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) || !strings.Contains(err.Error(), "Fresh") || !strings.Contains(err.Error(), "MaxBody") || !strings.Contains(err.Error(), "nil handler") {
		t.Errorf("not all is reported: %v", err)
	}
}
