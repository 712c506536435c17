package httpmemo

import (
	"context"
	"crypto/tls"
	"errors"
	"hash/maphash"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// Handler keeps what another http.Handler answers: see NewHandler. Its methods may be
// called concurrently.
type Handler struct {
	next    http.Handler
	memo    *memoize.Func[*request, *response]
	changes generations
	clock   clock.Clock
	maxBody int64
	fresh   time.Duration
	keyed   map[string]bool
	neutral map[string]bool
	guarded bool
}

// request is what a load asks the handler: the argument of the memoized function.
type request struct {
	key key
	// req is the request of the caller that led to the load without anything that is not
	// in the key, nor neutral.
	req *http.Request
}

// NewHandler keeps the responses of next to GET and HEAD that may be shared by all, for
// as long as their s-maxage, max-age or Expires says, or Fresh for those that say
// nothing. Equal requests that come together run next once.
//
// What next does not get in a load can't be given to others: it is run with a GET that
// has the method, the host and the URL, the headers of KeyHeaders and nothing else of a
// request: no other header, no address, no value of the context. (A load sees more of
// the context's values with config.ContextValues.) Its answer is thrown away if it must
// not be shared: with Set-Cookie, no-store, private or no-cache, with a Vary by what is
// not in the key, a status that says nothing of its life, a body over MaxBody; also if
// next panics, flushes or hijacks. Then next is run for each request itself, as if there
// were no cache, and so it is for the next ten seconds. Requests with Authorization,
// Cookie, Range, Upgrade, a body or a client's certificate always are.
//
// A request of another method than GET, HEAD, OPTIONS and TRACE that succeeds makes the
// handler forget its URL, and what its response names in Location and Content-Location.
//
// Put the Handler around a router, not below one that leaves values in the context.
//
// The options are KeyHeaders, Fresh, MaxBody, MaxBytes, Keep, Neutral and With.
// Everything that is wrong with them is reported at once.
func NewHandler(next http.Handler, options ...Option) (*Handler, error) {
	s, err := settingsOf(options, settings{maxBody: defaultMaxBody, maxBytes: defaultMaxBytes, keep: defaultKeep})
	if next == nil {
		err = errors.Join(err, errors.New("httpmemo: NewHandler is given a nil handler: give it the one that answers"))
	}
	if err != nil {
		return nil, err
	}
	h := &Handler{next: next, changes: generations{seed: maphash.MakeSeed()}, maxBody: s.maxBody, neutral: neutralOf(s), keyed: map[string]bool{},
		guarded: slices.ContainsFunc(s.memo, func(o config.Option) bool { return o.String() == "config.Guard" })}
	for _, name := range s.keyed {
		h.keyed[name] = true
	}
	if s.fresh != nil {
		h.fresh = *s.fresh
	}
	server := config.ContextValues(config.OnlyValues(http.ServerContextKey))
	h.memo, h.clock, err = memoized(h.load, func(r *request) key { return r.key }, s, config.Name("handler"), server)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// ServeHTTP answers from what is stored, or has next answer. Cache-Status says which,
// and Age how old the response is. A load that takes longer than the method timeout, or
// than the time for a slot of config.MaxLoads, is a 503, and so is one that a guard
// refuses: then Retry-After says when to come again.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case changes(r):
		addStatus(w.Header(), h.Name(), "fwd=method")
		h.change(w, r)
		return
	case !h.takes(r):
		addStatus(w.Header(), h.Name(), "fwd=bypass")
		h.next.ServeHTTP(w, r)
		return
	}
	result, err := h.memo.Result(r.Context(), h.request(r))
	if err == nil {
		err = unallowed(result)
	}
	var refused *guard.OverloadedError
	switch {
	case errors.As(err, &refused):
		addStatus(w.Header(), h.Name(), "fwd=miss", "detail="+text("overloaded"))
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(refused.RetryAfter.Seconds())))))
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	case errors.Is(err, memoize.ErrLoadTimeout) || errors.Is(err, memoize.ErrRunaway):
		addStatus(w.Header(), h.Name(), "fwd=miss", "detail="+text("timed out"))
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
	case err != nil || result.Value.pass:
		addStatus(w.Header(), h.Name(), "fwd=miss")
		h.next.ServeHTTP(w, r)
	default:
		h.respond(w, r, result)
	}
}

// takes tells whether the cache takes part in a request.
func (h *Handler) takes(r *http.Request) bool {
	if !plain(r) || !strings.HasPrefix(r.URL.Path, "/") || r.URL.Opaque != "" || r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return false
	}
	for name := range r.Header {
		if passes[http.CanonicalHeaderKey(name)] {
			return false
		}
	}
	return !cacheControl(r.Header, true).has("no-store")
}

