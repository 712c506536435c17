package memoize_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/snapshot"
)

// posts is a source of lists of authors, by the page's name. Its loads wait where a gate
// is set.
type posts struct {
	mu      sync.Mutex
	pages   map[string]string // authors, separated by spaces
	gate    chan struct{}
	loads   int
	noStore bool
}

func (p *posts) load(_ context.Context, page string) (string, error) {
	p.mu.Lock()
	p.loads++
	authors, gate, noStore := p.pages[page], p.gate, p.noStore
	p.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if noStore {
		return authors, memoize.NoStore
	}
	return authors, nil
}

func (p *posts) loadMany(ctx context.Context, pages []string) (map[string]string, error) {
	found := map[string]string{}
	for _, page := range pages {
		found[page], _ = p.load(ctx, page)
	}
	return found, nil
}

func (p *posts) change(page, authors string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages[page] = authors
}

// holds makes loads that begin from now on wait, until open is called. Later ones don't.
func (p *posts) holds() (open func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	gate := make(chan struct{})
	p.gate = gate
	return func() { close(gate) }
}

func (p *posts) lets() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = nil
}

func (p *posts) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loads
}

func byAuthor(_, authors string) []string { return strings.Fields(authors) }

var silent = config.Logger(slog.New(slog.DiscardHandler))

// tagged are functions over posts, with a source that takes one page and one that takes many.
func tagged(t *testing.T, test func(t *testing.T, p *posts, f *memoize.Func[string, string]), opts ...config.Option) {
	t.Helper()
	opts = append([]config.Option{config.Tags(byAuthor), silent, config.Name("pages")}, opts...)
	for name, make := range map[string]func(p *posts) (*memoize.Func[string, string], error){
		"one":     func(p *posts) (*memoize.Func[string, string], error) { return memoize.New(p.load, opts...) },
		"batched": func(p *posts) (*memoize.Func[string, string], error) { return memoize.NewBatched(p.loadMany, opts...) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &posts{pages: map[string]string{"a": "ann bob", "b": "bob", "c": "cid"}}
				test(t, p, memoize.Must(make(p)))
			})
		})
	}
}

// called is the value of a call that must succeed.
func called(t *testing.T, f *memoize.Func[string, string], page string) string {
	t.Helper()
	v, err := f.Call(t.Context(), page)
	if err != nil {
		t.Fatalf("page %s: %v", page, err)
	}
	return v
}

func tagGone(t *testing.T, f *memoize.Func[string, string], tag string) {
	t.Helper()
	if err := f.InvalidateTag(t.Context(), tag); err != nil {
		t.Fatal(err)
	}
}

func stored(f *memoize.Func[string, string], pages ...string) (found string) {
	for _, page := range pages {
		if f.Has(context.Background(), page) {
			found += page
		}
	}
	return found
}

// What carries the tag goes, and nothing else does.
func TestG16WhatCarriesATagGoes(t *testing.T) {
	tagged(t, func(t *testing.T, p *posts, f *memoize.Func[string, string]) {
		if _, err := f.CallMany(t.Context(), []string{"a", "b", "c"}); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ tag, left string }{{"nobody", "abc"}, {"ann", "bc"}, {"ann", "bc"}, {"bob", "c"}, {"cid", ""}} {
			if tagGone(t, f, c.tag); stored(f, "a", "b", "c") != c.left {
				t.Errorf("after %s there are %q, want %q", c.tag, stored(f, "a", "b", "c"), c.left)
			}
		}
		if called(t, f, "a") != "ann bob" || stored(f, "a") != "a" {
			t.Error("a load that began later is not stored")
		}
	})
}

