package storage

import (
	"context"
	"iter"
	"time"
)

// Null is a Bytes that keeps nothing: Set succeeds, and nothing is ever found. Use it to
// try what a program does without its store.
//
// It is cachetory's DummyBackend.
type Null struct{}

func init() {
	Register(func(_ context.Context, u *URL) (Bytes, error) { return Null{}, u.Check() }, "null")
}

// Get finds nothing.
func (Null) Get(ctx context.Context, _ string) (Record, error) { return Record{}, ctx.Err() }

// Set stores nothing.
func (Null) Set(ctx context.Context, _ string, _ []byte, _ time.Duration) error { return ctx.Err() }

// Delete reports that there was nothing.
func (Null) Delete(ctx context.Context, _ string) (bool, error) { return false, ctx.Err() }

// GetMany finds nothing.
func (Null) GetMany(ctx context.Context, keys []string) ([]Record, error) {
	return make([]Record, len(keys)), ctx.Err()
}

// SetMany stores nothing.
func (Null) SetMany(ctx context.Context, _ []Item) error { return ctx.Err() }

// DeleteMany reports that there was nothing.
func (Null) DeleteMany(ctx context.Context, keys []string) ([]bool, error) {
	return make([]bool, len(keys)), ctx.Err()
}

// Add stores nothing, and reports that it has added.
func (Null) Add(ctx context.Context, _ string, _ []byte, _ time.Duration) (bool, error) {
	return ctx.Err() == nil, ctx.Err()
}

// Touch reports that there was nothing.
func (Null) Touch(ctx context.Context, _ time.Duration, keys ...string) ([]bool, error) {
	return make([]bool, len(keys)), ctx.Err()
}

// Keys yields nothing but the error of a context that is done.
func (Null) Keys(ctx context.Context, _ string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := ctx.Err(); err != nil {
			yield("", err)
		}
	}
}

// Clear does nothing.
func (Null) Clear(ctx context.Context, _ string) error { return ctx.Err() }

// String names the store.
func (Null) String() string { return "Null" }
