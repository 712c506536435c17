package httpmemo_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// step is a request, so long after the step before, and whether the origin is asked.
type step struct {
	after   time.Duration
	request []string // headers in turn
	method  string   // GET
	path    string   // /
	asks    int
	status  int // 200
	age     string
	has     string // in Cache-Status
}

// Each requirement of RFC 9111 that a private cache can be seen to keep, by section.
func TestRFC9111(t *testing.T) {
	etag := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=10")
		w.Header().Set("Etag", `"a"`)
		if r.Header.Get("If-None-Match") == `"a"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte("body"))
	}
	fresh := "max-age=10"
	for _, c := range []struct {
		section string
		handler http.HandlerFunc
		steps   []step
	}{
		{"3 a final status with a life is stored", says("x", "Cache-Control", fresh), []step{{asks: 1, has: "fwd=miss; stored; ttl=10"}, {has: "hit; ttl=10", age: "0"}}},
		{"3 one without a life or a validator is not", says("x"), []step{{asks: 1}, {asks: 1}}},
		{"3 a status that needs a life of its own", status(302, "Location", "/y", "Cache-Control", fresh), []step{{asks: 1, status: 302}, {status: 302, age: "0"}}},
		{"3 and has none", status(302, "Location", "/y", "Etag", `"a"`), []step{{asks: 1, status: 302}, {asks: 1, status: 302}}},
		{"3 an error with a life", status(503, "Cache-Control", fresh), []step{{asks: 1, status: 503}, {status: 503, age: "0"}}},
		{"3 an error without one", status(503), []step{{asks: 1, status: 503}, {asks: 1, status: 503}}},
		{"3.3 a part is not stored", status(206, "Cache-Control", fresh, "Content-Range", "bytes 0-0/2"), []step{{asks: 1, status: 206}, {asks: 1, status: 206}}},
		{"3.5 Authorization passes through", says("x", "Cache-Control", fresh), []step{{asks: 1, request: []string{"Authorization", "a"}}, {asks: 1, request: []string{"Authorization", "a"}}, {asks: 1}}},
		{"7.3 Cookie passes through", says("x", "Cache-Control", fresh), []step{{asks: 1, request: []string{"Cookie", "a=b"}}, {asks: 1, request: []string{"Cookie", "a=b"}}}},
		{"7.3 what sets a cookie is nobody else's", says("x", "Cache-Control", fresh, "Set-Cookie", "a=b"), []step{{asks: 1}, {asks: 1}}},
		{"4 Range passes through", says("x", "Cache-Control", fresh), []step{{asks: 1}, {asks: 1, request: []string{"Range", "bytes=0-0"}}, {age: "0"}}},
		{"4 HEAD from GET", says("x", "Cache-Control", fresh), []step{{asks: 1}, {after: time.Second, method: "HEAD", age: "1"}}},
		{"4 GET not from HEAD", says("x", "Cache-Control", fresh), []step{{asks: 1, method: "HEAD"}, {method: "HEAD", age: "0"}, {asks: 1}}},
		{"4 another query is another resource", says("x", "Cache-Control", fresh), []step{{asks: 1, path: "/?a"}, {asks: 1, path: "/?b"}, {asks: 1, path: "/?"}, {asks: 1, path: "/"}, {path: "/?a", age: "0"}}},
		{"4 a fragment is not", says("x", "Cache-Control", fresh), []step{{asks: 1, path: "/#a"}, {path: "/#b", age: "0"}}},
		{"4.1 Vary", says("x", "Cache-Control", fresh, "Vary", "Accept-Language"), []step{{asks: 1, request: []string{"Accept-Language", "de"}}, {asks: 1, request: []string{"Accept-Language", "en"}}, {asks: 1}, {age: "0", request: []string{"Accept-Language", "de"}}}},
		{"4.1 Vary: *", says("x", "Cache-Control", fresh, "Vary", "Accept, *"), []step{{asks: 1}, {asks: 1}}},
		{"4.1 Vary by what is not in the key", says("x", "Cache-Control", fresh, "Vary", "x-request-id"), []step{{asks: 1, request: []string{"X-Request-Id", "1"}}, {asks: 1, request: []string{"X-Request-Id", "2"}}}},
		{"4.1 a header that is not in Vary may matter all the same", says("x", "Cache-Control", fresh), []step{{asks: 1, request: []string{"X-User", "1"}}, {asks: 1, request: []string{"X-User", "2"}}}},
		{"4.1 but one of a trace does not", says("x", "Cache-Control", fresh), []step{{asks: 1, request: []string{"Traceparent", "1"}}, {age: "0", request: []string{"Traceparent", "2"}}}},
		{"4.2.1 max-age", says("x", "Cache-Control", fresh), []step{{asks: 1}, {after: 9 * time.Second, age: "9"}, {after: time.Second, asks: 1}}},
		{"4.2.1 max-age before Expires", says("x", "Cache-Control", fresh, "Expires", "0"), []step{{asks: 1}, {age: "0"}}},
		{"4.2.1 s-maxage is for others", says("x", "Cache-Control", "s-maxage=100, max-age=10"), []step{{asks: 1}, {after: 10 * time.Second, asks: 1}}},
		{"4.2.1 Expires", nil, []step{{asks: 1}, {after: 9 * time.Second, age: "9"}, {after: time.Second, asks: 1}}},
		{"4.2.1 Expires that is no date is past", says("x", "Expires", "soon", "Cache-Control", "private"), []step{{asks: 1}, {asks: 1}}},
		{"4.2.1 max-age that is no number is 0", says("x", "Cache-Control", "max-age=1h"), []step{{asks: 1}, {asks: 1}}},
		{"4.2.1 of two the shorter", says("x", "Cache-Control", "max-age=100", "Cache-Control", "max-age=10"), []step{{asks: 1}, {after: 10 * time.Second, asks: 1}}},
		{"4.2.3 Age of a cache between", says("x", "Cache-Control", fresh, "Age", "4"), []step{{asks: 1, age: "4"}, {after: 5 * time.Second, age: "9"}, {after: time.Second, asks: 1, age: "4"}}},
		{"4.2.3 older than its life on arrival", says("x", "Cache-Control", fresh, "Age", "10"), []step{{asks: 1}, {asks: 1}}},
		{"5.1 an Age that is no number", says("x", "Cache-Control", fresh, "Age", "old"), []step{{asks: 1}, {age: "0"}}},
		{"4.3 no-store in a request", says("x", "Cache-Control", fresh), []step{{asks: 1, request: []string{"Cache-Control", "no-store"}}, {asks: 1}}},
		{"5.2.1.1 max-age of a request", says("x", "Cache-Control", fresh), []step{{asks: 1}, {after: 5 * time.Second, age: "5", request: []string{"Cache-Control", "max-age=5"}}, {after: time.Second, asks: 1, request: []string{"Cache-Control", "max-age=5"}}}},
		{"5.2.1.3 min-fresh", says("x", "Cache-Control", fresh), []step{{asks: 1}, {after: 5 * time.Second, age: "5", request: []string{"Cache-Control", "min-fresh=5"}}, {asks: 1, request: []string{"Cache-Control", "min-fresh=6"}}}},
		{"5.2.1.4 no-cache of a request", says("x", "Cache-Control", fresh), []step{{asks: 1}, {asks: 1, request: []string{"Cache-Control", "no-cache"}, has: "fwd=request"}, {age: "0"}}},
		{"5.4 Pragma", says("x", "Cache-Control", fresh), []step{{asks: 1}, {asks: 1, request: []string{"Pragma", "no-cache"}}, {age: "0", request: []string{"Pragma", "no-cache", "Cache-Control", "max-age=9"}}}},
		{"5.2.1.7 only-if-cached", says("x", "Cache-Control", fresh), []step{{status: 504, request: []string{"Cache-Control", "only-if-cached"}}, {asks: 1}, {age: "0", request: []string{"Cache-Control", "only-if-cached"}}, {after: 10 * time.Second, status: 504, request: []string{"Cache-Control", "only-if-cached"}}}},
		{"5.2.1 a directive that we don't know", says("x", "Cache-Control", fresh), []step{{asks: 1}, {asks: 1, request: []string{"Cache-Control", "no-transform"}}}},
		{"5.2.2.3 must-understand", says("x", "Cache-Control", "max-age=10, no-store, must-understand"), []step{{asks: 1}, {age: "0"}}},
		{"5.2.2.3 must-understand of a status that we don't", status(299, "Cache-Control", "max-age=10, must-understand"), []step{{asks: 1, status: 299}, {asks: 1, status: 299}}},
		{"5.2.2.4 no-cache", says("x", "Cache-Control", "no-cache, max-age=10"), []step{{asks: 1}, {asks: 1}}},
		{"5.2.2.4 no-cache of some headers", says("x", "Cache-Control", `no-cache="X-A, X-B", max-age=10`), []step{{asks: 1}, {asks: 1}}},
		{"5.2.2.5 no-store", says("x", "Cache-Control", "max-age=10, No-Store"), []step{{asks: 1}, {asks: 1}}},
		{"5.2.2.7 private is for us", says("x", "Cache-Control", "private, max-age=10"), []step{{asks: 1}, {age: "0"}}},
		{"5861 3 stale-while-revalidate", says("x", "Cache-Control", "max-age=10, stale-while-revalidate=5"), []step{{asks: 1}, {after: 15 * time.Second, asks: 1}}},
		{"4.3 validated when it is stale", etag, []step{{asks: 1}, {after: 10 * time.Second, asks: 1, has: "fwd=stale; fwd-status=304; stored; ttl=10"}, {after: 9 * time.Second, age: "9"}, {after: time.Second, asks: 1}}},
		{"4.3 no-cache is validated each time", revalidated(`"a"`, "no-cache, max-age=10"), []step{{asks: 1}, {asks: 1, has: "fwd-status=304"}, {asks: 1, has: "fwd-status=304"}}},
		{"4.3 without a life too", revalidated(`"a"`, "private"), []step{{asks: 1}, {asks: 1, has: "fwd-status=304"}}},
		{"4.3.1 by Last-Modified", modified, []step{{asks: 1}, {after: 10 * time.Second, asks: 1, has: "fwd-status=304"}}},
		{"4.3 not after Keep", etag, []step{{asks: 1}, {after: time.Hour + 10*time.Second, asks: 1, has: "fwd=miss"}}},
		{"4.2.4 nothing stale but by leave", says("x", "Cache-Control", "max-age=10, must-revalidate"), []step{{asks: 1}, {after: 11 * time.Second, asks: 1, request: []string{"Cache-Control", "max-stale=5"}}}},
		{"5.2.1.2 max-stale", says("x", "Cache-Control", fresh), []step{{asks: 1}, {after: 15 * time.Second, age: "15", has: "hit; ttl=-5", request: []string{"Cache-Control", "max-stale=5"}}, {after: time.Second, age: "16", request: []string{"Cache-Control", "max-stale"}}, {asks: 1, request: []string{"Cache-Control", "max-stale=5"}}}},
		{"5.2.1.2 max-stale of what has to be validated", revalidated(`"a"`, "no-cache"), []step{{asks: 1}, {asks: 1, request: []string{"Cache-Control", "max-stale"}}}},
		{"5.2.1.7 only-if-cached and max-stale", says("x", "Cache-Control", fresh), []step{{asks: 1}, {after: 15 * time.Second, age: "15", request: []string{"Cache-Control", "only-if-cached, max-stale=5"}}, {after: time.Second, status: 504, request: []string{"Cache-Control", "only-if-cached, max-stale=5"}}}},
		{"5861 4 stale-if-error", failsThen(1, "max-age=10, stale-if-error=5"), []step{{asks: 1}, {after: 15 * time.Second, asks: 1, age: "15", has: `fwd=stale; ttl=-5; detail="stale-if-error"`}, {after: time.Second, asks: 1, status: 503}}},
		{"5861 4 not without it", failsThen(1, "max-age=10"), []step{{asks: 1}, {after: 11 * time.Second, asks: 1, status: 503}, {asks: 1, status: 503}}},
		{"5861 4 nor with must-revalidate", failsThen(1, "max-age=10, stale-if-error=5, must-revalidate"), []step{{asks: 1}, {after: 11 * time.Second, asks: 1, status: 503}}},
		{"5861 4 nor for who wants a new one", failsThen(1, "max-age=10, stale-if-error=5"), []step{{asks: 1}, {asks: 1, status: 503, request: []string{"Cache-Control", "no-cache"}}, {age: "0"}}},
		{"4.3 a request with a condition passes through", etag, []step{{asks: 1}, {asks: 1, status: 304, request: []string{"If-None-Match", `"a"`}}}},
		{"4.3 the cache's own condition", etag, []step{{asks: 1}, {asks: 1, request: []string{"Cache-Control", "no-cache"}, has: "fwd=request; fwd-status=304; stored; ttl=10"}}},
	} {
		t.Run(c.section, func(t *testing.T) {
			o := newOrigin(t, c.handler)
			if c.handler == nil {
				o.answer(func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Expires", o.date(10*time.Second))
					_, _ = w.Write([]byte("x"))
				})
			}
			for i, s := range c.steps {
				o.clock.Add(s.after)
				before := o.asked()
				resp, body := o.do(or(s.method, "GET"), or(s.path, "/"), s.request...)
				if got := o.asked() - before; got != s.asks {
					t.Fatalf("step %d: the origin is asked %d times, want %d; %v", i, got, s.asks, resp.Header)
				}
				want := s.status
				if want == 0 {
					want = 200
				}
				if resp.StatusCode != want {
					t.Errorf("step %d: status %d, want %d", i, resp.StatusCode, want)
				}
				if got := resp.Header.Get("Age"); s.age != got && !(s.asks > 0 && s.age == "") {
					t.Errorf("step %d: Age is %q, want %q", i, got, s.age)
				}
				if got := resp.Header.Get("Cache-Status"); !strings.Contains(got, s.has) {
					t.Errorf("step %d: Cache-Status is %q, want %q", i, got, s.has)
				}
				if s.method == "HEAD" && body != "" || s.method == "" && want == 200 && body == "" {
					t.Errorf("step %d: the body is %q", i, body)
				}
				if n := resp.Header.Get("Content-Length"); n != "" && s.method == "" && n != strconv.Itoa(len(body)) && want == 200 {
					t.Errorf("step %d: Content-Length is %s, the body %q", i, n, body)
				}
			}
		})
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// revalidated answers with an entity tag, or with a 304 where the request has it.
func revalidated(tag, control string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", control)
		w.Header().Set("Etag", tag)
		if r.Header.Get("If-None-Match") == tag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write([]byte("body"))
	}
}

func modified(w http.ResponseWriter, r *http.Request) {
	const at = "Mon, 06 May 2019 07:08:09 GMT"
	w.Header().Set("Cache-Control", "max-age=10")
	w.Header().Set("Last-Modified", at)
	if r.Header.Get("If-Modified-Since") == at {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	_, _ = w.Write([]byte("body"))
}

// failsThen answers n times, and fails from then on.
func failsThen(n int, control string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if n--; n < 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Cache-Control", control)
		_, _ = w.Write([]byte("body"))
	}
}

// What a 304 says of the stored response holds from then on, and nothing else of it does:
// sections 3.2 and 4.3.4.
func TestA304Updates(t *testing.T) {
	o := newOrigin(t, says("first", "Cache-Control", "max-age=10", "Etag", `"a"`, "X-A", "1", "X-B", "1", "Content-Type", "text/plain"))
	o.do("GET", "/")
	o.clock.Add(10 * time.Second)
	o.answer(status(304, "Cache-Control", "max-age=20", "Etag", `"a"`, "X-A", "2", "X-C", "2", "Connection", "X-D", "X-D", "2", "Content-Type", "text/html"))
	o.do("GET", "/")
	if got := o.last().Header.Get("If-None-Match"); got != `"a"` {
		t.Errorf("asked with %q", got)
	}
	o.clock.Add(19 * time.Second)
	resp, body := o.do("GET", "/")
	h := resp.Header
	if o.asked() != 2 || body != "first" || h.Get("X-A") != "2" || h.Get("X-B") != "1" || h.Get("X-C") != "2" || h.Get("X-D") != "" || h.Get("Connection") != "" || h.Get("Content-Type") != "text/plain" || h.Get("Content-Length") != "5" || h.Get("Age") != "19" {
		t.Errorf("asked %d times: %q %v", o.asked(), body, h)
	}

	// One about another response is none about this.
	o.clock.Add(time.Second)
	o.answer(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "" {
			w.Header().Set("Etag", `"b"`)
			w.WriteHeader(304)
			return
		}
		says("second", "Cache-Control", "max-age=10", "Etag", `"b"`)(w, r)
	})
	if _, body := o.do("GET", "/"); body != "second" || o.asked() != 4 {
		t.Errorf("%q, asked %d times", body, o.asked())
	}

	// One that says that the response must not be stored has it forgotten.
	o.clock.Add(10 * time.Second)
	o.answer(status(304, "Cache-Control", "no-store"))
	if resp, body := o.do("GET", "/"); body != "second" || resp.StatusCode != 200 {
		t.Errorf("%v %q", resp.Status, body)
	}
	o.answer(says("third"))
	if _, body := o.do("GET", "/"); body != "third" || o.last().Header.Get("If-None-Match") != "" {
		t.Errorf("%q, with %v", body, o.last().Header)
	}

	// Another status takes its place.
	o.clock.Add(10 * time.Second)
	o.answer(says("fourth", "Cache-Control", "max-age=10", "Etag", `"d"`))
	o.do("GET", "/")
	o.clock.Add(10 * time.Second)
	o.answer(status(404, "Cache-Control", "max-age=10"))
	o.do("GET", "/")
	if resp, _ := o.do("GET", "/"); resp.StatusCode != 404 || resp.Header.Get("Age") != "0" {
		t.Errorf("%v %v", resp.Status, resp.Header)
	}
}
