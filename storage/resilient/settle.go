package resilient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// job is what there is to do for a key, at an instant.
type job struct {
	*pending
	parts []part // that are made one change
	all   int    // that wait
	base  []string
	sent  *attempt
	times uint64
	era   uint64
}

// take is what there is to do for the key, if anything is.
func (s *Store) take(p *pending) (job, bool) {
	s.mu.Lock()
	defer s.unlock()
	if !s.queue.has(p) {
		return job{}, false
	}
	parts := p.parts
	if p.atOnce > 0 {
		parts = parts[:min(p.atOnce, len(parts))]
	}
	return job{p, parts, len(p.parts), p.base, p.sent, p.times, s.breaker.era}, true
}

// late tells whether it is too late to write again what is to be.
func (j *job) late(now time.Time) bool {
	again := j.parts[0].again
	return again != nil && !again.until.IsZero() && !now.Before(again.until)
}

// same tells whether nothing has been taken from what waits since, or replaced.
// What came in addition waits behind.
func (s *Store) same(j job) bool { return s.queue.has(j.pending) && j.pending.times == j.times }

// settle delivers what waits of a key. Its error stops the delivery; what remains
// without one is for later.
func (s *Store) settle(ctx context.Context, p *pending) error {
	see := false // that the record has to be looked at
	tries := attempts
	for try := 0; try < tries; try++ {
		j, ok := s.take(p)
		if !ok {
			return nil
		}
		if try == 0 {
			tries += j.all
		}
		var known, old bool
		var err error
		again := j.sent != nil && !(j.sent.again && j.late(s.clock.Now()))
		if again {
			known, old, err = s.remembered(ctx, j)
		} else {
			j.sent, err = s.compose(ctx, &j, see)
			known = j.sent != nil
		}
		if err != nil {
			return err
		}
		if !known {
			continue
		}
		made, err := s.swap(ctx, j, again)
		if err != nil {
			return s.faulty(j, err)
		}
		if made {
			continue // with what came meanwhile
		}
		if old {
			s.forgotten(j, false)
		}
		see = true
	}
	return nil
}

// swap sends a change that is put down as sent, and takes what is in it from what
// waits.
func (s *Store) swap(ctx context.Context, j job, again bool) (made bool, _ error) {
	s.mu.Lock()
	flight := s.takesOff(j.sent.change)
	s.unlock()
	verdict, err := s.call(ctx, j.era, j.key, func(ctx context.Context) (err error) {
		made, err = s.ground.swap(ctx, j.sent.change)
		return err
	})
	if err == nil && !made && again && !j.sent.again { // nor was it before, if the store would know
		if _, err := s.askState(ctx, j.key); err != nil && !errors.Is(err, errEmptied) {
			return false, err
		}
	}
	s.mu.Lock()
	defer s.unlock()
	s.lands(j.key, flight)
	p := j.pending
	mine := s.queue.has(p) && p.sent == j.sent
	if err != nil {
		if verdict == Unwilling && !again && mine { // it was answered, and is in no doubt
			s.queue.setSent(p, nil)
			p.unbase(j.sent)
		}
		return false, fault{verdict, err}
	}
	if !mine {
		return made, nil
	}
	s.queue.setSent(p, nil)
	if !again {
		p.adapt(j.sent.covers, made)
	}
	if !made {
		p.unbase(j.sent) // nor was it before
		if again && s.lost(j.sent) {
			s.abandon(p, j.sent)
		}
		return false, nil
	}
	if is := versionOf(j.sent.change); j.sent.covers > 0 || slices.Contains(p.base, is) {
		p.base = []string{is}
	}
	p.faults = 0
	s.stored(j.sent, flight, again, p.again())
	if n := j.sent.covers; n > 0 {
		s.delivered(p, n)
	}
	return true, nil
}

// unbase takes away what a change that was not made would have made.
func (p *pending) unbase(sent *attempt) {
	if sent.based {
		p.base = slices.DeleteFunc(slices.Clone(p.base), func(is string) bool { return is == versionOf(sent.change) })
	}
}

// adapt has fewer parts made one change where others were faster, and more where they
// were not: those who change the record often leave time for some.
func (p *pending) adapt(parts int, made bool) {
	switch {
	case !made:
		p.atOnce = max(1, parts/2)
	case p.atOnce < len(p.parts):
		p.atOnce *= 2
	default:
		p.atOnce = 0
	}
}

