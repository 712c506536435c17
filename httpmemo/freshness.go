package httpmemo

import (
	"net/http"
	"strings"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// freshness is what a response says of how long it may be used: sections 4.2 and 5.2.2
// of RFC 9111, and RFC 5861.
type freshness struct {
	age      time.Duration // when the source returned it: corrected_initial_age
	lifetime time.Duration // of which age has passed already
	// whileRevalidate and ifError are how long past its lifetime the response may be
	// served while it is validated, and if that fails.
	whileRevalidate, ifError time.Duration
	// mustRevalidate says that it is never served past its lifetime, noCache that it is
	// never served without being validated.
	mustRevalidate, noCache bool
}

// heuristicLimit is the most that a response is fresh which does not say for how long.
const heuristicLimit = 24 * time.Hour

// freshnessOf reads a response that was asked for at one time and whose header arrived
// at another. shared is what a cache that serves more than one user goes by.
func freshnessOf(status int, h http.Header, asked, arrived time.Time, shared bool) freshness {
	cc := cacheControl(h, false)
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		date = arrived
	}
	f := freshness{
		age:            max(arrived.Sub(date), seconds(strings.TrimSpace(h.Get("Age")))+max(0, arrived.Sub(asked)), 0),
		lifetime:       lifetime(status, h, cc, date, shared),
		noCache:        cc.has("no-cache"),
		mustRevalidate: cc.has("must-revalidate") || cc.has("no-cache") || shared && (cc.has("proxy-revalidate") || cc.has("s-maxage")),
	}
	if !f.mustRevalidate {
		f.whileRevalidate, _ = cc.seconds("stale-while-revalidate")
		f.ifError, _ = cc.seconds("stale-if-error")
	}
	return f
}

// lifetime is section 4.2.1: the first that is there of s-maxage, max-age, Expires and
// a guess.
func lifetime(status int, h http.Header, cc directives, date time.Time, shared bool) time.Duration {
	if d, ok := cc.seconds("s-maxage"); ok && shared {
		return d
	}
	if d, ok := cc.seconds("max-age"); ok {
		return d
	}
	if lines := h.Values("Expires"); len(lines) > 0 {
		if t, err := http.ParseTime(lines[0]); err == nil && len(lines) == 1 {
			return max(0, t.Sub(date))
		}
		return 0 // "0" and other things that are no date mean the past
	}
	if heuristic[status] || cc.has("public") {
		if modified, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
			return min(max(0, date.Sub(modified)/10), heuristicLimit)
		}
	}
	return 0
}

// heuristic are the statuses whose responses may be stored without saying so: section
// 15.1 of RFC 9110, but for 206, as ranges are not stored.
var heuristic = map[int]bool{
	200: true, 203: true, 204: true, 300: true, 301: true, 308: true, 404: true, 405: true, 410: true, 414: true, 501: true,
}

// left is how long a response is fresh whose source returned it resident ago; below
// zero it is how long it has been stale.
func (f freshness) left(resident time.Duration) time.Duration {
	if f.noCache {
		return min(0, -resident)
	}
	return f.lifetime - f.age - resident
}

// life is the life of the response's entry.
func (f freshness) life() entry.Life {
	fresh := max(0, f.left(0))
	life := entry.Life{UpdateAfter: fresh, ExpireAfter: fresh}
	if f.whileRevalidate > 0 {
		if life.ExpireAfter = max(0, f.left(0)+f.whileRevalidate); fresh == 0 {
			life.UpdateAfter = entry.AtOnce
		}
	}
	return life
}
