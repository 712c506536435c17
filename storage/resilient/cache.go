package resilient

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// Cache is a Store for memoized functions. It has the claims that keep values out of a
// shared store that were loaded before an invalidation. Give it to storage.Share. Its
// methods may be called concurrently. Close it.
//
// While the store is away, the Cache keeps what a function loads for this process alone,
// and forgets it when the store is back: another process may have invalidated it
// meanwhile. A Delete waits, and then deletes whatever is there. A Set waits, and stores
// its value if nobody has changed the record.
type Cache struct {
	s     *Store
	fence storage.FencedBytes
	born  time.Time
}

var _ interface {
	storage.Bytes
	storage.FencedBytes
	storage.KeyLimit
} = (*Cache)(nil)

// FencedStore is a store that a Cache can be made over, such as memcachedstore.Store.
type FencedStore interface {
	storage.Bytes
	storage.FencedBytes
}

// NewCache makes a Cache over a store, which stays the caller's to close. For a store
// that lists its keys and takes many at a time, use NewBulkCache.
func NewCache(store FencedStore, opts ...Option) (*Cache, error) {
	if store == nil {
		return nil, errors.New("resilient: the store is nil: give it one, such as redisstore.New(client)")
	}
	s, err := newStore(store, opts)
	if err != nil {
		return nil, err
	}
	s.backend.versions, s.backend.deletesAlways = fenced{plain{store}, store, s.timeout}, true
	return &Cache{s, store, s.clock.Now()}, nil
}

// Get is Store.Get.
func (c *Cache) Get(ctx context.Context, key string) (storage.Record, error) {
	return c.s.Get(ctx, key)
}

// Set is Store.Set.
func (c *Cache) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return c.s.Set(ctx, key, value, keep)
}

// Delete is Store.Delete, except that a deletion that has waited deletes whatever is
// there.
func (c *Cache) Delete(ctx context.Context, key string) (existed bool, err error) {
	return c.s.Delete(ctx, key)
}

// Flush is Store.Flush.
func (c *Cache) Flush(ctx context.Context) error { return c.s.Flush(ctx) }

// Close is Store.Close.
func (c *Cache) Close(ctx context.Context) error { return c.s.Close(ctx) }

// Stats is Store.Stats.
func (c *Cache) Stats() Stats { return c.s.Stats() }

// MaxKey is Store.MaxKey.
func (c *Cache) MaxKey() int { return c.s.MaxKey() }

// String names the underlying store.
func (c *Cache) String() string { return c.s.String() }

// Claim claims the keys in the store, or in this process while the store is away or
// changes to them wait.
func (c *Cache) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	s := c.s
	claims := make([]storage.Claimed, len(keys))
	tokens := make([]token, len(keys))
	var there []string
	places, generation, err := s.split(ctx, len(keys), func(i int) bool {
		tokens[i] = c.token(keys[i], hold)
		if s.local(keys[i]) {
			return true
		}
		there = append(there, keys[i])
		return false
	})
	if err != nil {
		return nil, err
	}
	var found []storage.Claimed
	if len(there) > 0 {
		verdict, err := s.link.call(ctx, generation, there[0], func(ctx context.Context) (err error) {
			found, err = c.fence.Claim(ctx, hold, there...)
			return err
		})
		switch {
		case verdict.away():
			places = nil
		case err != nil:
			return nil, err
		}
	}
	s.lock()
	defer s.unlock()
	for n, i := range places {
		claims[i] = storage.Claimed{Record: found[n].Record, Token: tokens[i].text(found[n].Token)}
		c.remember(keys[i], tokens[i].epoch, found[n].Record)
	}
	for i, key := range keys {
		if claims[i].Token == "" { // it is claimed here
			r, _ := s.known(key)
			claims[i] = storage.Claimed{Record: cloned(r), Token: c.token(key, hold).text("")}
		}
	}
	return claims, nil
}

