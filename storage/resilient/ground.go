package resilient

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// ground is the store beneath, whatever it is, as one with versions.
type ground interface {
	look(ctx context.Context, key string) (storage.Versioned, error)
	// swap is told as made also where it was made before.
	swap(ctx context.Context, c storage.Change) (made bool, err error)
	// becomes is the version that a change to this makes.
	becomes(value []byte, keep time.Duration) string
}

// versioned is a store that has versions of its own.
type versioned struct{ storage.VersionedBytes }

func (v versioned) look(ctx context.Context, key string) (storage.Versioned, error) {
	found, err := v.Look(ctx, key)
	if err != nil {
		return storage.Versioned{}, err
	}
	return found[0], nil
}

func (v versioned) swap(ctx context.Context, c storage.Change) (bool, error) {
	made, err := v.Swap(ctx, c)
	if err != nil {
		return false, err
	}
	return made[0], nil
}

func (versioned) becomes([]byte, time.Duration) string { return rand.Text() }

// plain is a store without versions: what a record is, is what is in it. Between
// look and swap anything may happen.
type plain struct{ storage.Bytes }

func (p plain) look(ctx context.Context, key string) (storage.Versioned, error) {
	r, err := p.Get(ctx, key)
	if err != nil || !r.Found {
		return storage.Versioned{}, err
	}
	return storage.Versioned{Record: r, Version: sum(r.Value)}, nil
}

func (p plain) swap(ctx context.Context, c storage.Change) (bool, error) {
	found, err := p.look(ctx, c.Key)
	if err != nil {
		return false, err
	}
	if found.Version == c.Becomes {
		return true, nil
	}
	if found.Version != c.Was {
		return false, nil
	}
	if adder, ok := p.Bytes.(storage.AdderBytes); ok && !found.Found {
		return adder.Add(ctx, c.Key, c.Value, c.Keep)
	}
	return true, p.Set(ctx, c.Key, c.Value, c.Keep)
}

func (plain) becomes(value []byte, keep time.Duration) string {
	if keep <= 0 {
		return ""
	}
	return sum(value)
}

// fenced is a store that compares under a claim. What is deleted there is deleted
// whatever it was: a cache loses nothing by that.
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
	version := ""
	if claims[0].Found {
		version = sum(claims[0].Value)
	}
	if version == c.Becomes {
		return true, nil
	}
	if version != c.Was {
		return false, nil
	}
	stored, err := f.fence.Fill(ctx, storage.Filling{Item: c.Item, Token: claims[0].Token})
	if err != nil {
		return false, err
	}
	return stored[0], nil
}

// sum stands for a value.
func sum(value []byte) string {
	s := sha256.Sum256(value)
	return hex.EncodeToString(s[:16])
}
