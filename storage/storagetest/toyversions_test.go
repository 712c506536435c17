package storagetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/storage"
)

// ledger is the plainest store that has versions and tells of changes, with one
// thing wrong with it, or nothing.
type ledger struct {
	clock clock.Clock
	fault fault

	mu      sync.Mutex
	records map[string]*ledgerRecord
	n       int
	watches map[*ledgerWatch]bool
}

type ledgerRecord struct {
	value   []byte
	has     bool
	end     time.Time // zero where there is none
	version string
	made    []string
}

type ledgerWatch struct {
	prefix string
	told   chan storage.Changed
}

func newLedger(c clock.Clock, f fault) *ledger {
	return &ledger{clock: c, fault: f, records: map[string]*ledgerRecord{}, watches: map[*ledgerWatch]bool{}}
}

func (l *ledger) is(f fault) bool { return l.fault == f }

func (l *ledger) at(key string) *ledgerRecord {
	r := l.records[key]
	if r == nil {
		r = &ledgerRecord{}
		l.records[key] = r
	}
	if r.has && !r.end.IsZero() && !l.clock.Now().Before(r.end) {
		r.has = false
		switch {
		case l.is("what is over keeps its version"):
			return r
		case l.is("what is over is forgotten"):
			r.made = nil
		}
		r.version = ""
	}
	return r
}

// becomes gives the key another record, or none.
func (l *ledger) becomes(key string, value []byte, keep time.Duration, version string) {
	r := l.at(key)
	had := r.has
	same := string(r.value) == string(value) && had && keep > 0
	if version == "" && (!same || !l.is("the same value has the same version")) {
		l.n++
		version = fmt.Sprint("v", l.n)
		if l.is("versions begin anew with the record") && !had {
			version = "v1"
		}
	} else if version == "" {
		version = r.version
	}
	if !l.is("values are not copied") {
		value = slices.Clone(value)
	}
	r.value, r.has, r.version, r.end = value, keep > 0, version, time.Time{}
	if keep > 0 && keep != storage.Forever && !l.is("a swap has no time") {
		r.end = l.clock.Now().Add(keep)
	}
	r.made = append(r.made, version)
	if l.is("8 changes are known") {
		r.made = r.made[max(0, len(r.made)-8):]
	}
	if !r.has {
		r.value = nil
		switch {
		case l.is("what is deleted is forgotten"):
			r.made = nil
		case l.is("what was deleted is found"):
			r.has = true
			return
		}
		if !l.is("what is deleted keeps its version") {
			r.version = ""
		}
	}
	if had || r.has {
		l.tell(key, r.version)
	}
}

func (l *ledger) tell(key, version string) {
	switch {
	case l.is("a deletion is not told") && version == "":
		return
	case l.is("versions are not told"):
		version = ""
	}
	for w := range l.watches {
		matches, _ := path.Match(w.prefix+"*", key)
		if strings.HasPrefix(key, w.prefix) || l.is("a watch tells of everything") || l.is("a prefix is a pattern") && matches {
			w.told <- storage.Changed{Key: key, Version: version}
		}
	}
}

func (l *ledger) record(key string) storage.Record {
	r := l.at(key)
	if !r.has {
		return storage.Record{}
	}
	left := storage.Forever
	if !r.end.IsZero() {
		left = r.end.Sub(l.clock.Now())
	}
	value := r.value
	if !l.is("values are not copied") {
		value = slices.Clone(value)
	}
	return storage.Record{Value: value, Left: left, Found: true}
}

func (l *ledger) Get(ctx context.Context, key string) (storage.Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return storage.Record{}, err
	}
	return l.record(key), nil
}

func (l *ledger) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case l.is("a Set leaves the version") && l.at(key).has && keep > 0:
		l.becomes(key, value, keep, l.at(key).version)
	case keep > 0 || l.at(key).has:
		l.becomes(key, value, keep, "")
	}
	return nil
}

func (l *ledger) Delete(ctx context.Context, key string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if !l.at(key).has {
		return false, nil
	}
	l.becomes(key, nil, 0, "")
	return true, nil
}

func (l *ledger) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
			return
		}
		l.mu.Lock()
		var keys []string
		for key := range l.records {
			if strings.HasPrefix(key, prefix) && l.at(key).has {
				keys = append(keys, key)
			}
		}
		l.mu.Unlock()
		for _, key := range keys {
			if !yield(key, nil) {
				return
			}
		}
	}
}

func (l *ledger) Clear(ctx context.Context, prefix string) error {
	for key, err := range l.Keys(ctx, prefix) {
		if err != nil {
			return err
		}
		if _, err := l.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil && !l.is("contexts are ignored") {
		return nil, err
	}
	if l.is("a look sorts") {
		slices.Sort(keys)
	}
	var all []storage.Versioned
	for _, key := range keys {
		v := storage.Versioned{Record: l.record(key), Version: l.at(key).version}
		if l.is("a look makes versions anew") && v.Found {
			l.n++
			v.Version = fmt.Sprint("v", l.n)
		}
		all = append(all, v)
	}
	return all, nil
}

func (l *ledger) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := ctx.Err(); err != nil && !l.is("contexts are ignored") {
		return nil, err
	}
	made := make([]bool, len(changes))
	var errs []error
	for i, c := range changes {
		r := l.at(c.Key)
		if err := c.Check(); err != nil && !l.is("any version will do") {
			if l.is("a fault ends the bulk") {
				return made, err
			}
			errs = append(errs, &storage.ItemError{Item: i, Err: err})
			continue
		}
		if slices.Contains(r.made, c.Becomes) && !l.is("no change is known") {
			if made[i] = true; l.is("what is known is made again") {
				l.becomes(c.Key, c.Value, c.Keep, c.Becomes)
			}
			continue
		}
		fits := r.version == c.Was
		switch {
		case l.is("a swap is always made"):
			fits = true
		case l.is("a swap on nothing is always made"):
			fits = fits || c.Was == ""
		case l.is("a swap compares the beginning"):
			fits = fits || r.has && c.Was != "" && (strings.HasPrefix(r.version, c.Was) || strings.HasPrefix(c.Was, r.version))
		case l.is("a swap is never made"):
			fits = false
		case l.is("a refused swap ends the bulk") && !fits:
			return made, nil
		}
		if made[i] = fits || l.is("a refused swap says true"); !fits {
			continue
		}
		if l.is("a swap looks and stores one after the other") {
			l.mu.Unlock()
			time.Sleep(time.Millisecond)
			l.mu.Lock()
		}
		version := c.Becomes
		if l.is("a swap makes a version of its own") {
			version = ""
		}
		l.becomes(c.Key, c.Value, c.Keep, version)
	}
	return made, errors.Join(errs...)
}