// A list is loaded, and one of those on it is invalidated twice meanwhile. Between the two
// a call joins the load: it must not get the list, though its newest invalidation is later
// than the call.
func TestG16ALoadLearnsItsTagsAtItsEnd(t *testing.T) {
	for times := 1; times <= 3; times++ {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			tagged(t, func(t *testing.T, p *posts, f *memoize.Func[string, string]) {
				open := p.holds()
				var got [4]string
				var calls sync.WaitGroup
				calls.Go(func() { got[0] = called(t, f, "a") })
				synctest.Wait()
				p.lets()
				p.change("a", "new ann")
				for i := range times {
					tagGone(t, f, "ann")
					calls.Go(func() { got[i+1] = called(t, f, "a") })
					synctest.Wait()
				}
				tagGone(t, f, "someone else")
				open()
				calls.Wait()
				if got[0] != "ann bob" && got[0] != "new ann" {
					t.Errorf("who led the load gets %q", got[0])
				}
				for i, v := range got[1 : times+1] {
					if v != "new ann" {
						t.Errorf("call %d began after InvalidateTag had returned, and gets %q", i, v)
					}
				}
				if v, ok := f.Peek(t.Context(), "a"); v != "new ann" || !ok {
					t.Errorf("stored is %q", v)
				}
				if s := f.Stats(); s.Fenced != 1 {
					t.Errorf("%d values were kept out, want one", s.Fenced)
				}
				if loads := p.asked(); loads > 2 {
					t.Errorf("%d loads, where two do", loads)
				}
			})
		})
	}
}

// Whoever joined before any invalidation, or where another tag was invalidated, takes what
// the load brings.
func TestG16WhoJoinedBeforeTakesIt(t *testing.T) {
	tagged(t, func(t *testing.T, p *posts, f *memoize.Func[string, string]) {
		open := p.holds()
		var calls sync.WaitGroup
		for range 3 {
			calls.Go(func() {
				if v := called(t, f, "a"); v != "ann bob" {
					t.Errorf("a call gets %q", v)
				}
			})
		}
		synctest.Wait()
		tagGone(t, f, "someone else")
		calls.Go(func() {
			if v := called(t, f, "a"); v != "ann bob" {
				t.Errorf("a later call gets %q", v)
			}
		})
		synctest.Wait()
		open()
		calls.Wait()
		if stored(f, "a") != "a" || p.asked() != 1 {
			t.Errorf("stored: %q, after %d loads", stored(f, "a"), p.asked())
		}
	})
}

// A refresh that learns of an invalidated tag takes the older value with it.
func TestG16ARefreshThatIsOutdated(t *testing.T) {
	tagged(t, func(t *testing.T, p *posts, f *memoize.Func[string, string]) {
		p.change("a", "old")
		called(t, f, "a")
		p.change("a", "ann")
		time.Sleep(2 * time.Minute)
		open := p.holds()
		if v := called(t, f, "a"); v != "old" {
			t.Errorf("the stale value is %q", v)
		}
		synctest.Wait()
		p.lets()
		p.change("a", "bob")
		tagGone(t, f, "ann")
		if v, ok := f.Peek(t.Context(), "a"); v != "old" || !ok {
			t.Errorf("while the refresh runs %q is stored", v)
		}
		open()
		synctest.Wait()
		if v := called(t, f, "a"); v != "bob" {
			t.Errorf("after the refresh a call gets %q", v)
		}
	}, config.UpdateAfter(time.Minute))
}

// A value that is not to be stored has tags too, for those who join its load.
func TestG16AValueThatIsNotStored(t *testing.T) {
	tagged(t, func(t *testing.T, p *posts, f *memoize.Func[string, string]) {
		p.noStore = true
		open := p.holds()
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = f.Call(t.Context(), "b") })
		synctest.Wait()
		p.lets()
		p.change("b", "new")
		tagGone(t, f, "bob")
		calls.Go(func() {
			if v, err := f.Call(t.Context(), "b"); v != "new" || err != nil {
				t.Errorf("the later call gets %q, %v", v, err)
			}
		})
		synctest.Wait()
		open()
		calls.Wait()
	})
}