// request is a request as the argument of the memoized function. The original may change
// or end while the load runs.
func (h *Handler) request(r *http.Request) *request {
	path := r.URL.RequestURI()
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	header := http.Header{}
	for name, values := range r.Header {
		if canonical := http.CanonicalHeaderKey(name); h.keyed[canonical] || h.neutral[canonical] {
			header[name] = slices.Clone(values)
		}
	}
	u := *r.URL
	u.Scheme, u.Host, u.User, u.Fragment, u.RawFragment = "", "", nil, "", ""
	req := r.WithContext(context.Background()) // a shallow copy, which has the values of patterns
	req.Method, req.URL, req.Header, req.RequestURI = http.MethodGet, &u, header, path
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	req.Body, req.RemoteAddr, req.Close, req.Response = http.NoBody, "", false, nil
	req.Form, req.PostForm, req.MultipartForm = nil, nil, nil
	if req.TLS != nil {
		req.TLS = &tls.ConnectionState{HandshakeComplete: true}
	}
	return &request{
		key: key{
			method: http.MethodGet, url: scheme + "://" + r.Host + path, generation: h.changes.of(path),
			headers: digest(header, func(name string) bool { return h.keyed[name] }),
		},
		req: req,
	}
}

// load runs next: it is the source of the memoized function.
func (h *Handler) load(ctx context.Context, r *request) (*response, error) {
	l, _ := memoize.LoadOf[*response](ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := h.clock.Now()
	w := newRecorder(h.maxBody, cancel)
	panicked := w.run(h.next, r.req.WithContext(ctx))
	if resp, ok := h.shared(w.end(), began); ok {
		return resp, nil
	}
	failed := panicked || failing(w.status)
	if failed && l.HasOld && !l.Old.pass && (l.Cause == observe.Refresh || rescues(l.Old, l.OldAge)) {
		return nil, &failure{errors.New("httpmemo: the handler fails: " + w.why()), rescues(l.Old, l.OldAge)}
	}
	if failed && h.guarded { // else it would be run past the guard for a while
		return &response{pass: true, failed: true}, memoize.NoStore
	}
	return &response{pass: true, failed: failed}, nil
}

// shared is what was recorded as a response, if it may be shared.
func (h *Handler) shared(w *recorder, began time.Time) (*response, bool) {
	if w.refused {
		return nil, false
	}
	cc := cacheControl(w.sent, false)
	f := freshnessOf(w.status, w.sent, began, h.clock.Now(), true)
	if !cc.has("s-maxage") && !cc.has("max-age") && len(w.sent["Expires"]) == 0 {
		f.lifetime = h.fresh // no guess by Last-Modified: who has the handler can say
	}
	if n := w.sent.Get("Content-Length"); n != "" && n != strconv.Itoa(len(w.body)) {
		return nil, false
	}
	if !storable(w.status, w.sent, f, h.unkeyed) || cc.has("private") || f.left(0)+f.whileRevalidate <= 0 || len(w.sent["Trailer"]) > 0 {
		return nil, false
	}
	return &response{status: w.status, header: endToEnd(w.sent), body: w.body, freshness: f, hadAge: w.sent.Get("Age") != "", forwarded: "miss"}, true
}

// unkeyed tells which headers a response must not vary by. Requests that have those that
// pass are never answered by what is stored.
func (h *Handler) unkeyed(name string) bool { return !h.keyed[name] && !passes[name] }

// respond writes a result.
func (h *Handler) respond(w http.ResponseWriter, r *http.Request, result memoize.Result[*response]) {
	resp, header := result.Value, w.Header()
	for name, values := range resp.header {
		if name == "Vary" { // what stands before the handler may have said its own
			header[name] = append(header[name], values...)
			continue
		}
		header[name] = slices.Clone(values)
	}
	describe(header, h.Name(), result)
	if resp.status == http.StatusOK && notModified(r.Header, resp.header) {
		for _, name := range []string{"Content-Type", "Content-Length", "Content-Encoding"} {
			delete(header, name)
		}
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if resp.status != http.StatusNoContent && header.Get("Content-Length") == "" {
		header.Set("Content-Length", strconv.Itoa(len(resp.body)))
	}
	w.WriteHeader(resp.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(resp.body) // an error is the client's, who has left
	}
}

// change has next answer a request that may change the resource, and forgets what is
// stored of it before the client knows, and once more when next has returned.
func (h *Handler) change(w http.ResponseWriter, r *http.Request) {
	base := *r.URL
	base.Scheme, base.Host = "http", r.Host
	forget := func(status int, header http.Header) {
		if status >= 400 {
			return
		}
		h.changes.invalidate(r.URL.RequestURI())
		for _, other := range others(&base, header) {
			h.changes.invalidate(strings.TrimPrefix(other, origin(base.Scheme, base.Host)))
		}
	}
	watched := &watchedWriter{ResponseWriter: w, begins: forget}
	defer func() { forget(watched.status, w.Header()) }() // of one that panics as well: it may have done its work
	h.next.ServeHTTP(watched, r)
}

// Invalidate forgets the responses for a path with its query, such as "/products?page=2",
// on all hosts: requests that come after it has returned get nothing that was made
// before.
func (h *Handler) Invalidate(path string) { h.changes.invalidate(path) }

// Name is the cache's name in events, logs and Cache-Status.
func (h *Handler) Name() string { return h.memo.Name() }

// Stats counts what happened so far. A call is a request that the cache takes part in.
func (h *Handler) Stats() memoize.Stats { return h.memo.Stats() }

// InvalidateAll forgets all responses, as Invalidate does those for one path.
func (h *Handler) InvalidateAll(ctx context.Context) error { return h.memo.InvalidateAll(ctx) }

// Close waits for the loads under way until its context ends. Requests that come
// afterwards are answered by next.
func (h *Handler) Close(ctx context.Context) error { return h.memo.Close(ctx) }
