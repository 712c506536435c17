package synced

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// Memory is a set of named values that processes share, or a scope of such a set. Methods
// may be called concurrently.
type Memory struct {
	store  *resilient.Store
	close  func() error // closes what Open has opened
	prefix string       // of the keys of its values
	wrong  error        // what is wrong with a scope's name
}

// New makes a Memory over a store that you have configured:
//
//	store, err := resilient.New(redisstore.NewValues(client))
//	memory, err := synced.New(ctx, store, "svc:")
//
// The prefix begins the keys of all values, and must not be empty. New reads all values
// once, so that they are there if the server goes away. That takes about one round trip for
// every 16 values; if there are more than resilient.Copy allows, the last ones stay. A
// server that is away is no error: values are read when they are needed. A server that
// refuses the client is an error.
func New(ctx context.Context, store *resilient.Store, prefix string) (*Memory, error) {
	if store == nil {
		return nil, errors.New("synced: the store is nil: make one with resilient.New, or use Open")
	}
	if prefix == "" {
		return nil, errPrefix
	}
	m := &Memory{store: store, prefix: prefix, close: func() error { return nil }}
	if err := m.load(ctx); err != nil {
		return nil, fmt.Errorf("synced: %w", err)
	}
	return m, nil
}

// load looks at everything once: the store keeps copies of what it has seen.
func (m *Memory) load(ctx context.Context) error {
	const atOnce = 16
	looks, under := errgroup.WithContext(ctx)
	looks.SetLimit(atOnce)
	var listed error
	for key, err := range m.store.Keys(under, m.prefix) {
		if err != nil {
			listed = err
			break
		}
		looks.Go(func() error {
			_, err := m.store.Get(under, key)
			return refusal(err)
		})
	}
	err := errors.Join(looks.Wait(), refusal(listed))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// refusal is the error if it says that the server refuses all. It is nil where the
// server is away, and where one key is at fault, of which those are told who ask
// for it.
func refusal(err error) error {
	if err != nil && resilient.JudgeError(err) == resilient.Unwilling {
		return err
	}
	return nil
}

// Scope returns a part of the memory with its own names. Scopes may have scopes. The scope
// flags of a memory with the prefix svc: is the memory with the prefix svc:flags:. If the
// name can't be used, the methods of the scope return an error.
func (m *Memory) Scope(name string) *Memory {
	scope := *m
	scope.prefix += escaper.Replace(name) + separator
	scope.wrong = errors.Join(m.wrong, checkName("scope", name))
	return &scope
}

// Names returns the names of all values, sorted, without those of inner scopes. Its cost
// may grow with all that the server holds.
func (m *Memory) Names(ctx context.Context) ([]string, error) {
	if m.wrong != nil {
		return nil, fmt.Errorf("synced: names: %w", m.wrong)
	}
	names := map[string]bool{}
	for key, err := range m.store.Keys(ctx, m.prefix) {
		if err != nil {
			return nil, fmt.Errorf("synced: names: %w", err)
		}
		if name, ok := nameIn(m.prefix, key); ok {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// Change is what a Watch reports.
type Change struct {
	Name    string // of the value that was changed, "" where it is Missed
	Deleted bool   // there is none any more
	Missed  bool   // changes before this may have gone unseen: look at all again
}

// Watch calls changed, one call after another, for each change of a value by any process.
// It returns when the context ends, with its error, or when it can't go on. The first call
// is a Missed: Watch sees every later change. It does not report values in inner scopes.
//
// While Watch runs, the values here and in inner scopes are current in this process, even
// if changed is slow, and Get costs a round trip a minute at most. If that is all you need,
// changed may be nil.
func (m *Memory) Watch(ctx context.Context, changed func(Change)) error {
	if m.wrong != nil {
		return fmt.Errorf("synced: watch: %w", m.wrong)
	}
	if changed == nil {
		changed = func(Change) {}
	}
	err := m.store.Watch(ctx, m.prefix, func(c storage.Changed) {
		if c.Missed {
			changed(Change{Missed: true})
		} else if name, ok := nameIn(m.prefix, c.Key); ok {
			changed(Change{Name: name, Deleted: c.Version == ""})
		}
	})
	if err == nil || err == ctx.Err() {
		return err
	}
	return fmt.Errorf("synced: watch: %w", err)
}

// Flush waits until the server has acknowledged or refused all waiting changes, or the
// context ends. Like Close and Stats it concerns the whole memory, not one scope.
func (m *Memory) Flush(ctx context.Context) error {
	if err := m.store.Flush(ctx); err != nil {
		return fmt.Errorf("synced: flush: %w", err)
	}
	return nil
}

// Close flushes until the context ends, and closes the memory. Its error says how many
// changes are lost.
func (m *Memory) Close(ctx context.Context) error {
	if err := errors.Join(m.store.Close(ctx), m.close()); err != nil {
		return fmt.Errorf("synced: close: %w", err)
	}
	return nil
}

// Stats returns whether the server is away, how many changes wait for it, and what became
// of others.
func (m *Memory) Stats() resilient.Stats { return m.store.Stats() }
