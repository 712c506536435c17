package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets of the file.
var (
	aboutBucket  = []byte("perennial")        // what the file is
	recordBucket = []byte("perennial.record") // the records under their keys
	orderBucket  = []byte("perennial.order")  // number: key, in the order of writing
	endBucket    = []byte("perennial.end")    // end, number: key, of those that have an end
)

const (
	// maxKey is one byte less than bbolt takes, for inFile.
	maxKey = bbolt.MaxKeySize - 1
	// overhead is what a record is taken to need besides its key and value.
	overhead = 64
	// sweepSize is how many expired records go with a write.
	sweepSize = 8
)

// inFile is a key as the file has it: after one byte, for bbolt has no empty key.
func inFile(key string) []byte { return appendKey(make([]byte, 0, 1+len(key)), key) }

func appendKey(b []byte, key string) []byte { return append(append(b, '='), key...) }

// table is the file within one transaction that writes.
type table struct {
	s                   *Store
	now                 time.Time
	record, order, ends *bbolt.Bucket
	used                int64 // what the records are taken to need
	changed             bool
	again               []func()        // drops of claims, to be repeated after the commit
	fills               map[string]mark // whose values are in the file after the commit
}

func (s *Store) table(tx *bbolt.Tx) *table {
	t := &table{
		s: s, now: s.options.Clock.Now(), used: s.used, fills: map[string]mark{},
		record: tx.Bucket(recordBucket), order: tx.Bucket(orderBucket), ends: tx.Bucket(endBucket),
	}
	t.order.FillPercent, t.ends.FillPercent = 0.9, 0.9 // they grow at their ends
	return t
}

// has reports whether there is a record that a read would find.
func (t *table) has(key []byte) bool {
	end, _, _, err := unseal(key, t.record.Get(key))
	return err == nil && end > nanos(t.now)
}

// put makes a record of a draft, in place of the key's old one. Claims stay.
func (t *table) put(key, r []byte, end int64) error {
	if err := t.remove(key); err != nil {
		return err
	}
	number, err := t.order.NextSequence()
	if err != nil {
		return err
	}
	seal(key, r, end, number)
	t.changed = true
	t.used += charge(key, r)
	if err := t.order.Put(orderKey(number), key); err != nil {
		return err
	}
	if end != never {
		if err := t.ends.Put(endKey(end, number), key); err != nil {
			return err
		}
	}
	return t.record.Put(key, r)
}

// remove deletes a record. What stands for it in the other buckets is left
// behind if the record is damaged; evict and sweep find that.
func (t *table) remove(key []byte) error {
	r := t.record.Get(key)
	if r == nil {
		return nil
	}
	t.changed = true
	t.used -= charge(key, r)
	if end, number, _, err := unseal(key, r); err == nil {
		if err := t.order.Delete(orderKey(number)); err != nil {
			return err
		}
		if err := t.ends.Delete(endKey(end, number)); err != nil {
			return err
		}
	}
	return t.record.Delete(key)
}

// move gives a record another end.
func (t *table) move(key []byte, end int64) error {
	old, number, value, err := unseal(key, t.record.Get(key))
	if err != nil {
		return err
	}
	r := draft(value)
	seal(key, r, end, number)
	t.changed = true
	if err := t.ends.Delete(endKey(old, number)); err != nil {
		return err
	}
	if end != never {
		if err := t.ends.Put(endKey(end, number), key); err != nil {
			return err
		}
	}
	return t.record.Put(key, r)
}

// sweep deletes up to so many records that have expired.
func (t *table) sweep(most int) error {
	for ; most > 0; most-- {
		k, key := t.ends.Cursor().First()
		if k == nil || len(k) == 16 && int64(binary.BigEndian.Uint64(k)) > nanos(t.now) {
			return nil
		}
		if err := t.unlist(t.ends, k, key, 8); err != nil {
			return err
		}
	}
	return nil
}

// evict deletes what was written first until the rest fits.
func (t *table) evict() (err error) {
	for t.used > t.s.capacity && err == nil {
		if k, key := t.order.Cursor().First(); k != nil {
			err = t.unlist(t.order, k, key, 0)
		} else if key, _ := t.record.Cursor().First(); key != nil {
			err = t.remove(bytes.Clone(key)) // damage has cost it its place
		} else {
			t.used = 0
		}
	}
	return err
}

// unlist deletes an item of the bucket given, and the record that it stands
// for. It stands for none where that was damaged when it was removed.
func (t *table) unlist(bucket *bbolt.Bucket, k, key []byte, at int) error {
	t.changed = true
	k, key = bytes.Clone(k), bytes.Clone(key) // what follows changes their page
	if err := bucket.Delete(k); err != nil {
		return err
	}
	r := t.record.Get(key)
	_, number, _, err := unseal(key, r)
	if r == nil || err == nil && (len(k) < at+8 || binary.BigEndian.Uint64(k[at:]) != number) {
		return nil
	}
	return t.remove(key)
}

// drop ends the claims of a key.
func (t *table) drop(key string) {
	drop := func() { t.s.claims.drop(key) }
	drop()
	t.again = append(t.again, drop)
}

// dropAll ends the claims of the keys that begin with a prefix.
func (t *table) dropAll(prefix string) {
	drop := func() { t.s.claims.dropAll(prefix) }
	drop()
	t.again = append(t.again, drop)
}

func orderKey(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }

func endKey(end int64, number uint64) []byte {
	return binary.BigEndian.AppendUint64(orderKey(uint64(end)), number)
}

// charge is what a record counts for in the capacity.
func charge(key, r []byte) int64 { return int64(len(key)) + int64(len(r)) + overhead }

// fits is an error where a key or a value is too long.
func (s *Store) fits(key string, value []byte, keep time.Duration) error {
	if len(key) > maxKey {
		return fmt.Errorf("%w: %w", ErrKey, fmt.Errorf("it has %d bytes, at most %d are possible: hash it", len(key), maxKey))
	}
	if need := int64(len(key)) + int64(len(value)) + 1 + headerSize + overhead; need > s.capacity && keep > 0 {
		return fmt.Errorf("%w: %w", ErrTooLarge, fmt.Errorf("it needs %d bytes of %d: raise the capacity, or compress it", need, s.capacity))
	}
	return nil
}

// shown is a key for errors, which may go to logs: quoted and cut.
func shown(key string) string {
	const most = 80
	if len(key) > most {
		key = strings.ToValidUTF8(key[:most], "") + "…"
	}
	return fmt.Sprintf("%q", key)
}
