package httpmemo

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// call is one caller's request: the argument of the memoized function. The source is
// given that of the call which led to the load, whose caller may have left by then.
type call struct {
	key    key
	ctx    context.Context // the caller's
	url    *url.URL        // a copy, as a load may outlast the caller
	host   string          // of the request, if another than the URL's
	header http.Header     // a copy, without what is not in the key nor neutral
	orders                 // of the request's Cache-Control

	mu   sync.Mutex
	live *http.Response // for this caller alone
	left bool           // nobody takes it any more
}

// orders are the directives of a request: section 5.2.1.
type orders struct {
	noCache, onlyIfCached bool
	maxAge, minFresh      time.Duration
	maxStale              time.Duration
	hasMaxAge             bool
}

// ordersOf reads a request's directives. ok is false where there is one that does not
// let a cache take part, or that we don't know.
func ordersOf(h http.Header) (o orders, ok bool) {
	d := cacheControl(h, true)
	for name, argument := range d {
		switch name {
		case "no-cache":
			o.noCache = true
		case "only-if-cached":
			o.onlyIfCached = true
		case "max-age":
			o.maxAge, o.hasMaxAge = seconds(argument), true
		case "min-fresh":
			o.minFresh = seconds(argument)
		case "max-stale":
			if o.maxStale = seconds(argument); argument == "" {
				o.maxStale = longest
			}
		default:
			return o, false
		}
	}
	return o, true
}

// accept tells whether the request may be answered with a stored response whose source
// returned it resident ago.
func (o orders) accept(r *response, resident time.Duration) bool {
	if o.noCache || o.hasMaxAge && r.age+resident > o.maxAge {
		return false
	}
	left := r.left(resident)
	if left > 0 && left >= o.minFresh {
		return true
	}
	if r.noCache || r.mustRevalidate || o.minFresh > 0 {
		return false
	}
	return o.maxStale > 0 && -left <= o.maxStale || !o.hasMaxAge && -left < r.whileRevalidate
}

// hand gives the caller a response of its own, or tells that it has left.
func (c *call) hand(resp *http.Response) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return false
	}
	c.live = resp
	return true
}

// take is the caller's own response, if there is one. After it there will be none.
func (c *call) take() *http.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	live := c.live
	c.live, c.left = nil, true
	return live
}

// again is the same request for another try.
func (c *call) again() *call {
	return &call{key: c.key, ctx: c.ctx, url: c.url, host: c.host, header: c.header, orders: c.orders}
}
