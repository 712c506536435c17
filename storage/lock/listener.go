package lock

import (
	"context"
	"sync"
	"time"
)

// listener wakes waiters when the lock that they wait for may be free. It has one
// subscription to what releases publish, while somebody waits.
type listener struct {
	server server
	jitter jitter

	mu         sync.Mutex
	waiters    map[string]map[*waiter]bool // by tree
	subscribed map[string]bool             // trees whose releases the server tells
	changed    chan struct{}               // there are more or fewer trees; has room for one
	running    bool
}

// waiter waits for a lock.
type waiter struct {
	place place
	woken chan struct{} // has room for one
}

func (w *waiter) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

// clear takes back a wake: whoever asks now need not ask again for it.
func (w *waiter) clear() {
	select {
	case <-w.woken:
	default:
	}
}

func newListener(s server, j jitter) *listener {
	return &listener{server: s, jitter: j, waiters: map[string]map[*waiter]bool{}, subscribed: map[string]bool{}, changed: make(chan struct{}, 1)}
}

// add makes a waiter. It is woken once, as soon as later releases are seen, and then
// by each release that concerns it.
func (l *listener) add(p place) *waiter {
	w := &waiter{place: p, woken: make(chan struct{}, 1)}
	tree := p.tree()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiters[tree] == nil {
		l.waiters[tree] = map[*waiter]bool{}
	}
	l.waiters[tree][w] = true
	if l.subscribed[tree] {
		w.wake()
	}
	if l.running {
		l.signal()
	} else {
		l.running = true
		go l.run()
	}
	return w
}

func (l *listener) remove(w *waiter) {
	tree := w.place.tree()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiters[tree], w)
	if len(l.waiters[tree]) == 0 {
		delete(l.waiters, tree)
		l.signal()
	}
}

func (l *listener) signal() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// run keeps a subscription while somebody waits.
func (l *listener) run() {
	for failed := 0; ; {
		received, ended := l.listen()
		l.mu.Lock()
		clear(l.subscribed)
		done := len(l.waiters) == 0
		l.running = !done
		l.mu.Unlock()
		switch {
		case done:
			return
		case ended:
			continue // somebody has come meanwhile
		case received:
			failed = 0
		}
		l.pause(l.jitter.backOff(failed))
		failed++
	}
}

// pause waits before the server is asked again, but no longer than somebody waits.
func (l *listener) pause(d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return
		case <-l.changed:
			l.mu.Lock()
			done := len(l.waiters) == 0
			l.mu.Unlock()
			if done {
				return
			}
		}
	}
}

// listen keeps one subscription until it fails, or ends because nobody has waited for a
// moment. It tells whether anything was received. A failure goes unreported: waiters
// poll meanwhile, and report what they find.
func (l *listener) listen() (received, ended bool) {
	ctx := context.Background() // it ends when nobody waits
	s := l.server.subscribe()
	var failed chan struct{}
	defer func() {
		s.close()
		if failed != nil {
			<-failed
		}
	}()
	trees := map[string]bool{}
	drop := time.NewTicker(linger)
	defer drop.Stop()
	for {
		more := l.newTrees(trees)
		if len(trees) == 0 {
			ended = true
			return
		}
		if len(more) > 0 && s.change(ctx, more, nil) != nil {
			return
		}
		if failed == nil {
			failed = make(chan struct{})
			go func() {
				defer close(failed)
				for {
					tree, released, err := s.receive(ctx)
					if err != nil {
						return
					}
					received = true
					l.notify(tree, released)
				}
			}()
		}
		select {
		case <-l.changed:
		case <-failed:
			return
		case <-drop.C:
			if less := l.dropTrees(trees); len(less) > 0 && len(trees) > 0 && s.change(ctx, nil, less) != nil {
				return
			}
		}
	}
}

// linger is how long at most the subscription keeps a tree that nobody waits for any
// more: whoever has waited often waits again.
const linger = 100 * time.Millisecond

// newTrees adds the trees that somebody waits for to those given, and returns what it
// has added.
func (l *listener) newTrees(trees map[string]bool) (more []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for tree := range l.waiters {
		if !trees[tree] {
			trees[tree], more = true, append(more, tree)
		}
	}
	return more
}

// dropTrees removes the trees that nobody waits for from those given, and returns what
// it has removed. From now on they count as not subscribed.
func (l *listener) dropTrees(trees map[string]bool) (less []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for tree := range trees {
		if l.waiters[tree] == nil {
			delete(trees, tree)
			delete(l.subscribed, tree)
			less = append(less, tree)
		}
	}
	return less
}

// notify wakes those whom a release concerns. Without a place it wakes all who wait in
// the tree: the server tells of its releases from now on.
func (l *listener) notify(tree string, released place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if released == "" {
		l.subscribed[tree] = true
	}
	for w := range l.waiters[tree] {
		if released == "" || w.place.excludes(released) {
			w.wake()
		}
	}
}
