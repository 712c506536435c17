package lock

import (
	"context"
	"sync"
	"time"
)

// ear wakes those who wait when what they wait for may be free: by what releases
// tell on one subscription, which there is while somebody waits.
type ear struct {
	server server
	chance chance

	mu      sync.Mutex
	waiters map[string]map[*waiter]bool // by tree
	heard   map[string]bool             // the trees of which the server tells
	changed chan struct{}               // there are more or fewer trees; has room for one
	runs    bool
}

// waiter is one that waits for a lock.
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

// doze forgets that it was woken: whoever asks now need not ask again for it.
func (w *waiter) doze() {
	select {
	case <-w.woken:
	default:
	}
}

func newEar(s server, c chance) *ear {
	return &ear{server: s, chance: c, waiters: map[string]map[*waiter]bool{}, heard: map[string]bool{}, changed: make(chan struct{}, 1)}
}

// join makes a waiter. It is woken once every later release is heard of, and at
// each of those that it waits for.
func (e *ear) join(p place) *waiter {
	w := &waiter{place: p, woken: make(chan struct{}, 1)}
	tree := p.tree()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.waiters[tree] == nil {
		e.waiters[tree] = map[*waiter]bool{}
	}
	e.waiters[tree][w] = true
	if e.heard[tree] {
		w.wake()
	}
	if e.runs {
		e.tell()
	} else {
		e.runs = true
		go e.run()
	}
	return w
}

func (e *ear) leave(w *waiter) {
	tree := w.place.tree()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiters[tree], w)
	if len(e.waiters[tree]) == 0 {
		delete(e.waiters, tree)
		e.tell()
	}
}

func (e *ear) tell() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// run keeps a subscription while somebody waits.
func (e *ear) run() {
	for failed := 0; ; {
		heard, ended := e.listen()
		e.mu.Lock()
		clear(e.heard)
		done := len(e.waiters) == 0
		e.runs = !done
		e.mu.Unlock()
		switch {
		case done:
			return
		case ended:
			continue // and somebody has come meanwhile
		case heard:
			failed = 0
		}
		e.rest(e.chance.backOff(failed))
		failed++
	}
}

// rest waits before the server is asked again, and no longer than somebody
// waits.
func (e *ear) rest(d time.Duration) {
	over := time.NewTimer(d)
	defer over.Stop()
	for {
		select {
		case <-over.C:
			return
		case <-e.changed:
			e.mu.Lock()
			done := len(e.waiters) == 0
			e.mu.Unlock()
			if done {
				return
			}
		}
	}
}

// listen is one subscription, until it fails, or has ended because nobody has
// waited for a moment. It tells whether anything was heard. What fails is told by
// polling, which goes on.
func (e *ear) listen() (heard, ended bool) {
	ctx := context.Background() // nobody's: it ends when nobody waits
	s := e.server.subscribe()
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
		more := e.more(trees)
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
					heard = true
					e.hear(tree, released)
				}
			}()
		}
		select {
		case <-e.changed:
		case <-failed:
			return
		case <-drop.C:
			if less := e.drop(trees); len(less) > 0 && len(trees) > 0 && s.change(ctx, nil, less) != nil {
				return
			}
		}
	}
}

// linger is for how long at most releases are heard of that nobody waits for any
// more, because whoever has waited often waits again.
const linger = 100 * time.Millisecond

// more adds to trees those that are waited for, and tells which they are.
func (e *ear) more(trees map[string]bool) (more []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for tree := range e.waiters {
		if !trees[tree] {
			trees[tree], more = true, append(more, tree)
		}
	}
	return more
}

// drop takes from trees those that nobody waits for, and tells which they are.
// From now on they count as not heard of.
func (e *ear) drop(trees map[string]bool) (less []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for tree := range trees {
		if e.waiters[tree] == nil {
			delete(trees, tree)
			delete(e.heard, tree)
			less = append(less, tree)
		}
	}
	return less
}

// hear wakes those whom a release concerns, or all of a tree where there is
// none: the server tells of it from now on.
func (e *ear) hear(tree string, released place) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if released == "" {
		e.heard[tree] = true
	}
	for w := range e.waiters[tree] {
		if released == "" || w.place.excludes(released) {
			w.wake()
		}
	}
}
