package httpmemo

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/memoize"
)

// RoundTripper is a private HTTP cache in front of another http.RoundTripper: see
// Transport. Its methods may be called concurrently.
type RoundTripper struct {
	next    http.RoundTripper
	memo    *memoize.Func[*call, *response]
	changes generations
	clock   clock.Clock
	neutral map[string]bool
	maxBody int64
	err     error // what is wrong with the options
}

// Transport is NewTransport for where an http.Client is made:
//
//	client.Transport = httpmemo.Transport(http.DefaultTransport)
//
// If options are wrong, every request fails with the error that NewTransport returns.
func Transport(next http.RoundTripper, options ...Option) *RoundTripper {
	t, err := NewTransport(next, options...)
	if err != nil {
		return &RoundTripper{err: err}
	}
	return t
}

// NewTransport makes a private HTTP cache after RFC 9111 in front of next, which is
// http.DefaultTransport if it is nil. It answers GET and HEAD; what of other requests
// changes a resource makes it forget that. Requests with Authorization, Cookie, Range,
// a condition of their own or a body go to next as they are.
//
// Requests share a response if method, URL and all headers are equal but those of
// Neutral, and are one request while it is under way. Everybody has a copy.
//
// The options are MaxBody, MaxBytes, Keep, Neutral and With. Everything that is wrong
// with them is reported at once.
func NewTransport(next http.RoundTripper, options ...Option) (*RoundTripper, error) {
	s, err := settingsOf(options, settings{maxBody: defaultMaxBody, maxBytes: defaultMaxBytes, keep: defaultKeep})
	if s.keyed != nil || s.fresh != nil {
		err = errors.Join(err, errors.New("httpmemo: KeyHeaders and Fresh are for a Handler: a Transport has all headers in the key, and goes by what responses say"))
	}
	if err != nil {
		return nil, err
	}
	if next == nil {
		next = http.DefaultTransport
	}
	t := &RoundTripper{next: next, changes: generations{seed: maphash.MakeSeed()}, maxBody: s.maxBody, neutral: neutralOf(s)}
	t.memo, t.clock, err = memoized(t.load, func(c *call) key { return c.key }, s, config.Name("http"))
	if err != nil {
		return nil, err
	}
	return t, nil
}

const (
	defaultMaxBody  = 1 << 20
	defaultMaxBytes = 64 << 20
	defaultKeep     = time.Hour
)

// memoized is the memoized function behind a cache, and its clock. Options of the user
// come after the defaults.
func memoized[A any](load func(context.Context, A) (*response, error), keyOf func(A) key, s settings, defaults ...config.Option) (*memoize.Func[A, *response], clock.Clock, error) {
	_, wiring, err := config.Split(module.Only{}, s.memo)
	if err != nil {
		return nil, nil, err
	}
	if s.keep > 0 {
		defaults = append(defaults, config.StaleIfError(s.keep), config.StaleWhen(mayRescue))
	}
	options := append(slices.Concat(defaults, s.memo),
		config.Capacity(s.maxBytes), config.Weigh(weigh), config.Builder(entry.LifeOf[key](lifeOf)), config.PlainErrors())
	f, err := memoize.NewKeyed(load, keyOf, options...)
	if wiring.Clock == nil {
		wiring.Clock = clock.New()
	}
	return f, wiring.Clock, err
}

func neutralOf(s settings) map[string]bool {
	neutral := map[string]bool{}
	for _, name := range slices.Concat(tracing, s.neutral) {
		neutral[name] = true
	}
	return neutral
}

// unkeyed tells which headers of a load's request are not in the key.
func (t *RoundTripper) unkeyed(name string) bool {
	switch name {
	case "Cache-Control", "Pragma", "If-None-Match", "If-Modified-Since":
		return true
	}
	return t.neutral[name]
}

// RoundTrip answers a request from the cache or by asking next. An error of next is
// returned as it is. The response says in Cache-Status where it came from, and in Age
// how old it is if it came from the cache; only-if-cached without a usable response is
// a 504. A panic of next is an error.
func (t *RoundTripper) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, t.err
	}
	if changes(req) {
		return t.change(req)
	}
	c, ok := t.callOf(req)
	if !ok {
		return t.next.RoundTrip(req)
	}
	if req.Method == http.MethodHead {
		if resp := t.fromGet(req, c); resp != nil {
			return resp, nil
		}
	}
	resp, err := t.answer(req, c)
	if resp == nil && err == nil {
		return t.next.RoundTrip(req)
	}
	return resp, err
}

