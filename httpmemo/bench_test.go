package httpmemo_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/httpmemo"
)

// BenchmarkTransportHit is a hit with a header, without the http.Client around it.
func BenchmarkTransportHit(b *testing.B) {
	cache := httpmemo.Transport(roundTrip(func(req *http.Request) (*http.Response, error) {
		return response(req, strings.NewReader(strings.Repeat("x", 1000)), "Cache-Control", "max-age=3600", "Content-Type", "text/plain"), nil
	}))
	req := httptest.NewRequestWithContext(b.Context(), "GET", "http://a.example/path?query", nil)
	req.Body = nil
	req.Header.Set("Accept", "text/plain")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cache.RoundTrip(req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandlerHit is a hit, with the copy of the response to a recorder.
func BenchmarkHandlerHit(b *testing.B) {
	h, err := httpmemo.NewHandler(says(strings.Repeat("x", 1000), "Cache-Control", "max-age=3600"))
	if err != nil {
		b.Fatal(err)
	}
	req := httptest.NewRequestWithContext(b.Context(), "GET", "/path?query", nil)
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
}
