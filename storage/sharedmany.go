package storage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// What a shared can do beyond Storage, if the store beneath can.

type sharedBulkReader[K comparable, V any] struct {
	*shared[K, V]
	bytes BulkReaderBytes
}

type sharedBulk[K comparable, V any] struct {
	sharedBulkReader[K, V]
	bytes BulkBytes
}

func (s sharedBulkReader[K, V]) GetMany(ctx context.Context, keys []K) ([]*entry.Entry[V], error) {
	entries := make([]*entry.Entry[V], len(keys))
	texts, places, errs := s.texts(keys)
	if len(texts) == 0 {
		return entries, errors.Join(errs...)
	}
	records, err := s.bytes.GetMany(ctx, texts)
	errs = append(errs, itemsAt(err, places)...)
	for i, r := range records {
		e, err := s.read(texts[i], r)
		if entries[places[i]] = e; err != nil {
			errs = append(errs, &ItemError{places[i], err})
		}
	}
	return entries, errors.Join(errs...)
}

func (s sharedBulk[K, V]) OfferMany(ctx context.Context, keys []K, entries []*entry.Entry[V]) error {
	if len(keys) != len(entries) {
		return fmt.Errorf("storage: OfferMany is given %d keys and %d entries: give one entry for each", len(keys), len(entries))
	}
	var errs []error
	items, places := make([]Item, 0, len(keys)), make([]int, 0, len(keys))
	for i, key := range keys {
		item, err := s.write(key, entries[i])
		if err != nil {
			errs = append(errs, &ItemError{i, err})
			continue
		}
		items, places = append(items, item), append(places, i)
	}
	if len(items) > 0 {
		errs = append(errs, itemsAt(s.bytes.SetMany(ctx, items), places)...)
	}
	return errors.Join(errs...)
}

func (s sharedBulk[K, V]) ReleaseMany(ctx context.Context, keys []K) error {
	texts, places, errs := s.texts(keys)
	if len(texts) > 0 {
		_, err := s.bytes.DeleteMany(ctx, texts)
		errs = append(errs, itemsAt(err, places)...)
	}
	return errors.Join(errs...)
}

// texts is the keys' texts, and where among the keys each stands: one that has
// none is left out.
func (s *shared[K, V]) texts(keys []K) (texts []string, places []int, errs []error) {
	texts, places = make([]string, 0, len(keys)), make([]int, 0, len(keys))
	for i, key := range keys {
		text, err := s.KeyText(key)
		if err != nil {
			errs = append(errs, &ItemError{i, err})
			continue
		}
		texts, places = append(texts, text), append(places, i)
	}
	return texts, places, errs
}

type sharedFenced[K comparable, V any] struct {
	*shared[K, V]
	bytes FencedBytes
}

func (s sharedFenced[K, V]) Claim(ctx context.Context, hold time.Duration, keys ...K) ([]Claim[V], error) {
	claims := make([]Claim[V], len(keys))
	texts, places, errs := s.texts(keys)
	if len(texts) == 0 {
		return claims, errors.Join(errs...)
	}
	claimed, err := s.bytes.Claim(ctx, hold, texts...)
	if errs = append(errs, itemsAt(err, places)...); len(claimed) != len(texts) {
		return nil, errors.Join(errs...)
	}
	for i, c := range claimed {
		claim := &claims[places[i]]
		claim.Token, claim.record = c.Token, c.Record
		claim.Entry, claim.Err = s.read(texts[i], c.Record)
	}
	return claims, errors.Join(errs...)
}

func (s sharedFenced[K, V]) Fill(ctx context.Context, fills ...Fill[K, V]) ([]bool, error) {
	stored := make([]bool, len(fills))
	var errs []error
	var places []int
	var fillings []Filling
	for i, f := range fills {
		item, err := s.write(f.Key, f.Entry)
		if err != nil {
			errs = append(errs, &ItemError{i, err})
			continue
		}
		fillings, places = append(fillings, Filling{item, f.Token, f.Touch}), append(places, i)
	}
	if len(fillings) > 0 {
		filled, err := s.bytes.Fill(ctx, fillings...)
		errs = append(errs, itemsAt(err, places)...)
		for i, ok := range filled {
			stored[places[i]] = ok
		}
	}
	return stored, errors.Join(errs...)
}

type sharedSwapper[K comparable, V any] struct {
	sharedFenced[K, V]
	bytes SwapperBytes
}

func (s sharedSwapper[K, V]) CompareAndSwap(ctx context.Context, key K, was Claim[V], e *entry.Entry[V]) (swapped bool, err error) {
	item, err := s.write(key, e)
	if err != nil {
		return false, err
	}
	return s.bytes.CompareAndSwap(ctx, Claimed{Record: was.record, Token: was.Token}, item)
}

type sharedClearer[K comparable, V any] struct {
	*shared[K, V]
	bytes ListerBytes
}

func (s sharedClearer[K, V]) Clear(ctx context.Context) error { return s.bytes.Clear(ctx, s.space) }