// A Set brings its own tags, and is newer than what came before it. A Touch keeps those
// that there are.
func TestG16SetAndTouch(t *testing.T) {
	tagged(t, func(t *testing.T, p *posts, f *memoize.Func[string, string]) {
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		tagGone(t, f, "ann")
		must(f.Set(ctx, "a", "ann"))
		if stored(f, "a") != "a" {
			t.Error("a Set after InvalidateTag is not stored")
		}
		time.Sleep(time.Second)
		must(f.Set(ctx, "a", "bob"))
		if tagGone(t, f, "ann"); stored(f, "a") != "a" {
			t.Error("the tag of a value that was replaced invalidates the new one")
		}
		time.Sleep(time.Second)
		if ok, err := f.Touch(ctx, "a"); !ok || err != nil {
			t.Fatal(ok, err)
		}
		if tagGone(t, f, "ann"); stored(f, "a") != "a" {
			t.Error("a Touch brings a tag back")
		}
		if tagGone(t, f, "bob"); stored(f, "a") != "" {
			t.Error("a Touch loses the tag")
		}
		if _, err := f.Refresh(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		if tagGone(t, f, "ann"); stored(f, "a") != "" {
			t.Error("a Refresh brings no tags")
		}
	})
}

// slowly is a storage in memory whose Offer waits for a gate.
type slowly struct {
	*storage.InMemory[string, string]
	offering chan struct{} // is told
	gate     chan struct{}
}

func (s *slowly) Offer(ctx context.Context, key string, e *entry.Entry[string]) error {
	s.offering <- struct{}{}
	<-s.gate
	return s.InMemory.Offer(ctx, key, e)
}

// InvalidateTag waits for who stores a value that carries the tag, a Set, a load or a
// Touch, and releases it then. What is dropped from the index meanwhile is not that.
func TestG16InvalidateTagWaitsForWhoStores(t *testing.T) {
	for name, store := range map[string]func(f *memoize.Func[string, string]) error{
		"load":  func(f *memoize.Func[string, string]) error { _, err := f.Call(context.Background(), "a"); return err },
		"set":   func(f *memoize.Func[string, string]) error { return f.Set(context.Background(), "a", "ann") },
		"touch": func(f *memoize.Func[string, string]) error { _, err := f.Touch(context.Background(), "a"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slowly{storage.NewInMemory[string, string](), make(chan struct{}, 100), make(chan struct{})}
				p := &posts{pages: map[string]string{"a": "ann"}}
				f := memoize.Must(memoize.New(p.load, config.Tags(byAuthor), config.Storage[string, string](s), silent))
				if name == "touch" {
					close(s.gate)
					called(t, f, "a")
					s.gate = make(chan struct{})
					<-s.offering
				}
				done := make(chan error, 2)
				go func() { done <- store(f) }()
				<-s.offering
				var invalidated atomic.Bool
				go func() {
					err := f.InvalidateTag(t.Context(), "ann")
					invalidated.Store(true)
					done <- err
				}()
				synctest.Wait()
				if invalidated.Load() {
					t.Error("InvalidateTag does not wait")
				}
				close(s.gate)
				if err := errors.Join(<-done, <-done); err != nil {
					t.Error(err)
				}
				if stored(f, "a") != "" {
					t.Error("the value is still there")
				}
			})
		})
	}
}

// Tags that can't be used fail the load or the Set, as a builder's panic does, and nothing
// else.
func TestG16BadTags(t *testing.T) {
	many := make([]string, 1001)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	var said atomic.Pointer[[]string]
	for name, tags := range map[string][]string{
		"panic": nil, "thousands": many, "empty": {"a", ""}, "long": {strings.Repeat("x", 1025)},
	} {
		said.Store(&tags)
		opts := []config.Option{silent, config.Tags(func(_, v string) []string {
			if v == "fine" {
				return nil
			}
			if *said.Load() == nil {
				panic("boom")
			}
			return *said.Load()
		})}
		one := memoize.Must(memoize.New(func(_ context.Context, k string) (string, error) { return k, nil }, opts...))
		batched := memoize.Must(memoize.NewBatched(func(_ context.Context, ks []string) (map[string]string, error) {
			return map[string]string{"fine": "fine", "bad": "bad"}, nil
		}, opts...))
		for kind, f := range map[string]*memoize.Func[string, string]{"one": one, "batched": batched} {
			_, err := f.Call(t.Context(), "bad")
			setErr := f.Set(t.Context(), "bad", "bad")
			var p *memoize.PanicError
			for _, err := range []error{err, setErr} {
				if bad := errors.Is(err, memoize.ErrTags); err == nil || bad == (name == "panic") || errors.As(err, &p) != (name == "panic") {
					t.Errorf("%s, %s: the error is %v", name, kind, err)
				}
			}
			if stored(f, "bad") != "" {
				t.Errorf("%s, %s: the value is stored", name, kind)
			}
			if vs, err := f.CallMany(t.Context(), []string{"bad", "fine"}); err == nil || vs[1] != "fine" {
				t.Errorf("%s, %s: of two, %v, %v", name, kind, vs, err)
			}
		}
	}
	thousand := many[:1000]
	f := memoize.Must(memoize.New(func(_ context.Context, k string) (string, error) { return k, nil },
		config.Tags(func(_, _ string) []string { return append(slices.Clone(thousand), thousand...) }), silent))
	called(t, f, "k")
	if tagGone(t, f, "999"); stored(f, "k") != "" {
		t.Error("a thousand tags, each twice, are not what they should be")
	}
	for _, tag := range []string{"", strings.Repeat("x", 1025)} {
		if err := f.InvalidateTag(t.Context(), tag); !errors.Is(err, memoize.ErrTags) {
			t.Errorf("InvalidateTag of %d bytes: %v", len(tag), err)
		}
	}
}

