package httpmemo

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
)

// recorder is the ResponseWriter of a load: it keeps what a handler writes until that
// can't be shared any more. Then it refuses: the handler's context ends, and what it
// writes is an error.
type recorder struct {
	header http.Header // the handler's
	limit  int64
	cancel func()
	failed any // what the handler has panicked with

	mu      sync.Mutex
	status  int         // 0 until the header is written
	sent    http.Header // as it was when it was written
	body    []byte
	refused bool
	ended   bool
}

func newRecorder(limit int64, cancel func()) *recorder {
	return &recorder{header: http.Header{}, limit: limit, cancel: cancel}
}

// run runs a handler, and tells whether it has panicked.
func (w *recorder) run(h http.Handler, r *http.Request) (panicked bool) {
	defer func() {
		if w.failed = recover(); w.failed != nil {
			panicked = true
			w.mu.Lock()
			defer w.mu.Unlock()
			w.refuse()
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// end is the recorder after its handler has returned. Goroutines that the handler has
// left behind change nothing.
func (w *recorder) end() *recorder {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(http.StatusOK)
	for name := range w.header {
		if strings.HasPrefix(name, http.TrailerPrefix) {
			w.refuse()
		}
	}
	if _, typed := w.sent["Content-Type"]; !typed && len(w.body) > 0 && w.sent.Get("Content-Encoding") == "" {
		w.sent.Set("Content-Type", http.DetectContentType(w.body)) // as a server does, for HEAD and 304 too
	}
	w.ended = true
	return w
}

// why says how the handler fails.
func (w *recorder) why() string {
	if w.failed != nil {
		return fmt.Sprintf("panic: %v", w.failed)
	}
	return http.StatusText(w.status)
}

var errRefused = errors.New("httpmemo: the response can't be shared: the handler is run again for each request")

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if status < 200 { // an early one goes to a client at once
		w.refuse()
		return
	}
	w.begin(status)
}

// begin notes the status and the header, the first time.
func (w *recorder) begin(status int) {
	if w.status == 0 && !w.ended {
		w.status, w.sent = status, w.header.Clone()
		if cc := cacheControl(w.sent, false); cc.has("no-store") && !cc.has("must-understand") {
			w.refuse() // spares a handler that notices the rest
		}
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(http.StatusOK)
	if w.status == http.StatusNoContent || w.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	if int64(len(w.body)+len(p)) > w.limit {
		w.refuse()
	}
	if w.refused || w.ended {
		return 0, errRefused
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// Flush wants the client to have what was written now.
func (w *recorder) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse()
}

// Hijack wants the client's connection.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse()
	return nil, nil, errRefused
}

func (w *recorder) refuse() {
	if !w.ended {
		w.refused, w.body = true, nil
		w.cancel()
	}
}

// watchedWriter tells when a response begins, just before the client can see it.
type watchedWriter struct {
	http.ResponseWriter
	status int // 0 until it begins
	begins func(status int, header http.Header)
}

func (w *watchedWriter) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
		w.begins(status, w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(p)
}

// Flush sends what was written, the header first.
func (w *watchedWriter) Flush() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack hands the connection over, if it can be.
func (w *watchedWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController.
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
