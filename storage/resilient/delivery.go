package resilient

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/perennial-go/perennial/storage"
)

// delivery delivers the outbox, and probes the backend while it is away. One delivery
// runs at a time.
type delivery struct {
	*core
	rewriter *rewriter
	sender   sender
	round    uint64 // how many deliveries there were
	stuck    int    // how many of them in succession could not deliver all
}

// flush delivers until nothing waits or the context ends; once, if that can't end.
func (d *delivery) flush(ctx context.Context) error {
	for {
		d.lock()
		left := d.outbox.left(nil)
		d.unlock()
		if left == nil {
			return nil
		}
		err := d.begin(ctx)
		if err == nil {
			err = d.run(ctx)
		}
		d.lock()
		left, wait := d.outbox.left(err), d.outbox.wait
		d.unlock()
		if left == nil {
			return nil
		}
		if ctx.Done() == nil || ctx.Err() != nil {
			return left
		}
		if err := d.sleep(ctx, wait); err != nil {
			return left
		}
	}
}

// onTimer delivers when the timer fires, unless a delivery runs: that one starts the
// timer again.
func (d *delivery) onTimer() {
	d.lock()
	d.outbox.timer = nil
	if d.outbox.closed || d.outbox.running != nil {
		d.unlock()
		return
	}
	d.outbox.running = make(chan struct{})
	d.unlock()
	_ = d.run(d.life) // its errors are events
}

// begin waits until no other delivery runs.
func (d *delivery) begin(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.lock()
		running := d.outbox.running
		if running == nil {
			d.outbox.running = make(chan struct{})
			d.outbox.stopTimer()
			d.unlock()
			return nil
		}
		d.unlock()
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// run probes the backend if it is away, and sends what waits. It stops at the first
// fault of the server, and leaves for later what the server does not want now.
func (d *delivery) run(ctx context.Context) error {
	d.lock()
	d.round++
	if d.breaker.away() {
		if err := d.probe(ctx); err != nil {
			d.finish()
			return err
		}
		key := d.breaker.key
		d.unlock()
		_, _ = d.rewriter.checkData(ctx, key) // its errors are events
		d.lock()
		if err := d.breaker.err; d.breaker.away() {
			d.finish()
			return err
		}
	}
	for {
		p := d.outbox.untried(d.round)
		if p == nil {
			if d.mirror.unconfirmed && len(d.mirror.watches.running) > 0 {
				d.unlock()
				d.rewriter.confirm(ctx)
				d.lock()
			}
			d.finish()
			return nil
		}
		p.round = d.round
		d.unlock()
		err := d.sender.send(ctx, p)
		d.lock()
		if err != nil {
			d.finish()
			return err
		}
		if d.outbox.has(p) {
			d.outbox.moveToBack(p)
		}
	}
}

// finish ends a delivery, and releases the lock. What still waits is tried again later.
func (d *delivery) finish() {
	switch {
	case d.breaker.away():
		if d.outbox.timer == nil {
			d.outbox.startTimer()
		}
	case len(d.outbox.byKey) == 0:
		d.stuck = 0
		d.outbox.stopTimer()
	default:
		d.outbox.wait = d.backoff(d.stuck)
		d.stuck++
		d.outbox.startTimer()
	}
	close(d.outbox.running)
	d.outbox.running = nil
	d.unlock()
}

// probe looks at a record, to see whether the backend is back. It is called with the lock
// held, and releases it meanwhile.
func (d *delivery) probe(ctx context.Context) error {
	d.breaker.state = StateHalfOpen
	d.events.add(Event{Kind: HalfOpen})
	key := d.breaker.key
	if p := d.outbox.oldest(); p != nil {
		key = p.key
	}
	began := d.mirror.mark(key)
	d.unlock()
	asked := d.clock.Now()
	limited, cancel := d.clock.WithTimeout(ctx, d.link.allowed())
	var found storage.Versioned
	err := safely(limited, func(ctx context.Context) (err error) {
		found, err = d.backend.look(ctx, key)
		return err
	})
	var network net.Error
	slow := limited.Err() != nil || errors.As(err, &network) && network.Timeout()
	cancel()
	var verdict Verdict
	over := ctx.Err()
	if err != nil && over == nil {
		verdict = d.judge(err)
	}
	d.lock()
	switch {
	case err != nil && over != nil: // which says nothing of the backend
		d.breaker.state = StateOpen
		d.outbox.wait = d.backoff(d.breaker.failed)
		d.outbox.startTimer()
		return fmt.Errorf("%w: %w", errAbandoned, over)
	case verdict.away():
		if slow { // to connect may take longer than that
			d.link.allow(2 * d.link.allowed())
		}
		d.open(err)
		return err
	}
	d.link.allow(2 * d.clock.Since(asked))
	if err == nil && !d.rewriter.suspects(key, found.Version) {
		d.remember(found, key, began)
	}
	d.breaker.close(d.clock.Now())
	d.mirror.watches.stop()
	d.events.add(Event{Kind: Closed, Changes: d.outbox.changes})
	return nil
}
