package lock

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// standIn does in a process what the scripts do in Redis: TestStandIn compares
// them. It can be broken in ways that the tests have to notice.
type standIn struct {
	mu            sync.Mutex
	skew          time.Duration // of its clock
	down          bool
	holds         map[place]held
	trees         map[string]treeState
	subscriptions map[*standInSubscription]bool

	looksOnlyUp, forgetsOwners, countsOnly, tellsTimeOnly, hurries bool

	last map[string]int64 // the highest token of each tree, which no restart loses
	low  []int64          // tokens that were not higher
}

type held struct {
	owner string
	token int64
	ends  time.Time
}

type treeState struct {
	token    int64
	released string
}

func newStandIn() *standIn {
	s := &standIn{subscriptions: map[*standInSubscription]bool{}, last: map[string]int64{}}
	s.restart()
	return s
}

// restart loses everything.
func (s *standIn) restart() { s.holds, s.trees = map[place]held{}, map[string]treeState{} }

func (s *standIn) now() time.Time { return time.Now().Add(s.skew).Truncate(time.Microsecond) }

// inTheWay tells for how long p is held by others than the owner, or excluded.
func (s *standIn) inTheWay(p place, owner string) (left time.Duration, is bool) {
	now := s.now()
	for other, h := range s.holds {
		if h.ends.Before(now) {
			delete(s.holds, other)
			continue
		}
		if other == p && h.owner == owner || !p.excludes(other) || s.looksOnlyUp && len(other) > len(p) {
			continue
		}
		left, is = max(left, h.ends.Sub(now)), true
	}
	return left, is
}

func (s *standIn) acquire(p place, owner string, hold time.Duration) (int64, time.Duration) {
	if left, is := s.inTheWay(p, owner); is {
		return 0, left
	}
	h, again := s.holds[p]
	tree := s.trees[p.tree()]
	if !again {
		h = held{owner: owner, token: max(tree.token+1, s.now().UnixMicro())}
		switch {
		case s.countsOnly:
			h.token = tree.token + 1
		case s.tellsTimeOnly:
			h.token = s.now().UnixMicro()
		}
		if h.token <= s.last[p.tree()] {
			s.low = append(s.low, h.token)
		}
		tree.token, s.last[p.tree()] = h.token, h.token
		s.trees[p.tree()] = tree
	}
	h.ends = s.ends(hold)
	s.holds[p] = h
	return h.token, 0
}

func (s *standIn) ends(hold time.Duration) time.Time {
	if s.hurries {
		hold -= hold / 5
	}
	return s.now().Add(hold)
}

// has reports whether the owner has p, with that token if it is not 0.
func (s *standIn) has(p place, owner string, token int64) bool {
	h, ok := s.holds[p]
	return ok && !h.ends.Before(s.now()) && h.owner == owner && (token == 0 || h.token == token)
}

func (s *standIn) renew(p place, owner string, token int64, hold time.Duration) bool {
	if !s.has(p, owner, token) {
		return false
	}
	h := s.holds[p]
	h.ends = s.ends(hold)
	s.holds[p] = h
	return true
}

func (s *standIn) release(p place, owner string) bool {
	tree := s.trees[p.tree()]
	if !s.has(p, owner, 0) && !s.forgetsOwners {
		return tree.released == owner
	}
	tree.released = owner
	s.trees[p.tree()] = tree
	delete(s.holds, p)
	for e := range s.subscriptions {
		e.tell(p.tree(), p)
	}
	return true
}

func (s *standIn) held(p place) bool {
	_, is := s.inTheWay(p, "")
	return is
}

// standInClient is a process's way to the stand-in, in virtual time. By chance
// requests and answers are late, lost, or sent twice.
type standInClient struct {
	server *standIn
	mu     sync.Mutex
	rand   *rand.Rand
	faults float64 // how many of the calls have one; by the mutex
}

var errLost = errors.New("i/o timeout")

const readTimeout = 300 * time.Millisecond // of a client, as go-redis has it

// some is a time to d, mostly far below it; always the same without faults.
func (c *standInClient) some(d time.Duration) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults == 0 {
		return d / 10
	}
	f := c.rand.Float64()
	return time.Duration(f * f * f * float64(d))
}