// Fill fills claims in the store. While the store is away, it fills the claims that were
// made in this process here, and reports them as stored; so it does with those that the
// store does not answer.
func (c *Cache) Fill(ctx context.Context, fills ...storage.Filling) (stored []bool, err error) {
	s := c.s
	stored = make([]bool, len(fills))
	tokens := make([]token, len(fills))
	var there []storage.Filling
	places, generation, err := s.split(ctx, len(fills), func(i int) bool {
		f := fills[i]
		tokens[i], f.Token = parseToken(f.Token)
		switch {
		case s.breaker.away():
			stored[i] = c.fillHere(f.Item, tokens[i])
			return true
		case s.outbox.get(f.Key) != nil || f.Token == "":
			return true
		}
		there = append(there, f)
		return false
	})
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return stored, nil
	}
	var filled []bool
	verdict, err := s.link.call(ctx, generation, there[0].Key, func(ctx context.Context) (err error) {
		filled, err = c.fence.Fill(ctx, there...)
		return err
	})
	away := verdict.away()
	if away {
		err = nil
	}
	s.lock()
	defer s.unlock()
	for n, i := range places {
		f := there[n].Item
		switch {
		case away:
			stored[i] = c.fillHere(f, tokens[i])
		case n < len(filled) && filled[n]:
			stored[i] = true
			c.remember(f.Key, tokens[i].epoch, storage.Record{Value: f.Value, Left: f.Keep, Found: f.Keep > 0})
		}
	}
	return stored, err
}

// remember keeps a copy of a record of the store, unless this process has changed it
// since that epoch.
func (c *Cache) remember(key string, epoch uint64, r storage.Record) {
	if epoch == c.s.mirror.mark(key).own {
		c.s.mirror.put(c.s.copyFound(hashed(r), key))
	}
}

// fillHere keeps a copy of what was loaded, unless the key was deleted or set since it
// was claimed, or the store was back meanwhile. The store still has what was seen there
// before.
func (c *Cache) fillHere(item storage.Item, claimed token) bool {
	s := c.s
	now := s.clock.Now()
	if claimed.generation != s.breaker.generation || claimed.epoch != s.mirror.mark(item.Key).own || s.clock.Since(c.born) >= claimed.until {
		return false
	}
	one := newCopy(item.Key, append([]byte{}, item.Value...), item.Keep, now)
	if p := s.outbox.get(item.Key); p != nil {
		if p.parts[0].kind != deletes || !s.outbox.fits(p, p.key, p.parts, one, p.sent) {
			return false // a Set comes first
		}
		p.result = one // until the deletion is delivered
		s.outbox.setParts(p, p.parts)
		return true
	}
	one.versions = s.mirror.copies.get(item.Key).possible(now)
	s.mirror.put(one)
	return true
}

// token identifies a claim by the state of its key when it was made. If the claim was
// made in the store, the store's own token follows.
type token struct {
	generation, epoch uint64
	until             time.Duration // since the Cache was made
}

const tokenSize = 3 * 8

func (c *Cache) token(key string, hold time.Duration) token {
	s := c.s
	until := s.clock.Since(c.born)
	return token{s.breaker.generation, s.mirror.mark(key).own, until + min(hold, storage.Forever-until)}
}

func (t token) text(theirs string) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, tokenSize+len(theirs)), t.generation)
	b = binary.BigEndian.AppendUint64(b, t.epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(t.until))
	return string(append(b, theirs...))
}

func parseToken(text string) (t token, theirs string) {
	if len(text) < tokenSize {
		return token{generation: ^uint64(0)}, ""
	}
	b := []byte(text[:tokenSize])
	return token{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:]), time.Duration(binary.BigEndian.Uint64(b[16:]))}, text[tokenSize:]
}

// clear drops what is known here of the keys that begin with the prefix.
func (c *core) clear(prefix string) {
	for key, e := range c.outbox.byKey {
		if strings.HasPrefix(key, prefix) {
			p := e.Value.(*pending)
			c.outbox.total.Superseded += uint64(len(p.parts))
			c.outbox.remove(p)
		}
	}
	for key := range c.mirror.copies.byKey {
		if strings.HasPrefix(key, prefix) {
			c.mirror.copies.drop(key)
		}
	}
	for i := range c.mirror.epochs.own {
		c.mirror.epochs.own[i]++
	}
}

// errAway says that something can't be done while the store is away.
func (c *core) errAway() error { return fmt.Errorf("%w: %w", ErrAway, c.breaker.err) }
