package httpmemo_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/httpmemo"
)

// origin is a real server with a real client whose Transport is the cache under test.
// Time is the clock's.
type origin struct {
	t      *testing.T
	clock  *clock.Mock
	server *httptest.Server
	cache  *httpmemo.RoundTripper
	client *http.Client

	mu       sync.Mutex
	requests []*http.Request
	handler  http.HandlerFunc
}

func newOrigin(t *testing.T, handler http.HandlerFunc, options ...httpmemo.Option) *origin {
	t.Helper()
	o := &origin{t: t, clock: clock.NewMock(), handler: handler}
	o.clock.Set(time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC))
	o.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.mu.Lock()
		o.requests = append(o.requests, r)
		answer := o.handler
		o.mu.Unlock()
		w.Header().Set("Date", o.date(0))
		answer(w, r)
	}))
	var err error
	transport := &http.Transport{}
	o.cache, err = httpmemo.NewTransport(transport, append([]httpmemo.Option{httpmemo.With(config.Clock(o.clock), config.Name("test"))}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	o.client = &http.Client{Transport: o.cache, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	t.Cleanup(func() {
		o.client.CloseIdleConnections()
		o.server.Close()
		if err := o.cache.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	return o
}

// date is the time d from now as headers have it.
func (o *origin) date(d time.Duration) string {
	return o.clock.Now().Add(d).UTC().Format(http.TimeFormat)
}

// asked is how many requests have reached the server.
func (o *origin) asked() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.requests)
}

// last is the request that has reached the server last.
func (o *origin) last() *http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests[len(o.requests)-1]
}

// answer has the server answer in another way.
func (o *origin) answer(handler http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.handler = handler
}

// do makes a request; headers are names and values in turn.
func (o *origin) do(method, path string, headers ...string) (*http.Response, string) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), method, o.server.URL+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := o.client.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return resp, string(body)
}

// says answers with a header, given as names and values in turn, and a body.
func says(body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		_, _ = io.WriteString(w, body)
	}
}

func status(code int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Add(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}
