package httpmemo

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// load asks next for a call: it is the source of the memoized function. A response that
// can be stored is returned with its whole body; another goes to the caller who led to
// the load, who may have left, and nobody else.
func (t *RoundTripper) load(ctx context.Context, c *call) (*response, error) {
	l, _ := memoize.LoadOf[*response](ctx)
	old := l.Old
	if !l.HasOld || old.pass {
		old = nil
	}
	if old != nil && (c.onlyIfCached || c.maxStale > 0) && c.accept(old, l.OldAge) {
		taken := *old
		taken.age += l.OldAge // those who wait count from now on
		taken.only = c
		return &taken, memoize.NoStore
	}
	if c.onlyIfCached {
		return &response{only: c, none: true}, memoize.NoStore
	}
	why := "miss"
	switch {
	case l.Cause == observe.Forced:
		why = "request"
	case old != nil:
		why = "stale"
	}
	e, err := t.send(ctx, c, old, l.Cause)
	if err == nil && old != nil && e.resp.StatusCode == http.StatusNotModified && !confirms(e.resp.Header, old) {
		e.close()
		e, err = t.send(ctx, c, nil, l.Cause) // it is about another response: ask for that itself
		if err == nil {
			return t.read(c, e, why)
		}
	}
	switch {
	case err != nil:
		return nil, &failure{err, old != nil && rescues(old, l.OldAge)}
	case old == nil:
		return t.read(c, e, why)
	case e.resp.StatusCode == http.StatusNotModified:
		return t.revalidate(c, e, old, why)
	case l.Cause != observe.Forced && failing(e.resp.StatusCode) && (l.Cause == observe.Refresh || rescues(old, l.OldAge)):
		e.close()
		return nil, &failure{errors.New("httpmemo: the origin answers " + e.resp.Status), rescues(old, l.OldAge)}
	}
	return t.read(c, e, why)
}

// exchange is a request that was sent, with its response.
type exchange struct {
	resp           *http.Response
	asked, arrived time.Time
	cancel         context.CancelFunc
	detach         func() bool // the request goes on when the load ends
}

// close gives the response up.
func (e *exchange) close() {
	_ = e.resp.Body.Close()
	e.cancel()
}

// send makes the request of a load. It has those headers of the call that are in its key
// or neutral, so that nothing else of the caller decides what others get.
func (t *RoundTripper) send(ctx context.Context, c *call, old *response, cause observe.Cause) (*exchange, error) {
	// The response may be read longer than the load runs: by its caller, whose context
	// ends it then.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e := &exchange{cancel: cancel, detach: context.AfterFunc(ctx, cancel), asked: t.clock.Now()}
	u := *c.url
	req := (&http.Request{
		Method: c.key.method, URL: &u, Host: c.host, Header: c.header.Clone(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(own)
	if cause == observe.Forced {
		req.Header.Set("Cache-Control", "no-cache") // for the caches between
	}
	if old != nil {
		condition(req.Header, old)
	}
	resp, err := t.next.RoundTrip(req)
	if err == nil && (resp == nil || resp.Body == nil) {
		err = errors.New("httpmemo: the next RoundTripper returns no response, or one without a body, and no error")
	}
	if err != nil {
		cancel()
		e.detach()
		return nil, err
	}
	e.resp, e.arrived = resp, t.clock.Now()
	return e, nil
}

// read reads a response that may be stored, up to the most that is stored of one.
func (t *RoundTripper) read(c *call, e *exchange, why string) (*response, error) {
	resp := e.resp
	f := freshnessOf(resp.StatusCode, resp.Header, e.asked, e.arrived, false)
	head := c.key.method == http.MethodHead
	if !storable(resp.StatusCode, resp.Header, f, t.unkeyed) || !head && resp.ContentLength > t.maxBody || len(resp.Trailer) > 0 {
		return handOver(c, e, nil, nil)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, t.maxBody+1))
	short := !head && resp.ContentLength >= 0 && resp.ContentLength != int64(len(body))
	if err != nil || short || int64(len(body)) > t.maxBody || len(resp.Trailer) > 0 {
		return handOver(c, e, body, err)
	}
	e.close()
	f.age += t.clock.Now().Sub(e.arrived)
	return &response{
		status: resp.StatusCode, line: resp.Status,
		proto: resp.Proto, major: resp.ProtoMajor, minor: resp.ProtoMinor,
		header: endToEnd(resp.Header), body: body, contentLength: resp.ContentLength, uncompressed: resp.Uncompressed, tls: resp.TLS,
		freshness: f, hadAge: resp.Header.Get("Age") != "", forwarded: why,
	}, nil
}

// revalidate is the stored response with what a 304 says of it. It is not Unchanged: its
// header and its age are new, and its life is theirs.
func (t *RoundTripper) revalidate(c *call, e *exchange, old *response, why string) (*response, error) {
	e.close()
	r := *old
	r.header = updated(old.header, e.resp.Header)
	age := http.Header{"Age": e.resp.Header["Age"]}
	for _, name := range []string{"Cache-Control", "Date", "Expires", "Last-Modified"} {
		age[name] = r.header[name]
	}
	r.freshness = freshnessOf(r.status, age, e.asked, e.arrived, false)
	r.hadAge, r.forwarded, r.validated = age.Get("Age") != "", why, true
	if storable(r.status, r.header, r.freshness, t.unkeyed) {
		return &r, nil
	}
	resp := r.as(&http.Request{Method: c.key.method})
	if !c.hand(resp) {
		_ = resp.Body.Close()
	}
	return &response{pass: true}, nil
}

// handOver gives the response to the caller who led to the load: what was read of its
// body, and the rest. Others ask for themselves, for a while at once; a failure says
// nothing of the next response.
func handOver(c *call, e *exchange, read []byte, err error) (*response, error) {
	resp := e.resp
	var rest io.Reader = resp.Body
	if err != nil {
		rest = failedReader{err}
	}
	if len(read) > 0 || err != nil {
		rest = io.MultiReader(bytes.NewReader(read), rest)
	}
	left := context.AfterFunc(c.ctx, e.cancel)
	resp.Body = &liveBody{rest, resp.Body, func() { left(); e.cancel() }}
	e.detach()
	if !c.hand(resp) {
		_ = resp.Body.Close()
	}
	if err != nil || resp.StatusCode >= 500 {
		return &response{pass: true, failed: err != nil || failing(resp.StatusCode)}, memoize.NoStore
	}
	return &response{pass: true}, nil
}

// liveBody is a body that its caller reads from the connection.
type liveBody struct {
	io.Reader
	body io.Closer
	end  func()
}

func (b *liveBody) Close() error {
	err := b.body.Close()
	b.end()
	return err
}

type failedReader struct{ err error }

func (r failedReader) Read([]byte) (int, error) { return 0, r.err }
