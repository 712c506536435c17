package httpmemo

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/module"
)

// response is what is stored of a response. Nothing changes it once it is stored:
// callers get copies of its header, and readers of its body.
type response struct {
	status        int
	line          string // "200 OK"
	proto         string
	major, minor  int
	header        http.Header
	body          []byte
	contentLength int64
	uncompressed  bool
	tls           *tls.ConnectionState
	freshness
	hadAge    bool   // it came from a cache
	forwarded string // why its load asked, for Cache-Status: miss, stale or request
	validated bool   // by a 304

	// The rest is of values that are no response.

	// pass says that the response can't be stored: everybody asks for themselves. It is
	// stored for a while, so that nobody waits for another one's response in vain.
	pass bool
	// only is the call whose own answer this is: a stored response that the call takes
	// although it is stale, or none where it wants no other. Others try again.
	only *call
	none bool
	// failed says that what can't be stored is a failure of the source.
	failed bool
}

// SourceFails is for a guard, to which the response is an outcome of the source.
func (r *response) SourceFails(module.Only) bool {
	return r != nil && (r.failed || failing(r.status))
}

// passFor is how long calls ask for themselves after a response that can't be stored.
const passFor = 10 * time.Second

// lifeOf is the life of a value of the memoized function.
func lifeOf(r *response) entry.Life {
	if r.pass {
		return entry.Life{UpdateAfter: passFor, ExpireAfter: passFor}
	}
	return r.life()
}

// overhead is about what an entry takes besides the text in it.
const overhead = 600

// weigh is about how many bytes an entry takes.
func weigh(k key, r *response) int {
	n := overhead + len(k.url) + len(r.body)
	for name, values := range r.header {
		n += len(name) + 48
		for _, v := range values {
			n += len(v) + 16
		}
	}
	return n
}

// storable tells whether a response may be stored and is worth it, by section 3 of RFC
// 9111. unkeyed tells which request headers are not part of the key: one that selects
// the response must be.
//
// A response that sets cookies is not stored, although it may be: it was meant for one
// user, and a cookie that is set again later undoes what was set meanwhile.
func storable(status int, h http.Header, f freshness, unkeyed func(name string) bool) bool {
	cc := cacheControl(h, false)
	switch {
	case status < 200 || status > 599 || status == http.StatusPartialContent || status == http.StatusNotModified:
		return false
	case cc.has("must-understand") && !heuristic[status]: // those whose caching we know
		return false
	case cc.has("no-store") && !cc.has("must-understand"):
		return false
	case len(h["Set-Cookie"]) > 0 || len(h["Set-Cookie2"]) > 0:
		return false
	case varies(h, unkeyed):
		return false
	case !heuristic[status] && !explicit(h, cc):
		return false
	}
	return f.left(0)+f.whileRevalidate > 0 || validator(h)
}

// explicit tells whether a response says itself that it may be stored.
func explicit(h http.Header, cc directives) bool {
	return cc.has("max-age") || cc.has("s-maxage") || cc.has("public") || cc.has("private") || len(h["Expires"]) > 0
}

func validator(h http.Header) bool { return h.Get("Etag") != "" || h.Get("Last-Modified") != "" }

// varies tells whether the response depends on what is not in the key.
func varies(h http.Header, unkeyed func(name string) bool) bool {
	for _, line := range h.Values("Vary") {
		for name := range strings.SplitSeq(line, ",") {
			name = http.CanonicalHeaderKey(strings.TrimSpace(name))
			if name == "*" || name != "" && unkeyed(name) {
				return true
			}
		}
	}
	return false
}

// notStored are the headers of a connection and not of a response: section 3.1.
var notStored = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Transfer-Encoding", "Upgrade", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization"}

// endToEnd is a copy of a response's header without what is not stored. Age is left out,
// as it is counted on: see freshness.
func endToEnd(h http.Header) http.Header {
	h = h.Clone()
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			h.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range notStored {
		delete(h, name)
	}
	delete(h, "Age")
	return h
}

// as is the stored response as that to a request. The caller may do with it what it
// likes.
func (r *response) as(req *http.Request) *http.Response {
	resp := &http.Response{
		Status: r.line, StatusCode: r.status,
		Proto: r.proto, ProtoMajor: r.major, ProtoMinor: r.minor,
		Header: r.header.Clone(), ContentLength: r.contentLength, Uncompressed: r.uncompressed,
		Body: http.NoBody, Request: req, TLS: r.tls,
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if len(r.body) > 0 && req.Method != http.MethodHead {
		resp.Body = io.NopCloser(bytes.NewReader(r.body))
	}
	return resp
}
