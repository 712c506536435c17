package memoize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/observe"
	"github.com/perennial-go/perennial/statuses"
	"github.com/perennial-go/perennial/storage"
)

// Tags. A load learns the tags of its value when the source has returned it. It enters
// them into the index then, and compares. From there until its update has ended, the key
// is one of those that InvalidateTag invalidates, so the fence of the registry does the
// rest:
//
//	load           asks ........................... enters: T is newer than the load, not stored
//	InvalidateTag       records T ─ finds nothing
//
//	load           asks ─ enters ─────────────────────────────── publishes: fenced
//	InvalidateTag                  records T ─ finds the key, invalidates it
//
// Calls may join until the load enters, and after InvalidateTag has returned, for nobody
// knows that the key carries T. They look again: see statuses.Outdated.

const (
	maxTags = 1000 // of a value
	maxTag  = 1024 // bytes of a tag
)

// distinctTags is what Tags has said of a value, checked, sorted and without repetition.
func distinctTags(given []string) ([]string, error) {
	if len(given) == 0 {
		return nil, nil
	}
	tags := slices.Clone(given)
	slices.Sort(tags)
	tags = slices.Compact(tags)
	if len(tags) > maxTags {
		return nil, fmt.Errorf("%w: it has %d, and may have %d: name fewer, of what is invalidated together", ErrTags, len(tags), maxTags)
	}
	for _, tag := range tags {
		if err := checkTag(tag); err != nil {
			return nil, err
		}
	}
	return tags, nil
}

func checkTag(tag string) error {
	switch {
	case tag == "":
		return fmt.Errorf("%w: one is empty: leave it out", ErrTags)
	case len(tag) > maxTag:
		return fmt.Errorf("%w: one has %d bytes, and may have %d: use a hash of it", ErrTags, len(tag), maxTag)
	}
	return nil
}

// learnTags gives a value its tags, and enters the key. A panic of user code is not caught.
func (l *load[A, K, V]) learnTags(j *job[A, K, V], b *built[V]) (err error) {
	if b.tags, err = distinctTags(l.plan.settings.Tags(j.arg, b.value)); err != nil || len(b.tags) == 0 {
		return err
	}
	if j.outdated = !l.e.enterTags(l.plan, j.key, b, l.began); !j.outdated {
		j.tags = len(b.tags)
	}
	return nil
}

// enterTags enters what is about to be stored into the index, unless a tag was invalidated
// since began.
func (c *core[A, K, V]) enterTags(p *plan[A, K, V], key K, b *built[V], began uint64) bool {
	return c.tags.Enter(key, b.created, b.tags, began, c.isStored(p, key, b.created))
}

// dropOutdated ends a load, which holds the key, as if its value had been stored and
// released at once: what was stored before is older still, and goes too. A Set that
// something newer has superseded relies on that.
func (l *load[A, K, V]) dropOutdated(j *job[A, K, V], b *built[V]) error {
	l.drop(j, b, statuses.ErrFenced)
	return l.e.stores.release(l.storing(), l.plan, j.key, observe.ReleaseInvalidated)
}

// isStored tells whether a plan's storage has the key's entry of an instant. It may be
// user code: what that does not answer counts as stored.
func (c *core[A, K, V]) isStored(p *plan[A, K, V], key K, created entry.Instant) (stored bool) {
	if p.memory != nil {
		e := p.memory.Find(key)
		return e != nil && e.Created() == created
	}
	stored = true
	_ = safely(func() error {
		e, err := p.settings.Storage.Get(c.life, key)
		stored = err != nil || e != nil && e.Created() == created
		return nil
	})
	return stored
}

// tidyBehind drops what is dead in the measure in which tags were entered.
func (c *core[A, K, V]) tidyBehind(entered int) { c.tidy(4 * entered) }

// tidy looks at n items of the index, and drops what is dead.
func (c *core[A, K, V]) tidy(n int) {
	used := c.plans.useAll(nil)
	defer func() {
		for _, p := range used {
			c.plans.unuse(p)
		}
	}()
	c.tags.Tidy(n, c.lives(used))
}

// tidyAfter drops what is dead after a sweep: all of it if nothing is left that may come
// to be stored again, and lead to that.
func (c *core[A, K, V]) tidyAfter(p *plan[A, K, V], dropped int) {
	n := c.tags.Size().Items
	if s, ok := p.settings.Storage.(storage.Sizer); !ok || s.Len() > 0 {
		n = min(n, dropped)
	}
	if n > 0 {
		c.tidy(n)
	}
}

// tidyAll drops all that is dead.
func (c *core[A, K, V]) tidyAll() {
	if n := c.tags.Size().Items; n > 0 {
		c.tidy(n)
	}
}

// lives tells what is live in the storages of plans.
func (c *core[A, K, V]) lives(used []*plan[A, K, V]) func(key K, created entry.Instant) bool {
	return func(key K, created entry.Instant) bool {
		return slices.ContainsFunc(used, func(p *plan[A, K, V]) bool { return p.local && c.isStored(p, key, created) })
	}
}

// InvalidateTag makes the function forget every value that carries the tag, as
// Invalidate does for one: a call that begins after it has returned never gets a value
// that carries the tag and whose load began before it, also where the load learns of the
// tag only at its end. That value is then not stored, and what it was to replace is
// released. It also supersedes a Set of such a value that has not returned.
//
// It takes the time of as many Invalidates as there are values with the tag. The errors
// are those of Invalidate, ErrTags for a tag that no value can have, and ErrUnsupported
// for a function that has no config.Tags. With an error from its context some values may
// still be served: call it again.
func (f *Func[A, V]) InvalidateTag(ctx context.Context, tag string) error {
	return f.verbs.invalidateTag(ctx, tag)
}

func (e *engine[A, K, V]) invalidateTag(ctx context.Context, tag string) error {
	p, err := e.snapshotToInvalidate()
	if err != nil {
		return err
	}
	if p.settings.Tags == nil && !e.tags.Used() {
		return fmt.Errorf("%w: InvalidateTag needs config.Tags, and %s has none", ErrUnsupported, e.name)
	}
	if err := checkTag(tag); err != nil {
		return err
	}
	used := e.plans.useAll(nil)
	defer func() {
		for _, p := range used {
			e.plans.unuse(p)
		}
	}()
	found := e.tags.Invalidate(tag)
	var errs []error
	found.Keys(e.lives(used), func(key K) bool {
		if err := e.invalidateKey(ctx, key); err != nil {
			errs = append(errs, err)
		}
		return true
	})
	if len(errs) == 0 {
		e.tags.Forget(found)
	}
	return brief(errors.Join(errs...))
}