// tries is how often a call that has joined a load which was of use to its leader alone
// tries again, before it asks for itself.
const tries = 3

// answer is the response for a call, or nothing where it has to ask for itself.
func (t *RoundTripper) answer(req *http.Request, c *call) (*http.Response, error) {
	for range tries {
		c = c.again()
		result, err := t.result(c)
		if live := c.take(); live != nil {
			live.Request = req
			return live, nil
		}
		if err == nil {
			err = unallowed(result)
		}
		if err != nil {
			return nil, cause(err)
		}
		switch r := result.Value; {
		case r.pass:
			return nil, nil
		case r.only != nil && r.only != c:
			// another call's, which takes what this one would not
		case r.none:
			return unsatisfied(req), nil
		case (result.Why == memoize.Hit || result.Why == memoize.Stale) && !c.accept(r, result.Age):
			if c.onlyIfCached {
				return unsatisfied(req), nil
			}
			c.noCache = true
		default:
			return t.respond(req, result), nil
		}
	}
	return nil, nil
}

// result is that of the memoized function; a request that wants no stored response
// waits for a new one.
func (t *RoundTripper) result(c *call) (memoize.Result[*response], error) {
	if c.noCache && !c.onlyIfCached {
		r, err := t.memo.Refresh(c.ctx, c)
		return memoize.Result[*response]{Value: r, Why: memoize.Forced}, err
	}
	return t.memo.Result(c.ctx, c)
}

// stored tells whether a value was there before its call.
func stored(why memoize.Why) bool {
	return why == memoize.Hit || why == memoize.Stale || why == memoize.Rescued
}

// respond is a result as a response.
func (t *RoundTripper) respond(req *http.Request, result memoize.Result[*response]) *http.Response {
	resp := result.Value.as(req)
	describe(resp.Header, t.Name(), result)
	return resp
}

// describe says in the header of a response how old it is and where it came from.
func describe(h http.Header, name string, result memoize.Result[*response]) {
	r, left := result.Value, result.Value.left(result.Age)
	hit := stored(result.Why) || r.only != nil
	if hit || r.hadAge {
		setAge(h, r.age+result.Age)
	}
	switch {
	case result.Why == memoize.Rescued:
		addStatus(h, name, "fwd=stale", ttl(left), "detail="+text("stale-if-error"))
	case hit:
		addStatus(h, name, "hit", ttl(left))
	default:
		addStatus(h, name, r.forward(result.Why == memoize.Joined, left)...)
	}
}

// forward is why the response was asked for, as Cache-Status has it.
func (r *response) forward(joined bool, left time.Duration) []string {
	p := []string{"fwd=" + r.forwarded}
	if r.validated {
		p = append(p, "fwd-status=304")
	}
	p = append(p, "stored", ttl(left))
	if joined {
		p = append(p, "collapsed")
	}
	return p
}

// unsatisfied is the answer to a request that wants a stored response or none, as
// section 5.2.1.7 has it.
func unsatisfied(req *http.Request) *http.Response {
	return &http.Response{
		Status: "504 Gateway Timeout", StatusCode: http.StatusGatewayTimeout,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: req,
	}
}

// fromGet answers a HEAD from the stored response to a GET, if there is one.
func (t *RoundTripper) fromGet(req *http.Request, head *call) *http.Response {
	c := head.again()
	c.key.method, c.onlyIfCached = http.MethodGet, true
	if c.noCache || !t.memo.Has(c.ctx, c) {
		return nil
	}
	result, err := t.memo.Result(c.ctx, c)
	if r := result.Value; err != nil || r.pass || !stored(result.Why) || !c.accept(r, result.Age) {
		return nil
	}
	return t.respond(req, result)
}

