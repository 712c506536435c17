package resilient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// Flush sends what waits, also before it is time to, and returns once nothing
// does. If the store stays away it tries again, after the same times as the Store
// does by itself, until the context ends; with a context that never does it tries
// once. What is left then is a *LeftError, and goes on waiting.
func (s *Store) Flush(ctx context.Context) error {
	for {
		s.mu.Lock()
		left := s.left(nil)
		s.unlock()
		if left == nil {
			return nil
		}
		err := s.begin(ctx)
		if err == nil {
			err = s.deliver(ctx)
		}
		s.mu.Lock()
		left, wait := s.left(err), s.wait
		s.unlock()
		if left == nil {
			return nil
		}
		if ctx.Done() == nil || ctx.Err() != nil {
			return left
		}
		if err := s.await(ctx, wait); err != nil {
			return left
		}
	}
}

// Close ends the Store: calls that come later return ErrClosed, and what waits is
// flushed, as Flush does it. What is left is lost with the process: the
// *LeftError says what it is, and another Close tries again. The store beneath
// stays open.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.disarm()
	for w := range s.watches {
		w.stop()
	}
	s.unlock()
	err := s.Flush(ctx)
	s.die()
	return err
}

// left says what waits.
func (s *Store) left(err error) error {
	if len(s.queue.byKey) == 0 {
		return nil
	}
	if err == nil {
		err = s.breaker.err
	}
	if err == nil {
		err = ErrContended
	}
	left := &LeftError{Changes: s.queue.changes, Err: err}
	for e := s.queue.order.Front(); e != nil; e = e.Next() {
		left.Keys = append(left.Keys, e.Value.(*pending).key)
	}
	return left
}

func (s *Store) await(ctx context.Context, d time.Duration) error {
	timer := s.clock.Timer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arm has what waits delivered, or the store asked, after s.wait.
func (s *Store) arm() {
	s.disarm()
	if !s.closed {
		s.timer = s.clock.AfterFunc(s.wait, s.wake)
	}
}

// soon has what waits delivered at once, unless the store is away, or somebody does
// or will anyway.
func (s *Store) soon() {
	if !s.away() && s.busy == nil && s.timer == nil {
		s.wait = 0
		s.arm()
	}
}

func (s *Store) disarm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// wake is what the timer calls. Who delivers already arms it again.
func (s *Store) wake() {
	s.mu.Lock()
	s.timer = nil
	if s.closed || s.busy != nil {
		s.unlock()
		return
	}
	s.busy = make(chan struct{})
	s.unlock()
	_ = s.deliver(s.life) // whose faults are events
}

// begin waits until nobody else delivers.
func (s *Store) begin(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.Lock()
		busy := s.busy
		if busy == nil {
			s.busy = make(chan struct{})
			s.disarm()
			s.unlock()
			return nil
		}
		s.unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// deliver asks the store whether it is back, if it is away, and sends what waits.
// It stops at the first fault of the server, and leaves for later what the server
// does not want now.
func (s *Store) deliver(ctx context.Context) error {
	s.mu.Lock()
	s.rounds++
	if s.away() {
		if err := s.probe(ctx); err != nil {
			s.finish(err)
			return err
		}
		key := s.breaker.key
		s.unlock()
		_, _ = s.askState(ctx, key) // what is wrong it has told
		s.mu.Lock()
		if err := s.breaker.err; s.away() {
			s.finish(err)
			return err
		}
	}
	for {
		p := s.next()
		if p == nil {
			s.seeTo(ctx)
			s.finish(nil)
			return nil
		}
		p.round = s.rounds
		s.unlock()
		err := s.settle(ctx, p)
		s.mu.Lock()
		if err != nil {
			s.finish(err)
			return err
		}
		if s.queue.has(p) {
			s.queue.toBack(p)
		}
	}
}

// seeTo looks again at what was delivered and is not known to be current. It is
// called with the lock held, and takes it again.
func (s *Store) seeTo(ctx context.Context) {
	if s.unsure && len(s.watches) > 0 {
		s.unlock()
		s.confirm(ctx)
		s.mu.Lock()
	}
}

// next is what has waited for longest and was not tried yet, or nil.
func (s *Store) next() *pending {
	for e := s.queue.order.Front(); e != nil; e = e.Next() {
		if p := e.Value.(*pending); p.round != s.rounds {
			return p
		}
	}
	return nil
}

// finish ends a delivery, and gives the lock back. What waits in spite of it is
// tried again later.
func (s *Store) finish(err error) {
	switch {
	case s.away():
		if s.timer == nil {
			s.arm()
		}
	case len(s.queue.byKey) == 0:
		s.stuck = 0
		s.disarm()
	default:
		s.wait = s.backoff(s.stuck)
		s.stuck++
		s.arm()
	}
	close(s.busy)
	s.busy = nil
	s.unlock()
}

// probe asks the store for something, to see whether it is back. It is called with
// the lock held, and takes it again.
func (s *Store) probe(ctx context.Context) error {
	s.breaker.state = StateHalfOpen
	s.tell(Event{Kind: HalfOpen})
	key := s.breaker.key
	if p := s.queue.oldest(); p != nil {
		key = p.key
	}
	began := s.now(key)
	s.unlock()
	asked := s.clock.Now()
	limited, cancel := s.clock.WithTimeout(ctx, s.allowed())
	var found storage.Versioned
	err := ask(limited, func(ctx context.Context) (err error) {
		found, err = s.ground.look(ctx, key)
		return err
	})
	var network net.Error
	slow := limited.Err() != nil || errors.As(err, &network) && network.Timeout()
	cancel()
	var verdict Verdict
	over := ctx.Err()
	if err != nil && over == nil {
		verdict = s.judge(err)
	}
	s.mu.Lock()
	switch {
	case err != nil && over != nil: // which says nothing of the store
		s.breaker.state = StateOpen
		s.wait = s.backoff(s.breaker.failed)
		s.arm()
		return fmt.Errorf("%w: %w", errLeft, over)
	case verdict == Away || verdict == Unknown:
		if slow { // it may be that to connect takes longer than that
			s.allow(2 * s.allowed())
		}
		s.opened(err)
		return err
	}
	s.allow(2 * s.clock.Since(asked))
	if err == nil && !s.suspects(key, found.Version) {
		s.remember(found, key, began)
	}
	s.breaker.close(s.clock.Now())
	s.distrust()
	s.tell(Event{Kind: Closed, Changes: s.queue.changes})
	return nil
}

// drop gives up the first changes of a key, and reports them.
func (s *Store) drop(p *pending, n int, err error) {
	if n == 0 {
		return
	}
	e := Event{Kind: Dropped, Key: p.key, Value: p.parts[0].value, Changes: n, Err: err}
	if err == nil {
		e.Kind = Conflict
		s.counts.conflicts += uint64(n)
	} else {
		s.counts.dropped += uint64(n)
	}
	s.tell(e)
	s.shorten(p, n)
}

// shorten takes the first changes of a key away, and the key where none is left.
func (s *Store) shorten(p *pending, n int) {
	p.times++
	if n == len(p.parts) {
		s.queue.remove(p)
		return
	}
	if again := p.again(); again != nil && again.then != nil && again.then.covers >= n {
		p.sent, again.then.covers = again.then, again.then.covers-n+1
	}
	s.queue.setParts(p, slices.Clone(p.parts[n:]))
}