func (l *ledger) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	if err := ctx.Err(); err != nil && !l.is("contexts are ignored") {
		return err
	}
	w := &ledgerWatch{prefix, make(chan storage.Changed, 10_000)}
	l.mu.Lock()
	if !l.is("a watch begins before it sees") {
		l.watches[w] = true
	}
	l.mu.Unlock()
	if !l.is("a watch begins without a word") {
		changed(storage.Changed{Missed: true})
	}
	for {
		select {
		case c := <-w.told:
			if l.is("a watch calls at once") {
				go changed(c)
			} else {
				changed(c)
			}
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			if !l.is("a watch goes on") {
				delete(l.watches, w)
			} else {
				changed(storage.Changed{Key: prefix})
			}
			if l.is("a watch ends well") {
				return nil
			}
			return ctx.Err()
		}
	}
}

const ofLedger = Lister | Versioned | Watcher

// Each fault must be found by the check that is named after what it breaks.
func TestSuiteFindsBrokenVersions(t *testing.T) {
	found := map[string]bool{}
	for _, c := range []struct {
		check  string
		faults []fault
	}{
		{"a look returns records and their versions", []fault{"a look sorts", "a look makes versions anew"}},
		{"every change gives another version", []fault{"the same value has the same version", "versions begin anew with the record", "a Set leaves the version"}},
		{"a swap on what was seen is made", []fault{"a swap is never made", "a swap makes a version of its own", "what is deleted keeps its version"}},
		{"a swap on anything else is refused", []fault{"a swap is always made", "a swap on nothing is always made", "a swap compares the beginning", "a refused swap says true", "a Set leaves the version"}},
		{"a swap is known again", []fault{"no change is known", "8 changes are known", "what is known is made again"}},
		{"a swap is known again where the record is deleted", []fault{"what is deleted is forgotten", "what is known is made again", "no change is known"}},
		{"what was deleted is no record, whatever is known of it", []fault{"what was deleted is found", "what is deleted keeps its version"}},
		{"swaps of many", []fault{"a refused swap ends the bulk", "a fault ends the bulk", "any version will do"}},
		{"a version that is none is refused", []fault{"any version will do"}},
		{"values that are swapped and looked at may be changed", []fault{"values are not copied"}},
		{"a swapped record has the time of its swap", []fault{"a swap has no time"}},
		{"what is over has no version", []fault{"what is over keeps its version", "what is over is forgotten", "what is known is made again"}},

		{"a watch begins with Missed and ends with its context", []fault{"a watch begins without a word", "a watch ends well", "a watch goes on"}},
		{"a watch tells of every change under its prefix", []fault{"a watch begins before it sees", "a deletion is not told", "a watch tells of everything", "a prefix is a pattern"}},
		{"a watch tells what a record has become", []fault{"versions are not told", "a deletion is not told"}},
		{"what a watch calls may use the store", []fault{"a watch begins before it sees"}},
		{"calls of a watch come one after another", []fault{"a watch calls at once"}},

		{"of many who swap one version one succeeds", []fault{"a swap looks and stores one after the other", "a swap is always made"}},
		{"no change is lost between looks and swaps", []fault{"a swap looks and stores one after the other"}},

		{"under a context that was cancelled nothing is done", []fault{"contexts are ignored"}},
		{"random calls do what they do to a map", []fault{"what is deleted is forgotten", "a swap on nothing is always made", "what is over keeps its version", "what is known is made again"}},
	} {
		found[c.check] = true
		for _, f := range c.faults {
			t.Run(c.check+"/"+string(f), func(t *testing.T) {
				if len(failedLedger(t, c.check, f)) == 0 {
					t.Errorf("the check does not fail")
				}
			})
		}
	}
	for _, c := range (Store{Can: ofLedger, Advance: time.Sleep, Exact: true}).suite() {
		if c.needs&(Versioned|Watcher) != 0 && !found[c.Name] {
			t.Errorf("no broken store is tried on the check %q", c.Name)
		}
	}
}

// A store that does nothing wrong passes every check.
func TestSuitePassesSoundVersions(t *testing.T) {
	if f := failedLedger(t, "", ""); len(f) > 0 {
		t.Error(f)
	}
}

// failedLedger runs the checks of a name, or all, on ledgers, in a time of its
// own.
func failedLedger(t *testing.T, check string, f fault) (failed map[string][]string) {
	synctest.Test(t, func(t *testing.T) {
		mock := today()
		s := Store{Can: ofLedger, Advance: mock.Add, Exact: true, Seed: 1}
		failed = failedBytes(s, check, func() storage.Bytes { return newLedger(mock, f) })
	})
	return failed
}
