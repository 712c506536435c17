package redisask

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrSilent is the error of a subscription whose server does not answer a PING.
var ErrSilent = errors.New("the server does not answer: see whether it is up")

// Subscription reads messages from a connection of its own, and notices if that is dead.
type Subscription struct {
	pubsub  *redis.PubSub
	silence time.Duration
	asked   bool // whether an answer is due
}

// Subscribe makes a subscription to nothing yet, which connects with the first Ask. A
// connection that is silent for so long is asked whether it is still there, and has as
// long to answer.
func Subscribe(rdb redis.UniversalClient, silence time.Duration) *Subscription {
	return &Subscription{pubsub: rdb.Subscribe(context.Background()), silence: silence, asked: true}
}

// Ask calls what changes the subscription.
func (s *Subscription) Ask(change func(*redis.PubSub) error) error {
	return Do(func() error { return change(s.pubsub) })
}

// Receive waits for the next message: a *redis.Subscription, *redis.Message or
// *redis.Pong. It is called after an Ask, by one goroutine. After an error the
// subscription is of no more use.
func (s *Subscription) Receive(ctx context.Context) (said any, err error) {
	for {
		err := Do(func() (err error) {
			said, err = s.pubsub.ReceiveTimeout(ctx, s.silence)
			return err
		})
		var network net.Error
		switch {
		case err == nil:
			s.asked = false
			return said, nil
		case !errors.As(err, &network) || !network.Timeout():
			return nil, err
		case s.asked:
			return nil, ErrSilent
		}
		s.asked = true
		if err := Do(func() error { return s.pubsub.Ping(ctx) }); err != nil {
			return nil, err
		}
	}
}

// Close ends a Receive that waits.
func (s *Subscription) Close() { _ = s.pubsub.Close() } // the connection is of no more use