// callOf is a request as the argument of the memoized function. ok is false where the
// cache takes no part in it.
func (t *RoundTripper) callOf(req *http.Request) (c *call, ok bool) {
	if !plain(req) || req.URL == nil || req.URL.User != nil || req.URL.Opaque != "" {
		return nil, false
	}
	if scheme := strings.ToLower(req.URL.Scheme); scheme != "http" && scheme != "https" {
		return nil, false
	}
	orders, ok := ordersOf(req.Header)
	if !ok {
		return nil, false
	}
	header := make(http.Header, len(req.Header))
	for name, values := range req.Header {
		switch canonical := http.CanonicalHeaderKey(name); {
		case passes[canonical] || conditions[canonical]:
			return nil, false
		case canonical != "Cache-Control" && canonical != "Pragma":
			header[name] = slices.Clone(values)
		}
	}
	u := *req.URL
	u.Fragment, u.RawFragment = "", ""
	url := target(&u, req.Host)
	return &call{
		key: key{
			method: method(req), url: url, generation: t.changes.of(url),
			headers: digest(header, func(name string) bool { return !t.neutral[name] }),
		},
		ctx: req.Context(), url: &u, host: req.Host, header: header, orders: orders,
	}, true
}

func method(req *http.Request) string {
	if req.Method == "" {
		return http.MethodGet
	}
	return req.Method
}

// plain tells whether a request is a GET or HEAD without anything that only one
// connection is concerned with.
func plain(req *http.Request) bool {
	if m := method(req); m != http.MethodGet && m != http.MethodHead {
		return false
	}
	//lint:ignore SA1019 who sets Cancel wants the request cancelled by it
	cancels := req.Cancel != nil
	return !cancels && (req.Body == nil || req.Body == http.NoBody) && req.ContentLength == 0 && len(req.TransferEncoding) == 0 && len(req.Trailer) == 0
}

// changes tells whether a request may change the resource that it is for: those of
// methods that we don't know may.
func changes(req *http.Request) bool {
	switch method(req) {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return false
	}
	return req.URL != nil
}

// change makes a request that may change resources, and forgets what is stored of them
// before the caller knows that they have changed: section 4.4. A request that fails may
// have arrived.
func (t *RoundTripper) change(req *http.Request) (*http.Response, error) {
	base := *req.URL
	if req.Host != "" {
		base.Host = req.Host
	}
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp.StatusCode >= 200 && resp.StatusCode < 400 {
		t.changes.invalidate(target(&base, ""))
	}
	if err == nil && resp.StatusCode >= 200 && resp.StatusCode < 400 {
		for _, other := range others(&base, resp.Header) {
			t.changes.invalidate(other)
		}
	}
	return resp, err
}

// others are the URLs of the same origin that the response to a change names: an origin
// may say that its own resources have changed, and nobody else's.
func others(base *url.URL, h http.Header) []string {
	var urls []string
	for _, name := range []string{"Location", "Content-Location"} {
		if h.Get(name) == "" {
			continue
		}
		u, err := base.Parse(h.Get(name))
		if err == nil && u.Opaque == "" && origin(u.Scheme, u.Host) == origin(base.Scheme, base.Host) {
			urls = append(urls, target(u, ""))
		}
	}
	return urls
}

// Invalidate forgets the responses to all requests for a URL: requests that begin after it
// has returned get no response to a request that was made before. Requests under way get
// their answers.
// The error is about a URL that is none with a scheme and a host.
func (t *RoundTripper) Invalidate(rawURL string) error {
	if t.err != nil {
		return t.err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	if u.Host == "" || u.Scheme == "" {
		return errors.New("httpmemo: " + rawURL + " has no scheme or no host: give the whole URL")
	}
	t.changes.invalidate(target(u, ""))
	return nil
}

// CloseIdleConnections closes those of next, if it can, as http.Client has it.
func (t *RoundTripper) CloseIdleConnections() {
	if next, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// Name is the cache's name in events, logs and Cache-Status.
func (t *RoundTripper) Name() string {
	if t.err != nil {
		return "http"
	}
	return t.memo.Name()
}

// Stats counts what happened so far. A call is a request that the cache takes part in.
func (t *RoundTripper) Stats() memoize.Stats {
	if t.err != nil {
		return memoize.Stats{}
	}
	return t.memo.Stats()
}

// InvalidateAll forgets all responses, as Invalidate does those for one URL.
func (t *RoundTripper) InvalidateAll(ctx context.Context) error {
	if t.err != nil {
		return t.err
	}
	return t.memo.InvalidateAll(ctx)
}

// Close makes requests that the cache takes part in fail from now on, and waits for
// those under way until its context ends. Next stays open.
func (t *RoundTripper) Close(ctx context.Context) error {
	if t.err != nil {
		return nil
	}
	return t.memo.Close(ctx)
}
