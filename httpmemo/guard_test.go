package httpmemo_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/httpmemo"
)

func newGuard(t *testing.T, opts ...guard.Option) *guard.Guard {
	t.Helper()
	g, err := guard.New("origin", append(opts, guard.Logger(nil))...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A handler that a guard protects is not run for requests that the guard refuses.
func TestHandlerBehindAGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int64
		slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := running.Add(1)
			defer running.Add(-1)
			if n > most.Load() {
				most.Store(n)
			}
			time.Sleep(10 * time.Second)
			w.Header().Set("Cache-Control", "max-age=60")
		})
		cache, err := httpmemo.NewHandler(slow, httpmemo.With(config.Logger(nil), config.Guard(newGuard(t, guard.Fixed(1)))))
		if err != nil {
			t.Fatal(err)
		}
		codes := make([]int, 10)
		var all sync.WaitGroup
		for i := range codes {
			all.Go(func() {
				w := httptest.NewRecorder()
				cache.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", fmt.Sprint("/", i), nil))
				codes[i] = w.Code
				if w.Code == http.StatusServiceUnavailable && (w.Header().Get("Retry-After") < "1" || w.Header().Get("Retry-After") > "9" ||
					w.Header().Get("Cache-Status") != `handler; fwd=miss; detail="overloaded"`) {
					t.Errorf("a request that is refused gets %v", w.Header())
				}
			})
		}
		all.Wait()
		served := 0
		for _, code := range codes {
			switch code {
			case http.StatusOK:
				served++
			case http.StatusServiceUnavailable:
			default:
				t.Errorf("a request gets %d", code)
			}
		}
		if most.Load() != 1 || served != 1 {
			t.Errorf("%d handlers ran at once, %d requests were served", most.Load(), served)
		}
	})
}

// To a guard a response may be a failure, though it is no error.
func TestStatusesThatAreFailures(t *testing.T) {
	for status, failed := range map[int]uint64{200: 0, 404: 0, 429: 0, 500: 1, 502: 1, 503: 1, 504: 1, 501: 0} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			check := func(g *guard.Guard) {
				t.Helper()
				if s := g.State(); s.Failed != failed || s.Succeeded != 1-failed {
					t.Errorf("%d loads succeeded, %d failed", s.Succeeded, s.Failed)
				}
			}
			g := newGuard(t)
			transport := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
				resp := response(req, strings.NewReader("x"), "Cache-Control", "max-age=60")
				resp.StatusCode, resp.Status = status, http.StatusText(status)
				return resp, nil
			}), httpmemo.With(config.Logger(nil), config.Guard(g)))
			resp, err := get(t, t.Context(), transport, "http://a/")
			if err != nil {
				t.Fatal(err)
			}
			if resp.Body.Close() != nil || resp.StatusCode != status {
				t.Error(resp.Status)
			}
			check(g)
			g = newGuard(t)
			handler, err := httpmemo.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }),
				httpmemo.With(config.Logger(nil), config.Guard(g)))
			if err != nil {
				t.Fatal(err)
			}
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
			check(g)
		})
	}
}

// A handler that fails is not run past its guard for whom it has failed before.
func TestHandlerThatFailsBehindAGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs, status := 0, http.StatusBadGateway
		g := newGuard(t)
		cache, err := httpmemo.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			runs++
			if status == http.StatusOK {
				w.Header().Set("Cache-Control", "max-age=60")
			}
			w.WriteHeader(status)
		}), httpmemo.With(config.Logger(nil), config.Guard(g)))
		if err != nil {
			t.Fatal(err)
		}
		ask := func() int {
			w := httptest.NewRecorder()
			cache.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", fmt.Sprint("/", time.Now().UnixMilli()/10%3), nil))
			return w.Code
		}
		for range 50 {
			ask()
			time.Sleep(10 * time.Millisecond)
		}
		if before := runs; !g.State().Down {
			t.Errorf("after %d runs the breaker is closed", runs)
		} else {
			for range 1000 { // ten seconds
				if code := ask(); code != http.StatusServiceUnavailable && code != status {
					t.Errorf("a request gets %d", code)
				}
				time.Sleep(10 * time.Millisecond)
			}
			if runs-before > 2*12 { // a probe a second, which is not the request's own run
				t.Errorf("the handler is run %d times in ten seconds", runs-before)
			}
		}
		status = http.StatusOK
		time.Sleep(2 * time.Second)
		if code := ask(); code != http.StatusOK || g.State().Down {
			t.Errorf("it works again, and a request gets %d", code)
		}
	})
}
