package resilient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// sender sends what waits of one key.
type sender struct {
	*core
	reader   *reader
	rewriter *rewriter
}

// job is what is to be sent of a key, as it was at one instant.
type job struct {
	*pending
	parts      []part // that are sent as one change
	all        int    // how many wait
	base       []string
	sent       *attempt
	revision   uint64
	generation uint64
}

// take returns what is to be sent of a key, if anything is.
func (s *sender) take(p *pending) (job, bool) {
	s.lock()
	defer s.unlock()
	if !s.outbox.has(p) {
		return job{}, false
	}
	parts := p.parts
	if p.atOnce > 0 {
		parts = parts[:min(p.atOnce, len(parts))]
	}
	return job{p, parts, len(p.parts), p.base, p.sent, p.revision, s.breaker.generation}, true
}

// late reports whether it is too late for the rewrite.
func (j *job) late(now time.Time) bool {
	again := j.parts[0].again
	return again != nil && !again.until.IsZero() && !now.Before(again.until)
}

// same reports whether no part was taken away or replaced since. What has come in
// addition waits behind.
func (s *sender) same(j job) bool { return s.outbox.has(j.pending) && j.pending.revision == j.revision }

// send sends what waits of a key. An error ends the delivery; what is left without one
// is sent later.
func (s *sender) send(ctx context.Context, p *pending) error {
	look := false // at the record, before a change is composed
	tries := attempts
	for try := 0; try < tries; try++ {
		j, ok := s.take(p)
		if !ok {
			return nil
		}
		if try == 0 {
			tries += j.all
		}
		var ready, old bool
		var err error
		resend := j.sent != nil && !(j.sent.again && j.late(s.clock.Now()))
		if resend {
			ready, old, err = s.mayResend(ctx, j)
		} else {
			j.sent, err = s.compose(ctx, &j, look)
			ready = j.sent != nil
		}
		if err != nil {
			return err
		}
		if !ready {
			continue
		}
		made, verdict, err := s.swap(ctx, j, resend)
		if err != nil {
			return s.failed(j, verdict, err)
		}
		if made {
			continue // with what has come meanwhile
		}
		if old {
			s.abandon(j, false)
		}
		look = true
	}
	return nil
}

// swap sends the change that is noted as sent, and takes its parts out of the outbox if
// it is made.
func (s *sender) swap(ctx context.Context, j job, resent bool) (made bool, verdict Verdict, err error) {
	s.lock()
	f := s.mirror.begin(j.sent.change)
	s.unlock()
	verdict, err = s.link.call(ctx, j.generation, j.key, func(ctx context.Context) (err error) {
		made, err = s.backend.swap(ctx, j.sent.change)
		return err
	})
	if err == nil && !made && resent && !j.sent.again { // it was not made before either, if the store would know
		if _, err := s.rewriter.checkData(ctx, j.key); err != nil && !errors.Is(err, errDataLost) {
			return false, 0, err
		}
	}
	s.lock()
	defer s.unlock()
	s.mirror.end(j.key, f)
	p := j.pending
	mine := s.outbox.has(p) && p.sent == j.sent
	if err != nil {
		if verdict == Unwilling && !resent && mine { // it was answered, and is in no doubt
			s.outbox.setSent(p, nil)
			p.removeFromBase(j.sent)
		}
		return false, verdict, err
	}
	if !mine {
		return made, 0, nil
	}
	s.outbox.setSent(p, nil)
	if !resent {
		p.adaptAtOnce(j.sent.covers, made)
	}
	if !made {
		p.removeFromBase(j.sent) // it was not made before either
		if resent && s.rewriter.mayBeLost(j.sent) {
			s.outbox.abandon(p, j.sent)
		}
		return false, 0, nil
	}
	if version := versionAfter(j.sent.change); j.sent.covers > 0 || slices.Contains(p.base, version) {
		p.base = []string{version}
	}
	p.unknown = 0
	s.mirror.committedLater(j.sent, f, resent, p.rewrite())
	if n := j.sent.covers; n > 0 {
		s.outbox.done(p, n)
	}
	return true, 0, nil
}

// mayResend reports whether a change whose answer was lost is sent again. As long as the
// backend remembers such changes, it is. Once it is old, it is sent only if the record
// is there, for that may have been there all the time, and is given up else.
func (s *sender) mayResend(ctx context.Context, j job) (ok, old bool, _ error) {
	deletes := s.backend.deletesAlways && (j.sent.change.Keep <= 0 || j.sent.covers == 0 && j.parts[0].kind == deletes)
	if deletes || s.clock.Since(j.sent.first) <= s.inDoubt-2*min(s.link.allowed(), storage.Forever/2) { // to look, and to send
		return true, false, nil
	}
	found, ok, err := s.find(ctx, j)
	if !ok {
		return false, false, err
	}
	if !found.Found {
		s.abandon(j, true)
	}
	return found.Found, found.Version != j.sent.change.Was, nil
}

// abandon takes a change out of the outbox of which nobody knows whether it was made. If
// it deletes and the record is absent, it is done, else it is dropped. A set or deletion
// alone, if there is another record, is left: it is a conflict.
func (s *sender) abandon(j job, absent bool) {
	s.lock()
	defer s.unlock()
	p := j.pending
	if !s.same(j) || p.sent != nil && p.sent != j.sent {
		return
	}
	s.outbox.setSent(p, nil)
	covers, first := j.sent.covers, p.parts[0].kind
	switch {
	case p.rewrite() != nil && !j.sent.again:
		s.outbox.abandon(p, j.sent)
	case absent && (covers > 0 && j.sent.change.Keep <= 0 || covers == 0 && first == deletes):
		s.outbox.done(p, max(covers, 1))
	case absent:
		s.outbox.drop(p, max(covers, 1), ErrInDoubt)
	default:
		s.outbox.abandon(p, j.sent)
	}
}

// find looks at the record in the backend. If ok is false, the error is that of failed.
func (s *sender) find(ctx context.Context, j job) (_ storage.Versioned, ok bool, _ error) {
	found, verdict, err := s.reader.look(ctx, j.generation, j.key)
	if errors.Is(err, errDataLost) { // and there may be something else to send
		return found, false, nil
	}
	if err != nil {
		return found, false, s.failed(j, verdict, err)
	}
	return found, true, nil
}

// maxUnknown is how often an error of a key may be Unknown.
const maxUnknown = 3

// failed returns the error that ends the delivery, if it does. An error of this key only
// drops what waits of the key.
func (s *sender) failed(j job, verdict Verdict, err error) error {
	if verdict == 0 {
		return fmt.Errorf("%w: %w", errAbandoned, err)
	}
	s.lock()
	defer s.unlock()
	if s.outbox.has(j.pending) {
		s.countFault(j, verdict, err)
	}
	if verdict == Unfit {
		return nil
	}
	return err
}

// countFault drops what waits of a key that is Unfit, or was Unknown too often.
func (s *sender) countFault(j job, verdict Verdict, err error) {
	p := j.pending
	if verdict == Unknown && (p.unknown == 0 || p.failedIn != j.generation) {
		p.unknown, p.failedIn = p.unknown+1, j.generation
	}
	if verdict == Unfit || p.unknown == maxUnknown {
		n := len(p.parts)
		if j.sent != nil && p.sent == j.sent {
			n = j.sent.covers
			s.outbox.setSent(p, nil)
		}
		s.outbox.drop(p, n, err)
	}
}
