package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

var watchChecks = []bytesCheck{
	{Name: "a watch begins with Missed and ends with its context", needs: Watcher, run: watchBeginsAndEnds},
	{Name: "a watch tells of every change under its prefix", needs: Watcher, run: watchTells},
	{Name: "a watch tells what a record has become", needs: Watcher | Versioned, run: watchTellsVersions},
	{Name: "what a watch calls may use the store", needs: Watcher, run: watchCallsBack},
	{Name: "calls of a watch come one after another", needs: Watcher, run: watchCallsInTurn},
}

// watchPatience is how long a change may take to be told.
const watchPatience = 30 * time.Second

// watching is a watch that runs, and what it has told.
type watching struct {
	told chan storage.Changed
	stop func() error // ends it, and is what it returned
}

// watch begins to watch, and waits for the first Missed.
func (s *bytesSubject) watch(t checks.TB, prefix string) *watching {
	t.Helper()
	ctx, cancel := context.WithCancel(s.ctx)
	w := &watching{told: make(chan storage.Changed, 10_000)}
	ended := make(chan error, 1)
	go func() {
		ended <- s.b.(storage.WatcherBytes).Watch(ctx, prefix, func(c storage.Changed) { w.told <- c })
	}()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	if c, ok := w.next(); !ok || c != (storage.Changed{Missed: true}) {
		_ = w.stop()
		t.Fatalf("a watch begins with %+v (told something: %v), want a Missed", c, ok)
	}
	return w
}

func (w *watching) next() (c storage.Changed, ok bool) {
	timer := time.NewTimer(watchPatience)
	defer timer.Stop()
	select {
	case c = <-w.told:
		return c, true
	case <-timer.C:
		return c, false
	}
}

// tells waits until the watch has told of each key, with its version where that
// is asked for, and checks that it tells of nothing else. After a Missed, which
// may come at any time, there is nothing to be said.
func (w *watching) tells(t checks.TB, what string, wanted map[string]string, versions bool) {
	t.Helper()
	allowed := map[string]bool{}
	for key := range wanted {
		allowed[key] = true
	}
	for len(wanted) > 0 {
		c, ok := w.next()
		switch {
		case !ok:
			t.Fatalf("after %s the watch tells of all but %.300q", what, fmt.Sprint(wanted))
		case c.Missed:
			return
		case !allowed[c.Key]:
			t.Fatalf("after %s the watch tells of %.80q", what, c.Key)
		case !versions || c.Version == wanted[c.Key]:
			delete(wanted, c.Key)
		}
	}
}

// of is the keys, to be told.
func of(keys ...string) map[string]string {
	all := map[string]string{}
	for _, key := range keys {
		all[key] = ""
	}
	return all
}

func watchBeginsAndEnds(t checks.TB, s *bytesSubject) {
	w := s.watch(t, s.prefix)
	defer w.stop()
	if err := w.stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("a watch whose context was cancelled returns %v", err)
	}
	s.set(t, s.key("foo"), "after it", long)
	select {
	case c := <-w.told:
		t.Errorf("a watch that is over tells %+v", c)
	default:
	}
	ctx, cancel := context.WithTimeout(s.ctx, 50*time.Millisecond)
	defer cancel()
	if err := s.b.(storage.WatcherBytes).Watch(ctx, s.prefix, func(storage.Changed) {}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a watch whose deadline is over returns %v", err)
	}
}

func watchTells(t checks.TB, s *bytesSubject) {
	for _, prefix := range []string{"a:", "a*[b]:"} {
		key := func(name string) string { return s.key(prefix + name) }
		w := s.watch(t, s.key(prefix))
		defer w.stop()
		elsewhere := func() {
			for _, name := range []string{"b:", "a", "a;", "A:", "ab:x", "aXb:x"} {
				s.set(t, s.key(name), "1", long)
			}
		}
		elsewhere()
		for i, name := range []string{"", "foo", "b\x00c\n", "ä\xff", strings.Repeat("x", 200)} {
			s.set(t, key(name), "1", long)
			w.tells(t, "Set", of(key(name)), false)
			if i%2 == 0 {
				s.delete(t, key(name), true)
				w.tells(t, "Delete", of(key(name)), true)
			} else {
				s.set(t, key(name), "", 0)
				w.tells(t, "Set for no time", of(key(name)), true)
			}
			elsewhere()
		}
		s.set(t, key("there"), "1", long)
		w.tells(t, "Set", of(key("there")), false)
		s.set(t, key("there"), "1", long)
		w.tells(t, "Set to what was there", of(key("there")), false)
		if s.can(Bulk) {
			s.setMany(t, storage.Item{Key: key("x"), Keep: long}, storage.Item{Key: key("y"), Keep: long})
			w.tells(t, "SetMany", of(key("x"), key("y")), false)
			s.deletesMany(t, []string{key("x"), key("y")}, true, true)
			w.tells(t, "DeleteMany", of(key("x"), key("y")), true)
		}
		if s.can(Adder) {
			s.add(t, key("added"), "1", long, true)
			w.tells(t, "Add", of(key("added")), false)
		}
		if s.can(Fenced) {
			s.fill(t, key("filled"), "1", s.claim(t, key("filled"), long), true)
			w.tells(t, "Fill", of(key("filled")), false)
		}
		if s.can(Toucher) {
			s.set(t, key("touched"), "1", long)
			w.tells(t, "Set", of(key("touched")), false)
			s.touch(t, 0, []string{key("touched")}, true)
			w.tells(t, "Touch for no time", of(key("touched")), true)
		}
		if s.can(Lister) {
			s.clear(t, key("there"))
			w.tells(t, "Clear", of(key("there")), true)
		}
		if err := w.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("the watch returns %v", err)
		}
	}
}

