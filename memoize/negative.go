package memoize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
)

// KeyErrors is the error of a source that takes many keys and failed for some of them:
//
//	return users, memoize.KeyErrors[int64]{7: sql.ErrNoRows}
//
// A key that is in it and not among the values fails with its error, as if the source had
// been asked for it alone. Others that are left out are without a value: ErrNoValue. It
// may be wrapped.
type KeyErrors[K comparable] map[K]error

// Error counts the errors and says the first few, in the order of their texts.
func (e KeyErrors[K]) Error() string {
	var texts []string
	for _, err := range e {
		texts = append(texts, fmt.Sprint(err))
	}
	slices.Sort(texts)
	if len(texts) > mostShown {
		texts = append(texts[:mostShown], "...")
	}
	return fmt.Sprintf("memoize: %d keys failed; %s", len(e), strings.Join(texts, "; "))
}

// Unwrap lists the errors, in no order.
func (e KeyErrors[K]) Unwrap() []error {
	errs := make([]error, 0, len(e))
	for _, err := range e {
		errs = append(errs, err)
	}
	return errs
}

// refusals are errors that say that a load was not asked for, or not in time. One that
// says so is never an answer, whatever else it says.
var refusals = []error{
	context.Canceled, context.DeadlineExceeded,
	ErrNotConfigured, ErrClosed, ErrKey, ErrRecursion, ErrLoadTimeout, ErrRunaway,
	ErrUnavailable, ErrUnsupported, ErrOverloaded, ErrWeight, ErrNoOld, NoStore, errQueueTimeout, errNilEntry,
}

func isRefusal(err error) bool {
	for _, refusal := range refusals {
		if errors.Is(err, refusal) {
			return true
		}
	}
	var p *PanicError
	return errors.As(err, &p)
}

// negative is the answer that an error of the source is, nil if it is a failure. It
// calls user code.
func (p *plan[A, K, V]) negative(err error, now entry.Instant) *entry.Negative {
	a := &p.settings.Answers
	if len(a.Gone)+len(a.Remember) == 0 && a.RememberIf == nil || isRefusal(err) {
		return nil
	}
	for _, gone := range a.Gone {
		if errors.Is(err, gone) {
			return &entry.Negative{Err: err, UpdateAfter: now, ExpiresAfter: now}
		}
	}
	for _, r := range a.Remember {
		if errors.Is(err, r.Err) {
			return entry.Answer(err, r.Err.Error(), entry.Life{ExpireAfter: r.For}, now)
		}
	}
	if a.RememberIf != nil {
		if life, yes := a.RememberIf(err); yes {
			return entry.Answer(err, "", life, now)
		}
	}
	return nil
}

// known is a negative entry that was read from a store, with the error that the
// configuration names for its text, or nil: an entry in memory has its error.
func (p *plan[A, K, V]) known(stored *entry.Entry[V], n *entry.Negative) *entry.Entry[V] {
	for _, r := range p.settings.Answers.Remember {
		if r.Err.Error() == n.Text {
			here := *n
			here.Err = r.Err
			return entry.NewNegative[V](stored.Created(), here)
		}
	}
	return nil
}

// checkAnswers refuses errors that can't be answers.
func checkAnswers(a *config.Answers) error {
	var errs []error
	check := func(option string, err error) {
		for _, refusal := range refusals {
			if errors.Is(err, refusal) || errors.Is(refusal, err) {
				errs = append(errs, fmt.Errorf("memoize: config.%s is given %q, which matches %q: that is how a load fails, and no answer: name the source's own error", option, err, refusal))
				return
			}
		}
		if errors.Is(err, ErrLoadFailed) {
			errs = append(errs, fmt.Errorf("memoize: config.%s is given %q, which every failure matches: name the source's own error", option, err))
		}
	}
	err := safely(func() error {
		for _, r := range a.Remember {
			check("Remember", r.Err)
		}
		for _, err := range a.Gone {
			check("Gone", err)
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// answerNegative answers a call at once with a remembered error, if that is what is
// stored: then its state is Fresh or Stale, and who is told Stale refreshes it.
func (e *engine[A, K, V]) answerNegative(w *want[A, K, V]) entry.State {
	n := w.current.Negative()
	if n == nil {
		return entry.Expired
	}
	now := e.time.Now()
	state := n.StateAt(now)
	if state.Servable() {
		e.counters.end(remembered)
		w.result, w.err = Result[V]{Age: w.current.Age(now), State: state, Why: hitWhy[state], life: &w.current.Meta}, n.Err
	}
	return state
}

// keyErrors is the error of each key, if that is what the error of a batch names: then
// the batch has no other. Errors that can't be compared are no keys of a map, so cmp.Or
// only compares with nil.
func keyErrors[K comparable](err error, keys []K) (errs []error, named bool) {
	var of KeyErrors[K]
	if err == nil || !errors.As(err, &of) {
		return nil, false
	}
	errs = make([]error, len(keys))
	for i, key := range keys {
		errs[i] = cmp.Or(of[key], ErrNoValue)
	}
	return errs, true
}
