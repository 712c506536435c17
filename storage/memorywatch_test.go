package storage_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
)

// watches tells what a Watch under the prefix tells, until told is called; ended
// is what Watch returns.
func watches(t *testing.T, m *storage.Memory, prefix string) (told func() []storage.Changed, ended func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var got []storage.Changed
	result := make(chan error, 1)
	go func() { result <- m.Watch(ctx, prefix, func(c storage.Changed) { got = append(got, c) }) }()
	synctest.Wait()
	return func() []storage.Changed {
			synctest.Wait()
			return slices.Clone(got)
		}, func() error {
			cancel()
			return <-result
		}
}

var missed = storage.Changed{Missed: true}

// A watch tells of a record that was put out for another.
func TestMemoryTellsOfEvictions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, room(1))
		setKeys(t, m, "a")
		told, ended := watches(t, m, "a")
		setKeys(t, m, "b")
		if got, want := told(), []storage.Changed{missed, {Key: "a"}}; !slices.Equal(got, want) {
			t.Errorf("it tells %+v, want %+v", got, want)
		}
		if err := ended(); !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returns %v", err)
		}
	})
}

// Where nothing was there, a Set that deletes tells nothing; else one change.
func TestMemoryTellsOfDeletionsBySet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		setKeys(t, m, "a")
		told, ended := watches(t, m, "")
		for _, key := range []string{"none", "a"} {
			if err := m.Set(t.Context(), key, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := told(), []storage.Changed{missed, {Key: "a"}}; !slices.Equal(got, want) {
			t.Errorf("it tells %+v, want %+v", got, want)
		}
		_ = ended()
	})
}

// Who has ended watching costs nothing, and the others are told as before.
func TestMemoryForgetsWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		told, ended := watches(t, m, "")
		_, endsFirst := watches(t, m, "")
		_ = endsFirst()
		setKeys(t, m, "a")
		if got := told(); len(got) != 2 || got[1].Key != "a" {
			t.Errorf("it tells %+v, want a change of a", got)
		}
		_ = ended()
		_, size := m.Held()
		if err := m.Set(t.Context(), "a", []byte("w"), storage.Forever); err != nil {
			t.Fatal(err)
		}
		if _, now := m.Held(); now != size { // a version more, while somebody watches
			t.Errorf("with nobody watching a change takes %d bytes", now-size)
		}
	})
}

// A watch whose context ends while it calls back calls no more.
func TestMemoryWatchEndsInACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		err := m.Watch(ctx, "", func(c storage.Changed) {
			if calls++; c.Missed {
				setKeys(t, m, "a", "b", "c") // which wait for it together
				return
			}
			cancel()
		})
		if !errors.Is(err, context.Canceled) || calls != 2 {
			t.Errorf("it is called %d times and returns %v; want 2, for a is the last", calls, err)
		}
	})
}

// A watch ends with the Memory that it was called on, though others of the name
// stay open.
func TestMemoryWatchEndsWithClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, other := openMemory(t, "memory://watched"), openMemory(t, "memory://watched")
		result := make(chan error, 1)
		go func() { result <- m.Watch(t.Context(), "", func(storage.Changed) {}) }()
		synctest.Wait()
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		select {
		case err := <-result:
			if !errors.Is(err, storage.ErrClosed) {
				t.Errorf("Watch returns %v, want ErrClosed", err)
			}
		default:
			t.Error("Watch has not returned")
		}
		_ = other.Close()
	})
}

// A watcher that is slow is told at most a thousand changes, and then that it has
// missed some.
func TestMemoryBoundsWhatWaitsForAWatcher(t *testing.T) {
	const most = 1000
	for changes, want := range map[int]int{most: most, most + 1: 1, most + 3: 3} {
		t.Run(fmt.Sprint(changes, " changes"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(t)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				var told []storage.Changed
				_ = m.Watch(ctx, "", func(c storage.Changed) {
					if told = append(told, c); len(told) == 1 {
						for i := range changes {
							setKeys(t, m, fmt.Sprint(i))
						}
					}
				})
				told = told[1:]
				if len(told) != want || told[0].Missed != (changes > most) {
					t.Errorf("it is told %d times, first %+v; want %d", len(told), told[0], want)
				}
			})
		})
	}
}
