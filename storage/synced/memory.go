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

// Memory is named values that processes share, or a scope of one, which has names
// of its own. Its methods may be called concurrently.
type Memory struct {
	store  *resilient.Store
	close  func() error // closes what Open has opened
	prefix string       // of the keys of its values
	wrong  error        // what is wrong with a scope's name
}

// New makes a Memory over a store whose server, timeouts and queue are set up:
//
//	store, err := resilient.New(redisstore.NewValues(client))
//	memory, err := synced.New(ctx, store, "svc:")
//
// The prefix, which may not be empty, begins the keys of all values. What is
// stored under it is read once, so that it is there if the server goes away; that
// takes about one round trip for every 16 values, and as much memory as the store
// keeps copies in: of more than resilient.Copy allows, the last ones stay. A server that is away is no error: its values are read when
// they are asked for. One that refuses is.
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
			_, err := m.store.Look(under, key)
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

// Scope is a part of the memory with names of its own: it sees no others, and
// nobody else sees its. Scopes have scopes. The scope flags of a memory whose
// prefix is svc: is the memory whose prefix is svc:flags:. That the name can't be
// used is told by what is asked of the scope.
func (m *Memory) Scope(name string) *Memory {
	scope := *m
	scope.prefix += escaper.Replace(name) + separator
	scope.wrong = errors.Join(m.wrong, checkName("scope", name))
	return &scope
}

// Names are the names of all values there are, in order; those of scopes within
// are not among them. Its cost may grow with all that the server holds.
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

// Change is what a Watch tells.
type Change struct {
	Name    string // of the value that was changed, "" where it is Missed
	Deleted bool   // there is none any more
	Missed  bool   // changes before this may have gone unseen: look at all again
}

// Watch calls changed for each change of a value, by whichever process, until the
// context ends, whose error it returns then, or until it can't any more. Calls
// come one after another. It begins with one that is Missed, once it sees every
// later change. Values in the scopes within are not told of.
//
// While it runs, the values here and in the scopes within are current in this
// process, also where changed is slow, and Get costs a round trip a minute at most. Where that is all it is wanted for,
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

// Flush waits until the server has acknowledged or refused all changes that wait
// for it, or the context ends. It is of the whole memory, as Close and Stats are,
// of whichever scope it is asked.
func (m *Memory) Flush(ctx context.Context) error {
	if err := m.store.Flush(ctx); err != nil {
		return fmt.Errorf("synced: flush: %w", err)
	}
	return nil
}

// Close flushes until the context ends at most, and closes the memory. Its error
// says how many changes are lost by that.
func (m *Memory) Close(ctx context.Context) error {
	if err := errors.Join(m.store.Close(ctx), m.close()); err != nil {
		return fmt.Errorf("synced: close: %w", err)
	}
	return nil
}

// Stats reports whether the server is away, how many changes wait for it, and what
// became of others.
func (m *Memory) Stats() resilient.Stats { return m.store.Stats() }
