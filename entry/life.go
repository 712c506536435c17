package entry

import (
	"errors"
	"fmt"
	"time"
)

// Life is how long a value lives, counted from the source's return.
type Life struct {
	// UpdateAfter is how long the value is fresh. Zero makes every hit start
	// a refresh.
	UpdateAfter time.Duration
	// ExpireAfter is how long it is served at all. Zero makes every call wait
	// for a load.
	ExpireAfter time.Duration
}

// The life that values get where nothing else is said, as in py-memoize.
const (
	DefaultUpdateAfter = 10 * time.Minute
	DefaultExpireAfter = 30 * time.Minute
)

// Validate says what is wrong with the life: a negative duration, or an
// UpdateAfter above ExpireAfter. The two may be equal: then nothing is ever
// refreshed in the background.
func (l Life) Validate() error {
	var errs []error
	if l.UpdateAfter < 0 {
		errs = append(errs, fmt.Errorf("entry: update-after is %v: give zero or more", l.UpdateAfter))
	}
	if l.ExpireAfter < 0 {
		errs = append(errs, fmt.Errorf("entry: expire-after is %v: give zero or more", l.ExpireAfter))
	}
	if len(errs) == 0 && l.UpdateAfter > l.ExpireAfter {
		errs = append(errs, fmt.Errorf("entry: update-after %v is above expire-after %v: an entry would expire before its refresh is due; give at most %v",
			l.UpdateAfter, l.ExpireAfter, l.ExpireAfter))
	}
	return errors.Join(errs...)
}

// span is the life as instants of a value that was created at now.
func (l Life) span(now Instant) (updateAfter, expiresAfter Instant) {
	return now.Add(l.UpdateAfter), now.Add(l.ExpireAfter)
}