func watchTellsVersions(t checks.TB, s *bytesSubject) {
	w := s.watch(t, s.prefix)
	defer w.stop()
	key := s.key("foo")
	is := func(what string) {
		t.Helper()
		w.tells(t, what, map[string]string{key: s.look(t, key).Version}, true)
	}
	s.set(t, key, "1", long)
	is("Set")
	s.swap(t, true, change(key, s.look(t, key).Version, "2", storage.Forever))
	is("Swap")
	s.set(t, key, "3", long)
	is("Set")
	s.swap(t, true, change(key, s.look(t, key).Version, "", 0))
	is("Swap that deletes")
	c := change(key, "", "4", long)
	s.swap(t, true, c)
	w.tells(t, "Swap that creates", map[string]string{key: c.Becomes}, true)
	var all sync.WaitGroup
	wanted := map[string]string{}
	for i := range 4 {
		key := s.key(fmt.Sprint("of many ", i))
		wanted[key] = ""
		all.Go(func() {
			for round := range s.rounds() / 5 {
				if err := s.b.Set(s.ctx, key, fmt.Append(nil, round), long); err != nil {
					t.Errorf("Set: %v", err)
				}
			}
		})
	}
	all.Wait()
	for key := range wanted {
		wanted[key] = s.look(t, key).Version
	}
	w.tells(t, "many who Set", wanted, true)
}

func watchCallsBack(t checks.TB, s *bytesSubject) {
	ctx, cancel := context.WithTimeout(s.ctx, watchPatience)
	defer cancel()
	in, out := s.key("in:"), s.key("out")
	err := s.b.(storage.WatcherBytes).Watch(ctx, in, func(c storage.Changed) {
		switch _, err := s.b.Get(ctx, in); {
		case err != nil:
			t.Errorf("Get in a watch: %v", err)
			cancel()
		case c.Missed:
			if err := s.b.Set(ctx, in, []byte("1"), long); err != nil {
				t.Errorf("Set in a watch: %v", err)
			}
		default:
			if err := s.b.Set(ctx, out, []byte("1"), long); err != nil {
				t.Errorf("Set in a watch: %v", err)
			}
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Watch returns %v", err)
	}
	s.holds(t, out, "1")
}

func watchCallsInTurn(t checks.TB, s *bytesSubject) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	last := s.key("last")
	var inside, told atomic.Int64
	begun, over, ended := make(chan bool), make(chan bool), make(chan error, 1)
	var begin, end sync.Once
	go func() {
		ended <- s.b.(storage.WatcherBytes).Watch(ctx, s.prefix, func(c storage.Changed) {
			if inside.Add(1) > 1 {
				t.Errorf("two calls come at once")
			}
			time.Sleep(time.Millisecond)
			told.Add(1)
			inside.Add(-1)
			if c.Key == last {
				end.Do(func() { close(over) })
			}
			begin.Do(func() { close(begun) })
		})
	}()
	select {
	case <-begun:
	case err := <-ended:
		t.Fatalf("Watch returns %v", err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for range 20 {
				if err := s.b.Set(s.ctx, s.key(fmt.Sprint(i)), nil, long); err != nil {
					t.Errorf("Set: %v", err)
				}
			}
		})
	}
	all.Wait()
	s.set(t, last, "1", long)
	timer := time.NewTimer(watchPatience)
	defer timer.Stop()
	select {
	case <-over:
	case <-timer.C:
		t.Errorf("the last change is not told, of %d things that are", told.Load())
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Watch returns %v", err)
	}
}
