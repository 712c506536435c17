package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// server serves the pages of the packages that it knows.
type server struct {
	packages []string
	known    map[string]bool
	pages    *memoize.Func[string, string] // the text of a package
	latency  histogram                     // of its calls
}

// newServer memoizes source under the options given, which hold over its own.
func newServer(packages []string, source func(ctx context.Context, pkg string) (string, error), opts ...config.Option) (*server, error) {
	s := &server{packages: packages, known: map[string]bool{}}
	for _, pkg := range packages {
		s.known[pkg] = true
	}
	// The documentation changes with the installed Go alone, so pages live
	// long. A load is a process: a few at a time keep all processors busy.
	own := []config.Option{
		config.Name("godoc"),
		config.UpdateAfter(10 * time.Minute), config.ExpireAfter(24 * time.Hour),
		config.MaxLoads(2 * runtime.NumCPU()), config.MethodTimeout(10 * time.Second),
	}
	var err error
	s.pages, err = memoize.New(source, append(own, opts...)...)
	return s, err
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /pkg/{path...}", s.page)
	mux.HandleFunc("GET /stats", s.stats)
	return mux
}

var pages = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<meta charset="utf-8">
<title>{{.Package}}</title>
<p><a href="/">all packages</a></p>
<pre>{{.Text}}</pre>
<p>{{.Why}}, {{.Age}} old</p>
`))

var index = template.Must(template.New("index").Parse(`<!DOCTYPE html>
<meta charset="utf-8">
<title>Standard library</title>
<h1>Standard library</h1>
<ul>
{{range .}}<li><a href="/pkg/{{.}}">{{.}}</a></li>
{{end}}</ul>
<p><a href="/stats">counters</a></p>
`))

func (s *server) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = index.Execute(w, s.packages) // fails only where the reader is gone
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	pkg := r.PathValue("path")
	if !s.known[pkg] { // so that nobody passes arguments of their own to the go command
		http.Error(w, "There is no such package.", http.StatusNotFound)
		return
	}
	began := time.Now()
	got, err := s.pages.Result(r.Context(), pkg)
	switch {
	case r.Context().Err() != nil: // nobody reads the answer
		return
	case errors.Is(err, memoize.ErrClosed):
		http.Error(w, "The server is closing.", http.StatusServiceUnavailable)
		return
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	s.latency.add(time.Since(began))
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pages.Execute(w, struct {
		Package, Text string
		Why           memoize.Why
		Age           time.Duration
	}{pkg, got.Value, got.Why, got.Age.Round(time.Millisecond)})
}

func (s *server) stats(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	writeStats(w, s.pages.Stats(), &s.latency)
}

func writeStats(w io.Writer, st memoize.Stats, latency *histogram) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range []struct {
		name  string
		value any
		means string
	}{
		{"calls", st.Calls, "pages that were asked for"},
		{"hit", st.Fresh, "answered at once"},
		{"stale", st.Stale, "answered at once, refreshed in the background"},
		{"loaded", st.Loaded, "waited for a load of their own"},
		{"joined", st.Joined, "waited for the load of another"},
		{"failed", st.Failed, "got an error"},
		{"loads", st.Loads, "runs of the go command"},
		{"refreshes", st.Refreshes, "those of them in the background"},
		{"entries", st.Entries, "pages that are kept"},
		{"p50", short(latency.quantile(0.5)), "half of the calls took no longer"},
		{"p99", short(latency.quantile(0.99)), "all but one in a hundred took no longer"},
	} {
		fmt.Fprintf(t, "%s\t%v\t%s\n", row.name, row.value, row.means)
	}
	_ = t.Flush() // fails only where the reader is gone
}
