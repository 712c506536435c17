package storage

import (
	"context"
	"slices"
	"strings"
)

// watcher is one call of Watch. Its queue is filled by whoever changes a record, and
// emptied on the goroutine of the call.
type watcher struct {
	prefix string
	queue  []Changed
	wake   chan struct{} // has one in it while there is something to do
}

// watcherMost is how many changes wait for a slow watcher. If there are more it has missed
// some.
const watcherMost = 1000

// Watch reports changes through any Memory of the same name, by Clear and by eviction too,
// and expired records within about a second. The callback may call the store.
func (m *Memory) Watch(ctx context.Context, prefix string, changed func(Changed)) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	w := &watcher{prefix: prefix, wake: make(chan struct{}, 1)}
	m.mu.Lock()
	m.watchers = append(m.watchers, w)
	w.miss()
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.watchers = slices.DeleteFunc(m.watchers, func(other *watcher) bool { return other == w })
	}()
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
		}
		m.mu.Lock()
		queue := w.queue
		w.queue = nil
		m.mu.Unlock()
		for _, c := range queue {
			if err := m.ready(ctx); err != nil {
				return err
			}
			changed(c)
		}
		if err := m.ready(ctx); err != nil {
			return err
		}
	}
}

// watched reports whether somebody watches the key.
func (m *records) watched(key string) bool {
	return slices.ContainsFunc(m.watchers, func(w *watcher) bool { return strings.HasPrefix(key, w.prefix) })
}

// tell tells those who watch the key.
func (m *records) tell(c Changed) {
	for _, w := range m.watchers {
		switch {
		case !strings.HasPrefix(c.Key, w.prefix):
		case len(w.queue) == watcherMost:
			w.miss()
		default:
			w.queue = append(w.queue, c)
			w.rouse()
		}
	}
}

// miss has the watcher told that it has missed something, in place of all that
// waits for it.
func (w *watcher) miss() {
	w.queue = []Changed{{Missed: true}}
	w.rouse()
}

func (w *watcher) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// wake has those who watch look whether the store is closed.
func (m *records) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.watchers {
		w.rouse()
	}
}