// Tags need a storage in memory, and a function that has them.
func TestG16WhereTagsAreRefused(t *testing.T) {
	memory := storage.NewMemory()
	defer memory.Close()
	shared, err := storage.Share(memory)
	if err != nil {
		t.Fatal(err)
	}
	source := func(_ context.Context, k string) (string, error) { return k, nil }
	_, err = memoize.New(source, config.Store(shared), config.Name("f"), config.Tags(byAuthor))
	if err == nil || !strings.Contains(err.Error(), "not in memory") {
		t.Errorf("over a store: %v", err)
	}
	_, err = memoize.New(source, config.Tags(func(int, string) []string { return nil }))
	if err == nil || !strings.Contains(err.Error(), "func(int, string) []string") || !strings.Contains(err.Error(), "func(string, string) []string") {
		t.Errorf("of another type: %v", err)
	}
	if _, err = memoize.New(source, config.Tags[string, string](nil)); err == nil {
		t.Error("nil is taken")
	}
	f := memoize.Must(memoize.New(source, silent))
	called(t, f, "k")
	if err := f.InvalidateTag(t.Context(), "k"); !errors.Is(err, memoize.ErrUnsupported) || stored(f, "k") == "" {
		t.Errorf("without Tags: %v", err)
	}
	if _, err := f.Touch(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	if _, err := f.Save(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Restore(t.Context(), &saved); err != nil {
		t.Fatal(err)
	}
	if err := f.InvalidateTag(t.Context(), "k"); !errors.Is(err, memoize.ErrUnsupported) {
		t.Errorf("without Tags, after Touch and Restore: %v", err)
	}
	live := config.Mutable(config.InMemory[string, string](config.Tags(byAuthor)))
	if err := live.Apply(config.Store(shared)); err == nil || !strings.Contains(err.Error(), "not in memory") {
		t.Errorf("applied: %v", err)
	}
}

// A Support reaches the function by tags as well.
func TestG16ByASupport(t *testing.T) {
	var s invalidation.Support[string]
	if err := s.InvalidateTag(t.Context(), "ann"); !errors.Is(err, invalidation.ErrNotBound) {
		t.Errorf("unbound: %v", err)
	}
	p := &posts{pages: map[string]string{"a": "ann", "b": "bob"}}
	f := memoize.Must(memoize.New(p.load, config.Tags(byAuthor), config.InvalidatedBy(&s), silent))
	called(t, f, "a")
	called(t, f, "b")
	if err := s.InvalidateTag(t.Context(), "ann"); err != nil || stored(f, "a", "b") != "b" {
		t.Errorf("%v, and left is %q", err, stored(f, "a", "b"))
	}
}

// Tags that are applied count for loads that begin from then on; what is stored keeps
// those that it has.
func TestG16TagsThatAreApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := config.Mutable(config.InMemory[string, string]())
		p := &posts{pages: map[string]string{"a": "ann", "b": "ann", "c": "ann", "d": "ann"}}
		f := memoize.Must(memoize.Memoize(p.load, live, silent))
		called(t, f, "a")
		open := p.holds()
		var calls sync.WaitGroup
		calls.Go(func() { called(t, f, "d") })
		synctest.Wait()
		p.lets()
		if err := live.Apply(config.Tags(byAuthor)); err != nil {
			t.Fatal(err)
		}
		called(t, f, "b")
		open() // it has begun under settings without tags
		calls.Wait()
		if err := live.Apply(config.Tags(func(page, _ string) []string { return []string{"page " + page} })); err != nil {
			t.Fatal(err)
		}
		called(t, f, "c")
		if tagGone(t, f, "ann"); stored(f, "a", "b", "c", "d") != "acd" {
			t.Errorf("left is %q", stored(f, "a", "b", "c", "d"))
		}
		if tagGone(t, f, "page c"); stored(f, "a", "b", "c", "d") != "ad" {
			t.Errorf("left is %q", stored(f, "a", "b", "c", "d"))
		}
		called(t, f, "c")
		if err := live.Apply(config.Storage[string, string](storage.NewInMemory[string, string]())); err != nil {
			t.Fatal(err)
		}
		if err := f.Set(t.Context(), "c", "c"); err != nil {
			t.Fatal(err)
		}
		if tagGone(t, f, "page c"); stored(f, "c") != "" {
			t.Error("after a change of the storage tags are lost")
		}
	})
}