// fault reports whether a call has a fault, and which of four.
func (c *standInClient) fault() (which int, is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.IntN(4), c.rand.Float64() < c.faults
}

func (c *standInClient) float() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rand.Float64()
}

// call sends a request, twice if its answer does not come in time. What was sent
// is done when it arrives, whether anybody waits for it or not.
func (c *standInClient) call(ctx context.Context, do func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for range 2 {
		answer := make(chan struct{}, 1)
		there, back := c.some(10*time.Millisecond), c.some(10*time.Millisecond)
		lost := false
		if which, is := c.fault(); is {
			switch which {
			case 0: // the request is lost
				there = -1
			case 1: // the answer
				lost = true
			case 2: // the request is late, and done when nobody waits any more
				there = c.some(time.Minute)
			case 3: // the answer
				back = c.some(time.Second)
			}
		}
		if there >= 0 {
			time.AfterFunc(there, func() {
				c.server.mu.Lock()
				if c.server.down {
					c.server.mu.Unlock()
					return
				}
				do()
				c.server.mu.Unlock()
				if !lost {
					time.AfterFunc(back, func() { answer <- struct{}{} })
				}
			})
		}
		over := time.NewTimer(readTimeout)
		select {
		case <-answer:
			over.Stop()
			return nil
		case <-ctx.Done():
			over.Stop()
			return ctx.Err()
		case <-over.C:
		}
	}
	return errLost
}

func (c *standInClient) acquire(ctx context.Context, p place, owner string, hold time.Duration) (int64, time.Duration, error) {
	type said struct {
		token int64
		left  time.Duration
	}
	r, err := ask(ctx, c, func() said {
		token, left := c.server.acquire(p, owner, hold)
		return said{token, left}
	})
	return r.token, r.left, err
}

func (c *standInClient) renew(ctx context.Context, p place, owner string, token int64, hold time.Duration) (bool, error) {
	return ask(ctx, c, func() bool { return c.server.renew(p, owner, token, hold) })
}

func (c *standInClient) release(ctx context.Context, p place, owner string) (bool, error) {
	return ask(ctx, c, func() bool { return c.server.release(p, owner) })
}

func (c *standInClient) held(ctx context.Context, p place) (bool, error) {
	return ask(ctx, c, func() bool { return c.server.held(p) })
}

// ask is a call whose result nobody reads after its end.
func ask[R any](ctx context.Context, c *standInClient, do func() R) (r R, err error) {
	var mu sync.Mutex
	var got R
	err = c.call(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		got = do()
	})
	if err == nil {
		mu.Lock()
		defer mu.Unlock()
		r = got
	}
	return r, err
}

func (c *standInClient) subscribe() subscription {
	return &standInSubscription{client: c, trees: map[string]bool{}, said: make(chan heard, 1000), closed: make(chan struct{})}
}

// standInSubscription is a subscription to the stand-in, some of whose messages are lost.
type standInSubscription struct {
	client *standInClient
	trees  map[string]bool
	said   chan heard
	once   sync.Once
	closed chan struct{}
}

type heard struct {
	tree     string
	released place
}

func (e *standInSubscription) change(ctx context.Context, more, less []string) error {
	return e.client.call(ctx, func() {
		select {
		case <-e.closed:
			return
		default:
		}
		e.client.server.subscriptions[e] = true
		for _, tree := range more {
			e.trees[tree] = true
			e.say(heard{tree: tree})
		}
		for _, tree := range less {
			delete(e.trees, tree)
		}
	})
}

// tell is called by the server.
func (e *standInSubscription) tell(tree string, released place) {
	if _, lost := e.client.fault(); e.trees[tree] && !lost {
		e.say(heard{tree, released})
	}
}

func (e *standInSubscription) say(h heard) {
	time.AfterFunc(e.client.some(10*time.Millisecond), func() {
		select {
		case e.said <- h:
		default: // lost
		}
	})
}

func (e *standInSubscription) receive(context.Context) (string, place, error) {
	select {
	case h := <-e.said:
		return h.tree, h.released, nil
	case <-e.closed:
		return "", "", errLost
	}
}

func (e *standInSubscription) close() {
	e.once.Do(func() { close(e.closed) })
	e.client.server.mu.Lock()
	defer e.client.server.mu.Unlock()
	delete(e.client.server.subscriptions, e)
}
