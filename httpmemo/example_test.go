package httpmemo_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/perennial-go/perennial/httpmemo"
)

// A client that keeps responses as long as they say.
func ExampleTransport() {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Cache-Control", "max-age=60")
		_, _ = io.WriteString(w, "the price is 5")
	}))
	defer server.Close()

	client := &http.Client{}
	// region transport
	client.Transport = httpmemo.Transport(http.DefaultTransport)
	// endregion

	for range 3 {
		resp, err := client.Get(server.URL)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		status, _, _ := strings.Cut(resp.Header.Get("Cache-Status"), "; ttl")
		fmt.Println(string(body), "-", status)
	}
	fmt.Println("asked", asked, "time")
	client.CloseIdleConnections()
	// Output:
	// the price is 5 - http; fwd=miss; stored
	// the price is 5 - http; hit
	// the price is 5 - http; hit
	// asked 1 time
}

// A handler whose answers depend on the language alone.
func ExampleNewHandler() {
	runs := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		runs++
		w.Header().Set("Cache-Control", "max-age=60")
		if r.Header.Get("Accept-Language") == "de" {
			_, _ = io.WriteString(w, "Guten Tag")
			return
		}
		_, _ = io.WriteString(w, "Hello")
	})
	// region handler
	site, err := httpmemo.NewHandler(mux, httpmemo.KeyHeaders("Accept-Language")) // an http.Handler
	// endregion
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, language := range []string{"de", "en", "de", "en"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept-Language", language)
		w := httptest.NewRecorder()
		site.ServeHTTP(w, r)
		status, _, _ := strings.Cut(w.Header().Get("Cache-Status"), "; ttl")
		fmt.Println(w.Body, "-", status)
	}
	fmt.Println(runs, "runs")
	// Output:
	// Guten Tag - handler; fwd=miss; stored
	// Hello - handler; fwd=miss; stored
	// Guten Tag - handler; hit
	// Hello - handler; hit
	// 2 runs
}