// A snapshot has the tags of what it has.
func TestG16TagsAreSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &posts{pages: map[string]string{"a": "ann bob", "b": "bob", "c": ""}}
		saved := func(f *memoize.Func[string, string]) *bytes.Reader {
			var b bytes.Buffer
			for page := range p.pages {
				called(t, f, page)
			}
			if n, err := f.Save(t.Context(), &b); n != 3 || err != nil {
				t.Fatal(n, err)
			}
			return bytes.NewReader(b.Bytes())
		}
		name := config.Name("pages")
		with := saved(memoize.Must(memoize.New(p.load, config.Tags(byAuthor), name, silent)))
		without := saved(memoize.Must(memoize.New(p.load, name, silent)))
		upper := func(page, authors string) []string { return strings.Fields(strings.ToUpper(authors)) }
		keyed := func(page string) string { return page }
		for _, c := range []struct {
			name     string
			from     *bytes.Reader
			f        *memoize.Func[string, string]
			restored string
			tag      string
			left     string
			partial  bool
		}{
			{"the tags that were saved, and not what Tags would say now", with, memoize.Must(memoize.New(p.load, config.Tags(upper), name, silent)), "abc", "ann", "bc", false},
			{"saved without tags, which can be asked for", without, memoize.Must(memoize.New(p.load, config.Tags(upper), name, silent)), "abc", "ANN", "bc", false},
			{"saved without tags, which nobody knows", without, memoize.Must(memoize.NewKeyed(p.load, keyed, config.Tags(upper), name, silent)), "", "ANN", "", true},
			{"saved with tags, by one with keys of its own", with, memoize.Must(memoize.NewKeyed(p.load, keyed, config.Tags(upper), name, silent)), "abc", "bob", "c", false},
		} {
			_, _ = c.from.Seek(0, io.SeekStart)
			n, err := c.f.Restore(t.Context(), c.from)
			if n != len(c.restored) || stored(c.f, "a", "b", "c") != c.restored || errors.Is(err, snapshot.ErrPartial) != c.partial || err != nil && !c.partial {
				t.Errorf("%s: %d are restored, %q, %v", c.name, n, stored(c.f, "a", "b", "c"), err)
			}
			if tagGone(t, c.f, c.tag); stored(c.f, "a", "b", "c") != c.left {
				t.Errorf("%s: left is %q", c.name, stored(c.f, "a", "b", "c"))
			}
		}
		f := memoize.Must(memoize.New(p.load, name, silent))
		_, _ = with.Seek(0, io.SeekStart)
		if n, err := f.Restore(t.Context(), with); n != 3 || err != nil {
			t.Errorf("without Tags %d are restored, %v", n, err)
		}
	})
}

// waitingReader is a reader that waits.
type waitingReader struct {
	io.Reader
	gate chan struct{}
}

func (g *waitingReader) Read(b []byte) (int, error) {
	<-g.gate
	return g.Reader.Read(b)
}

