package redisstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

const (
	// watchPing is the silence after which the server is pinged, and how long it may
	// take to answer.
	watchPing = 2 * time.Second

	// How long a watch waits before it connects again.
	watchRest, watchRestMost = 50 * time.Millisecond, 3 * time.Second

	// watchRelayed is how often a watch of a cluster reports a Missed. Nodes relay
	// changes to each other, and a loss between them goes unnoticed.
	watchRelayed = 30 * time.Second
)

// Watch implements storage.WatcherBytes. It has a connection of its own and runs on the
// caller's goroutine. It returns when the context ends, the server refuses it, or the
// client is closed. While the server is away Watch tries again every 50 ms to 3 s. It
// notices a dead connection, and reports a Lost, after 4 s of silence at most. If changed
// is slow, the server closes the connection sooner or later: a Missed follows.
//
// Through a cluster it reports a Missed every 30 s in any case.
func (v *Values) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	if err := ctx.Err(); err != nil {
		return explain(ctx, "watch", prefix, err)
	}
	var away error // why the last attempt failed that the context had no part in
	rest := watchRest
	for {
		began, err := v.watch(ctx, prefix, changed)
		switch {
		case redisask.Ended(ctx) != nil && (began || errors.Is(err, redis.ErrClosed)):
			return fmt.Errorf("redisstore: watch: %w", redisask.Ended(ctx))
		case redisask.Ended(ctx) != nil:
			return watchEnded(ctx, prefix, cmp.Or(away, err)) // err may say no more than that
		case errors.Is(err, redis.ErrClosed), errors.Is(explain(ctx, "watch", prefix, err), storage.ErrRefused):
			return explain(ctx, "watch", prefix, err)
		case began:
			rest = watchRest
			changed(storage.Changed{Lost: true})
		}
		away = err
		timer := time.NewTimer(rest/2 + rand.N(rest/2))
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if redisask.Ended(ctx) != nil {
			return watchEnded(ctx, prefix, away)
		}
		rest = min(2*rest, watchRestMost)
	}
}

// watchEnded returns the error of a watch that has seen nothing when its context ended,
// and why.
func watchEnded(ctx context.Context, prefix string, away error) error {
	return fmt.Errorf("redisstore: watch: %w: %w", redisask.Ended(ctx), redisask.Plain(away, prefix))
}

// watch watches on one connection for as long as it lives. began reports whether it was
// subscribed.
func (v *Values) watch(ctx context.Context, prefix string, changed func(storage.Changed)) (began bool, err error) {
	messages := redisask.Subscribe(v.redis, watchPing)
	closed := context.AfterFunc(ctx, messages.Close)
	defer func() {
		if closed() {
			messages.Close()
		}
	}()
	channel := v.channel()
	connecting, cancel := context.WithTimeout(ctx, watchPing)
	err = messages.Ask(func(p *redis.PubSub) error { return p.PSubscribe(connecting, plain(channel+prefix)) })
	cancel()
	_, relayed := v.redis.(*redis.ClusterClient)
	missed := time.Now()
	for err == nil {
		var said any
		said, err = messages.Receive(ctx)
		if ctx.Err() != nil {
			return began, ctx.Err()
		}
		switch said := said.(type) {
		case *redis.Subscription:
			began, missed = true, time.Now()
			changed(storage.Changed{Missed: true})
		case *redis.Message:
			changed(storage.Changed{Key: strings.TrimPrefix(said.Channel, channel), Version: said.Payload})
		}
		if began && relayed && time.Since(missed) > watchRelayed {
			missed = time.Now()
			changed(storage.Changed{Missed: true})
		}
	}
	return began, err
}
