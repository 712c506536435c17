package lock

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
)

// redisServer keeps locks in Redis.
type redisServer struct {
	redis  redis.UniversalClient
	prefix string
}

// A key is the prefix, what it holds, and a node, whose tree is the part that
// says in which slot of a cluster it is:
//
//	lock:hold:{jobs}/nightly
func (s *redisServer) key(kind string, p place) string {
	tree := p.tree()
	return s.prefix + kind + ":{" + tree + "}" + string(p[len(tree):])
}

func (s *redisServer) tree(p place) string { return s.key("tree", place(p.tree())) }

func (s *redisServer) keys(kind string, nodes []place) []string {
	keys := make([]string, len(nodes))
	for i, n := range nodes {
		keys[i] = s.key(kind, n)
	}
	return keys
}

// channel is where the releases of a tree are told.
func (s *redisServer) channel(tree string) string { return s.prefix + "freed:" + tree }

// remembered is for how long beyond a hold the last token of a tree is known.
const remembered = 24 * time.Hour

func (s *redisServer) acquire(ctx context.Context, p place, owner string, hold time.Duration) (int64, time.Duration, error) {
	nodes := p.nodes()
	keys := append([]string{s.tree(p)}, s.keys("hold", nodes)...)
	keys = append(keys, s.keys("below", nodes)...)
	said, err := s.run(ctx, acquireScript, keys, owner, hold.Milliseconds(), (hold + remembered).Milliseconds(), string(p)).Int64Slice()
	if err != nil {
		return 0, 0, explain(ctx, "acquire", p, err)
	}
	if len(said) != 2 || said[0] < 0 {
		return 0, 0, explain(ctx, "acquire", p, redisask.ErrAnswer)
	}
	return said[0], redisask.Duration(said[1]), nil
}

func (s *redisServer) renew(ctx context.Context, p place, owner string, token int64, hold time.Duration) (bool, error) {
	held, err := s.run(ctx, renewScript, s.marks(p), owner, token, hold.Milliseconds(), string(p)).Bool()
	if err != nil {
		return false, explain(ctx, "renew", p, err)
	}
	return held, nil
}

func (s *redisServer) release(ctx context.Context, p place, owner string) (bool, error) {
	keys := append([]string{s.tree(p)}, s.marks(p)...)
	held, err := s.run(ctx, releaseScript, keys, owner, remembered.Milliseconds(), string(p), s.channel(p.tree())).Bool()
	if err != nil {
		return false, explain(ctx, "release", p, err)
	}
	return held, nil
}

// marks is the keys in which a hold is: its own, and those of what lies below the
// nodes above it.
func (s *redisServer) marks(p place) []string {
	nodes := p.nodes()
	return append([]string{s.key("hold", p)}, s.keys("below", nodes[:len(nodes)-1])...)
}

func (s *redisServer) held(ctx context.Context, p place) (bool, error) {
	keys := append(s.keys("hold", p.nodes()), s.key("below", p))
	held, err := s.run(ctx, heldScript, keys, "").Bool()
	if err != nil {
		return false, explain(ctx, "look at", p, err)
	}
	return held, nil
}

// run runs a script in one round trip, or in two where the server does not know
// it yet.
func (s *redisServer) run(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	if err := ctx.Err(); err != nil {
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(err)
		return cmd
	}
	var cmd *redis.Cmd
	err := redisask.Do(func() error {
		cmd = script.Run(ctx, s.redis, keys, args...)
		return nil // it is in the command
	})
	if err != nil {
		cmd = redis.NewCmd(ctx)
		cmd.SetErr(err)
	}
	return cmd
}

// silence is how long a connection may be silent before it is asked whether it
// is still there, and as long again for the answer.
const silence = 5 * time.Second

func (s *redisServer) subscribe() subscription {
	return &redisSubscription{server: s, messages: redisask.Subscribe(s.redis, silence)}
}

type redisSubscription struct {
	server   *redisServer
	messages *redisask.Subscription
}

func (s *redisSubscription) change(ctx context.Context, more, less []string) error {
	return s.messages.Ask(func(p *redis.PubSub) error {
		if len(more) > 0 {
			if err := p.Subscribe(ctx, s.channels(more)...); err != nil {
				return err
			}
		}
		if len(less) > 0 {
			return p.Unsubscribe(ctx, s.channels(less)...)
		}
		return nil
	})
}

func (s *redisSubscription) channels(trees []string) []string {
	channels := make([]string, len(trees))
	for i, tree := range trees {
		channels[i] = s.server.channel(tree)
	}
	return channels
}

func (s *redisSubscription) receive(ctx context.Context) (string, place, error) {
	for {
		said, err := s.messages.Receive(ctx)
		if err != nil {
			return "", "", err
		}
		switch said := said.(type) {
		case *redis.Subscription:
			if said.Kind == "subscribe" {
				return s.tree(said.Channel), "", nil
			}
		case *redis.Message:
			return s.tree(said.Channel), place(said.Payload), nil
		}
	}
}

func (s *redisSubscription) tree(channel string) string {
	return channel[min(len(s.server.channel("")), len(channel)):]
}

func (s *redisSubscription) close() { s.messages.Close() }
