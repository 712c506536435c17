package resilient

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// backend is the store below.
type backend struct {
	versions
	store         storage.Bytes
	versioned     bool                  // it has versions of its own, so every change is compared; else only those that have waited
	deletesAlways bool                  // a deletion is never compared
	stateful      storage.StatefulBytes // nil without WriteAgain
}

// versions is a store with versions, its own or such as are made here.
type versions interface {
	look(ctx context.Context, key string) (storage.Versioned, error)
	// swap reports made also if the change was made before.
	swap(ctx context.Context, c storage.Change) (made bool, err error)
	// next returns the version that a change to this value makes.
	next(value []byte, keep time.Duration) string
}

// write makes a change that has not waited.
func (b *backend) write(ctx context.Context, c storage.Change) (made, existed bool, err error) {
	switch {
	case b.versioned:
		made, err = b.swap(ctx, c)
		return made, false, err
	case c.Keep <= 0:
		existed, err = b.store.Delete(ctx, c.Key)
		return err == nil, existed, err
	}
	err = b.store.Set(ctx, c.Key, c.Value, c.Keep)
	return err == nil, false, err
}

// change returns the change of a record from one version to a value.
func (b *backend) change(item storage.Item, was string) storage.Change {
	return storage.Change{Item: item, Was: was, Becomes: b.next(item.Value, item.Keep)}
}

// versioned is a store that has versions of its own.
type versioned struct{ storage.VersionedBytes }

func (v versioned) look(ctx context.Context, key string) (storage.Versioned, error) {
	return first(v.Look(ctx, key))
}

func (v versioned) swap(ctx context.Context, c storage.Change) (bool, error) {
	return first(v.Swap(ctx, c))
}

func (versioned) next([]byte, time.Duration) string { return rand.Text() }

// plain is a store without versions: the hash of a record's value stands for its
// version. Others may change the record between look and swap.
type plain struct{ storage.Bytes }

func (p plain) look(ctx context.Context, key string) (storage.Versioned, error) {
	r, err := p.Get(ctx, key)
	if err != nil {
		return storage.Versioned{}, err
	}
	return hashed(r), nil
}

func (p plain) swap(ctx context.Context, c storage.Change) (bool, error) {
	found, err := p.look(ctx, c.Key)
	if err != nil {
		return false, err
	}
	if found.Version == c.Becomes || found.Version != c.Was { // it was made before, or can't be
		return found.Version == c.Becomes, nil
	}
	if adder, ok := p.Bytes.(storage.AdderBytes); ok && !found.Found {
		return adder.Add(ctx, c.Key, c.Value, c.Keep)
	}
	return true, p.Set(ctx, c.Key, c.Value, c.Keep)
}

func (plain) next(value []byte, keep time.Duration) string {
	if keep <= 0 {
		return ""
	}
	return hash(value)
}

// fenced is a store that compares under a claim. It deletes a record whatever the
// record is: a cache loses nothing by that.
type fenced struct {
	plain
	fence storage.FencedBytes
	hold  time.Duration
}

func (f fenced) swap(ctx context.Context, c storage.Change) (bool, error) {
	if c.Keep <= 0 {
		_, err := f.Delete(ctx, c.Key)
		return true, err
	}
	claims, err := f.fence.Claim(ctx, f.hold, c.Key)
	if err != nil {
		return false, err
	}
	version := hashed(claims[0].Record).Version
	if version == c.Becomes || version != c.Was { // it was made before, or can't be
		return version == c.Becomes, nil
	}
	return first(f.fence.Fill(ctx, storage.Filling{Item: c.Item, Token: claims[0].Token}))
}

// first returns the first result, unless there is an error.
func first[T any](all []T, err error) (one T, _ error) {
	if err == nil {
		one = all[0]
	}
	return one, err
}

// hashed returns the record of a store without versions, with the hash of its value as
// its version.
func hashed(r storage.Record) storage.Versioned {
	if !r.Found {
		return storage.Versioned{}
	}
	return storage.Versioned{Record: r, Version: hash(r.Value)}
}

func hash(value []byte) string {
	s := sha256.Sum256(value)
	return hex.EncodeToString(s[:16])
}