// stored keeps a copy of what the store has acknowledged. Where that was sent before,
// or is written again under the version that it had, it may have been made long ago,
// and something else after it, which may have been seen since.
func (s *Store) stored(sent *attempt, f *flight, before bool, again *rewrite) {
	before = before || again != nil && again.is[0] == f.makes
	c := s.copies.get(sent.change.Key)
	if before && c != nil && !slices.Contains(c.is, sent.change.Was) && !slices.Equal(c.is, []string{f.makes}) && (again == nil || !slices.Equal(c.is, again.is)) {
		*s.epoch(sent.change.Key)++
		s.unsure = true
		return
	}
	s.keep(sent.change, sent.end, f, before, again)
}

// delivered takes the first changes of a key away, which are done.
func (s *Store) delivered(p *pending, n int) {
	s.counts.delivered += uint64(n)
	s.tell(Event{Kind: Delivered, Key: p.key, Changes: n})
	s.shorten(p, n)
}

// remembered tells whether a change whose answer was lost is to be sent again. For
// as long as the store knows such changes that settles it. After that, what is old
// is sent where the record is there, for it may have been there all the time, and
// is forgotten where it is not.
func (s *Store) remembered(ctx context.Context, j job) (ok, old bool, _ error) {
	deletes := s.deletes && (j.sent.change.Keep <= 0 || j.sent.covers == 0 && j.parts[0].kind == deletes)
	if deletes || s.clock.Since(j.sent.first) <= s.inDoubt-2*min(s.allowed(), storage.Forever/2) { // to look, and to send
		return true, false, nil
	}
	found, ok, err := s.find(ctx, j)
	if !ok {
		return false, false, err
	}
	if !found.Found {
		s.forgotten(j, true)
	}
	return found.Found, found.Version != j.sent.change.Was, nil
}

// forgotten takes a change of which nobody knows whether it was made from what
// waits: it is done where it deletes and there is nothing, and else dropped. What
// sets or deletes alone, where there is something else, is left: it is a conflict.
func (s *Store) forgotten(j job, absent bool) {
	s.mu.Lock()
	defer s.unlock()
	p := j.pending
	if !s.same(j) || p.sent != nil && p.sent != j.sent {
		return
	}
	s.queue.setSent(p, nil)
	covers, first := j.sent.covers, p.parts[0].kind
	switch {
	case p.again() != nil && !j.sent.again:
		s.abandon(p, j.sent)
	case absent && (covers > 0 && j.sent.change.Keep <= 0 || covers == 0 && first == deletes):
		s.delivered(p, max(covers, 1))
	case absent:
		s.drop(p, max(covers, 1), ErrInDoubt)
	default:
		s.abandon(p, j.sent)
	}
}

// abandon drops what was sent, where it may be in what is there instead. What sets or
// deletes alone is left: it is a conflict. What was made on something that is to be
// written again first is sent once more after that.
func (s *Store) abandon(p *pending, sent *attempt) {
	again, n := p.again(), sent.covers
	switch {
	case sent.again:
	case again != nil && n > 1:
		then := *sent
		then.covers--
		again.then = &then
		s.queue.setParts(p, p.parts)
	case again == nil && (n > 1 || n == 1 && p.parts[0].kind == updates):
		s.drop(p, n, ErrInDoubt)
	}
}

// find looks at the record in the store. Where that is not ok, the error is that
// of faulty.
func (s *Store) find(ctx context.Context, j job) (_ storage.Versioned, ok bool, _ error) {
	found, verdict, err := s.lookAt(ctx, j.era, j.key)
	if errors.Is(err, errEmptied) { // and there may be something else to do
		return found, false, nil
	}
	if err != nil {
		return found, false, s.faulty(j, fault{verdict, err})
	}
	return found, true, nil
}

// fault is an error of the store beneath, and what it means.
type fault struct {
	verdict Verdict
	error
}

func (f fault) Unwrap() error { return f.error }

// faultsMost is how often an error may be Unknown.
const faultsMost = 3

// faulty says whether the delivery has to stop for a fault. One that is the key's
// own matter drops what waits of it.
func (s *Store) faulty(j job, err error) error {
	var f fault
	if !errors.As(err, &f) || f.verdict == 0 {
		return fmt.Errorf("%w: %w", errLeft, err)
	}
	s.mu.Lock()
	defer s.unlock()
	p := j.pending
	if !s.queue.has(p) {
		return stops(f)
	}
	if f.verdict == Unknown && (p.faults == 0 || p.era != j.era) {
		p.faults, p.era = p.faults+1, j.era
	}
	if f.verdict == Unfit || p.faults == faultsMost {
		n := len(p.parts)
		if j.sent != nil && p.sent == j.sent {
			n = j.sent.covers
			s.queue.setSent(p, nil)
		}
		s.drop(p, n, f.error)
	}
	return stops(f)
}

// stops is the fault if it is the whole server's.
func stops(f fault) error {
	if f.verdict == Unfit {
		return nil
	}
	return f.error
}
