package memcachedstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/storage"
)

// A claim is the generation that a record has, or one that is put there for it. A
// Set puts another there, a deletion takes it away; a fill leaves it, and is made
// by compare-and-swap, so that nothing comes between the look at it and the fill.

// tokenSize is that of a token: the generation, until when it may be filled, and the
// order.
const tokenSize = 20

// Claim returns the keys' records, with tokens for Fill: in one round trip to each
// server, and one more for each key, which numbers the claim. What is no record of this store is none,
// without an error, and is overwritten.
func (s *Store) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if len(keys) == 0 {
		return nil, ctx.Err()
	}
	ks, places := grouped(keys)
	items, err := s.getMany(ctx, ks)
	if err != nil {
		return nil, err
	}
	claimed := make([]storage.Claimed, len(keys))
	err = s.sideBySide(len(ks), func(i int) error {
		c, err := s.claim(ctx, ks[i], items[ks[i]], hold)
		for _, at := range places[ks[i]] {
			claimed[at] = c
			claimed[at].Value = append([]byte(nil), c.Value...) // each is its caller's
		}
		return about(keys[places[ks[i]][0]], err)
	})
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

// claim claims a key for which the server had the item a moment ago, or nil.
func (s *Store) claim(ctx context.Context, k string, item *memcache.Item, hold time.Duration) (storage.Claimed, error) {
	for range attempts {
		now := s.clock.Now()
		until := after(now, hold)
		r := record{end: none, generation: rand.Uint64()}
		if item != nil {
			if there, err := recordIn(k, item); err == nil {
				r = there
			}
		}
		r.kept, r.order = max(r.kept, until), r.order.claimed()
		var held bool
		var err error
		if item != nil {
			held, err = s.swap(ctx, k, item, r, now)
		} else {
			err = s.write(ctx, k, func(c *memcache.Client) error { return c.Add(r.item(k, now)) })
			if held = err == nil; errors.Is(err, memcache.ErrNotStored) {
				err = nil
			}
		}
		if err != nil {
			return storage.Claimed{}, err
		}
		if held {
			return storage.Claimed{Record: r.found(now), Token: token(r.generation, until, r.order)}, nil
		}
		if item, _, err = s.get(ctx, k); err != nil && !errors.Is(err, ErrForeign) {
			return storage.Claimed{}, err
		}
	}
	return storage.Claimed{}, ErrContended
}

// Fill stores the items whose claims are good, in two trips for each key, some keys
// side by side.
func (s *Store) Fill(ctx context.Context, fills ...storage.Filling) (stored []bool, err error) {
	keys := make([]string, len(fills))
	for i, fill := range fills {
		keys[i] = fill.Key
	}
	ks, places := grouped(keys)
	stored = make([]bool, len(fills))
	err = s.sideBySide(len(ks), func(i int) error {
		var errs []error
		for _, at := range places[ks[i]] { // of one key the last holds
			ok, err := s.fill(ctx, ks[i], fills[at])
			stored[at] = ok
			errs = append(errs, about(fills[at].Key, err))
		}
		return errors.Join(errs...)
	})
	return stored, err
}

func (s *Store) fill(ctx context.Context, k string, fill storage.Filling) (stored bool, err error) {
	generation, until, claimed, ok := readToken(fill.Token)
	if !ok {
		return false, ctx.Err()
	}
	if err := s.fits(fill.Value); err != nil {
		return false, err
	}
	for range attempts {
		item, r, err := s.get(ctx, k)
		if errors.Is(err, ErrForeign) || err == nil && item == nil {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		now := s.clock.Now()
		if r.generation != generation || !now.Before(until) {
			return false, nil
		}
		order, ok := r.order.fills(claimed, fill.Touch)
		if !ok && r.left(now) > 0 {
			return false, nil
		}
		r.end, r.value, r.order = none, nil, order
		if fill.Keep > 0 {
			r.end, r.value = after(now, fill.Keep), fill.Value
		}
		r.kept = max(r.kept, r.end)
		if swapped, err := s.swap(ctx, k, item, r, now); err != nil || swapped {
			return swapped, err
		}
	}
	return false, ErrContended
}

// CompareAndSwap stores the item if the record is what the claim has returned, in two trips
// or, while others claim the record, some more. Where a connection was cut and the trip
// made again, and others have changed the record meanwhile, it is ErrSentTwice.
func (s *Store) CompareAndSwap(ctx context.Context, was storage.Claimed, item storage.Item) (swapped bool, err error) {
	generation, until, _, ok := readToken(was.Token)
	if !ok {
		return false, ctx.Err()
	}
	if err := s.fits(item.Value); err != nil {
		return false, about(item.Key, err)
	}
	k := onServer(item.Key)
	for range attempts {
		there, r, err := s.get(ctx, k)
		now := s.clock.Now()
		switch {
		case errors.Is(err, ErrForeign) || err == nil && there == nil:
			return false, nil
		case err != nil:
			return false, about(item.Key, err)
		case r.generation != generation || !now.Before(until):
			return false, nil
		}
		if found := r.found(now); found.Found != was.Found || !bytes.Equal(found.Value, was.Value) {
			return false, nil
		}
		mine := newRecord(now, item.Value, item.Keep)
		if item.Keep <= 0 {
			mine.value = nil
		}
		next, sent := mine.item(k, now), 0
		next.CasID = there.CasID
		err = s.write(ctx, k, func(c *memcache.Client) error {
			sent++
			return c.CompareAndSwap(next)
		})
		switch {
		case err == nil:
			return true, nil
		case !hasChanged(err):
			return false, about(item.Key, err)
		case sent > 1: // the first time it may have been done
			return s.isThere(ctx, k, item.Key, mine.generation)
		}
	}
	return false, about(item.Key, ErrContended)
}

// isThere reports whether the record has a generation that nobody else makes.
func (s *Store) isThere(ctx context.Context, k, key string, generation uint64) (bool, error) {
	there, r, err := s.get(ctx, k)
	switch {
	case err == nil && there != nil && r.generation == generation:
		return true, nil
	case err == nil, errors.Is(err, ErrForeign):
		err = ErrSentTwice
	}
	return false, about(key, err)
}

// grouped is the servers' keys, each once, and where each stands among the keys.
func grouped(keys []string) (ks []string, places map[string][]int) {
	places = make(map[string][]int, len(keys))
	for i, key := range keys {
		k := onServer(key)
		if places[k] == nil {
			ks = append(ks, k)
		}
		places[k] = append(places[k], i)
	}
	return ks, places
}

func token(generation uint64, until int64, claimed order) string {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, tokenSize), generation)
	b = binary.BigEndian.AppendUint64(b, uint64(until))
	return string(binary.BigEndian.AppendUint32(b, claimed.flags()))
}

func readToken(text string) (generation uint64, until time.Time, claimed order, ok bool) {
	if len(text) != tokenSize {
		return 0, until, claimed, false
	}
	b := []byte(text)
	return binary.BigEndian.Uint64(b), time.Unix(0, int64(binary.BigEndian.Uint64(b[8:]))), orderOf(binary.BigEndian.Uint32(b[16:])), true
}

// sideBySide is for what needs a trip for each key.
func (s *Store) sideBySide(n int, f func(i int) error) error {
	return sideBySide(n, len(s.nodes)*cap(s.nodes[0].places), f)
}