// What a Restore has read does not come back once its tag, or its key by InvalidateWhere,
// was invalidated.
func TestG16ARestoreMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &posts{pages: map[string]string{"a": "ann bob", "b": "bob", "c": "cid", "d": "dan"}}
		fresh := func() *memoize.Func[string, string] {
			return memoize.Must(memoize.New(p.load, config.Tags(byAuthor), config.Name("pages"), silent))
		}
		f := fresh()
		for page := range p.pages {
			called(t, f, page)
		}
		var b bytes.Buffer
		if _, err := f.Save(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		g, in := fresh(), &waitingReader{&b, make(chan struct{})}
		done := make(chan int)
		go func() {
			n, err := g.Restore(t.Context(), in)
			if err != nil {
				t.Error(err)
			}
			done <- n
		}()
		synctest.Wait()
		tagGone(t, g, "ann")
		if n, err := memoize.InvalidateWhere(t.Context(), g, func(page string) bool { return page == "d" }); n != 0 || err != nil {
			t.Errorf("InvalidateWhere: %d, %v", n, err)
		}
		close(in.gate)
		if n := <-done; n != 2 || stored(g, "a", "b", "c", "d") != "bc" {
			t.Errorf("%d are restored: %q", n, stored(g, "a", "b", "c", "d"))
		}
		if tagGone(t, g, "bob"); stored(g, "b", "c") != "c" {
			t.Error("what was restored has lost its tags")
		}
	})
}

// inOneStep is a storage in memory that stores many at once.
type inOneStep struct {
	*storage.InMemory[string, string]
	offered int
}

func (s *inOneStep) GetMany(ctx context.Context, keys []string) (entries []*entry.Entry[string], err error) {
	for _, key := range keys {
		entries = append(entries, s.Find(key))
	}
	return entries, nil
}

func (s *inOneStep) OfferMany(ctx context.Context, keys []string, entries []*entry.Entry[string]) error {
	for i, key := range keys {
		s.offered++
		_ = s.Offer(ctx, key, entries[i])
	}
	return nil
}

func (s *inOneStep) ReleaseMany(ctx context.Context, keys []string) error {
	for _, key := range keys {
		s.Take(key)
	}
	return nil
}

// Of a batch that is stored in one step, those whose tag was invalidated meanwhile are not.
func TestG16ABatchThatIsStoredTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &inOneStep{InMemory: storage.NewInMemory[string, string]()}
		p := &posts{pages: map[string]string{"a": "ann bob", "b": "bob", "c": "cid", "d": "dan"}}
		f := memoize.Must(memoize.NewBatched(p.loadMany, config.Tags(byAuthor), config.Storage[string, string](s), silent))
		if err := f.Set(t.Context(), "a", "old"); err != nil {
			t.Fatal(err)
		}
		open := p.holds()
		var calls sync.WaitGroup
		calls.Go(func() {
			if vs, err := f.RefreshMany(t.Context(), []string{"a", "b", "c", "d"}); err != nil || vs[0] != "ann bob" {
				t.Error(vs, err)
			}
		})
		synctest.Wait()
		p.lets()
		tagGone(t, f, "bob")
		open()
		calls.Wait()
		if stored(f, "a", "b", "c", "d") != "cd" || s.offered != 2 || f.Stats().Fenced != 2 {
			t.Errorf("stored are %q, %d together, and %d were kept out", stored(f, "a", "b", "c", "d"), s.offered, f.Stats().Fenced)
		}
		if tagGone(t, f, "cid"); stored(f, "c", "d") != "d" {
			t.Error("what was stored together has no tags")
		}
	})
}

// A hit of a function with tags allocates nothing.
func TestG16AHitPaysNothingForTags(t *testing.T) {
	asked := 0
	f := memoize.Must(memoize.New(func(_ context.Context, k string) (string, error) { return k, nil },
		config.Tags(func(_, v string) []string { asked++; return []string{v} }), silent))
	called(t, f, "k")
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Call(ctx, "k") }); n != 0 || asked != 1 {
		t.Errorf("a hit allocates %v times, and Tags was asked %d times", n, asked)
	}
}
