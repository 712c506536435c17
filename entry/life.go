package entry

import (
	"errors"
	"fmt"
	"time"
)

// Life is how long a value lives, counted from the source's return.
type Life struct {
	// UpdateAfter is how long the value is fresh. Zero is a third of ExpireAfter;
	// AtOnce makes every hit start a refresh.
	UpdateAfter time.Duration
	// ExpireAfter is how long it is served at all. Zero makes every call wait
	// for a load.
	ExpireAfter time.Duration
}

// AtOnce is the UpdateAfter of a value that is never fresh: every hit starts a refresh,
// as config.UpdateAfter(0) has it.
const AtOnce time.Duration = -1 << 62

// The life that values get where nothing else is said, as in py-memoize.
const (
	DefaultUpdateAfter = 10 * time.Minute
	DefaultExpireAfter = 30 * time.Minute
)

// Validate says what is wrong with the life: a negative duration but AtOnce, or an
// UpdateAfter above ExpireAfter. The two may be equal: then nothing is ever
// refreshed in the background.
func (l Life) Validate() error {
	var errs []error
	if l.UpdateAfter < 0 && l.UpdateAfter != AtOnce {
		errs = append(errs, fmt.Errorf("entry: update-after is %v: give zero or more, or entry.AtOnce", l.UpdateAfter))
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
	return now.Add(l.fresh()), now.Add(l.ExpireAfter)
}

// fresh is how long the value is.
func (l Life) fresh() time.Duration {
	if l = l.filled(); l.UpdateAfter == AtOnce {
		return 0
	}
	return l.UpdateAfter
}

// filled is the life with an UpdateAfter, if one was left out.
func (l Life) filled() Life {
	if l.UpdateAfter == 0 {
		l.UpdateAfter = l.ExpireAfter / 3
	}
	return l
}
