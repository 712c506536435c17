package memoize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/serde"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/snapshot"
)

// Save writes what the storage in memory holds, so that Restore of a later
// process finds it, and says how many entries it has written: the newest first, without
// those that have expired. Callers are not held up. What is written or invalidated
// meanwhile may or may not be saved as it was.
//
// Values, and keys that are no strings, are written as JSON unless an option says
// otherwise; what JSON loses of a value, such as fields that are not exported, is
// lost. The tags of entries are written with them. Entries that can't be written are left
// out; then the error is snapshot.ErrPartial. With any other error, also that of the
// context, what was written is cut short. A function may be closed before it is saved. With
// a storage that is not storage.Local and a storage.Ranger the error is ErrUnsupported.
func (f *Func[A, V]) Save(ctx context.Context, w io.Writer, opts ...SnapshotOption) (n int, err error) {
	return f.verbs.saver().save(ctx, w, opts)
}

// SaveFile is Save to a file, in place of the one that was saved before: it is
// replaced as a whole or not at all, also in a crash. With an error other than
// snapshot.ErrPartial it is as it was. What is there and is no regular file is
// left alone: snapshot.ErrNotRegular. See snapshot.Format.WriteFile.
func (f *Func[A, V]) SaveFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.verbs.saver().saveFile(ctx, path, opts)
}

// Restore brings back what Save has written, and says how many entries it has
// stored: with the life that is left of them, so that what has expired meanwhile
// is not. Instants are absolute; the clocks of both processes must agree. Where
// the eviction strategy keeps fewer, the newest are restored.
// Tags come back with the entries; where they were saved without, and config.Tags needs
// an argument that is not the key, entries are left out: snapshot.ErrPartial.
// Options are those of Save, and so must be the types, and the function's name if
// it has one of its own.
//
// It may run while the function is called. What is stored and as new stays, and
// what is invalidated after Restore has been called does not come back. What was
// invalidated before, but after Save, does: restore when the program starts,
// before invalidations arrive. A value that is stored and evicted or expires again
// while Restore runs may be followed by the saved one.
//
// Of a snapshot that is damaged or cut short everything before the damage is
// restored, and the error is a *snapshot.Error that says where it is and
// matches snapshot.ErrCorrupt. Entries that can't be decoded are left out:
// snapshot.ErrPartial. Of one that this function can't have written
// nothing is: snapshot.ErrForeign. With the context's end while it is read
// nothing is restored either.
func (f *Func[A, V]) Restore(ctx context.Context, r io.Reader, opts ...SnapshotOption) (n int, err error) {
	return f.verbs.saver().restore(ctx, r, opts)
}

// RestoreFile is Restore from a file. That there is none, as before the first
// Save, is fs.ErrNotExist. What is no regular file, as a FIFO that nobody writes to, is
// not read: snapshot.ErrNotRegular.
func (f *Func[A, V]) RestoreFile(ctx context.Context, path string, opts ...SnapshotOption) (n int, err error) {
	return f.verbs.saver().restoreFile(ctx, path, opts)
}

// SnapshotOption says how a snapshot is written. Save and Restore need the same.
type SnapshotOption struct{ set func(*snapshotDraft) }

type snapshotDraft struct {
	keys, entries any
	limit         int
}

// SnapshotKeys is how keys are written: those of memoize.NewScoped are of the type
// config.Scoped. A key that is not read as an equal one is left out. Default: serde.Raw for
// strings, else serde.JSON.
func SnapshotKeys[K comparable](c serde.Codec[K]) SnapshotOption {
	return SnapshotOption{func(d *snapshotDraft) { d.keys = c }}
}

// SnapshotEntries is how values are written with their lives. For a codec of
// values alone, put serde.Envelope around it. Default: serde.Envelope of
// serde.JSON.
func SnapshotEntries[V any](s serde.SerDe[V]) SnapshotOption {
	return SnapshotOption{func(d *snapshotDraft) { d.entries = s }}
}

// SnapshotLimit is how many bytes a key and its value may have. A longer one is
// left out, and counts as damage in Restore. Zero or less is the default, 64 MiB.
func SnapshotLimit(bytes int) SnapshotOption {
	return SnapshotOption{func(d *snapshotDraft) { d.limit = bytes }}
}

// snapshots saves and restores what a storage in memory holds.
type snapshots[A any, K comparable, V any] struct {
	core       *core[A, K, V]
	stores     *stores[A, K, V]
	evictor    *evictor[A, K, V]
	changes    *changes[A, K, V]
	invalidate func(ctx context.Context, key K) error
	named      bool // the function's name is not that of a closure
}

// format is how snapshots of this function are written.
func (s *snapshots[A, K, V]) format(opts []SnapshotOption) (f snapshot.Format[K, V], err error) {
	var d snapshotDraft
	for _, o := range opts {
		if o.set == nil {
			return f, errors.New("memoize: a zero SnapshotOption: make options with the functions of this package")
		}
		o.set(&d)
	}
	var fits bool
	if f.Keys, fits = d.keys.(serde.Codec[K]); !fits && d.keys != nil {
		return f, fmt.Errorf("memoize: SnapshotKeys is given a %T, and the keys of %s are of type %v", d.keys, s.core.name, reflect.TypeFor[K]())
	}
	if f.Entries, fits = d.entries.(serde.SerDe[V]); !fits && d.entries != nil {
		return f, fmt.Errorf("memoize: SnapshotEntries is given a %T, and the values of %s are of type %v", d.entries, s.core.name, reflect.TypeFor[V]())
	}
	f.MaxRecord = d.limit
	if s.named { // a closure's name changes with the code around it
		f.Of = s.core.name
	}
	return f, nil
}

func (s *snapshots[A, K, V]) save(ctx context.Context, w io.Writer, opts []SnapshotOption) (int, error) {
	return s.saveBy(opts, func(f snapshot.Format[K, V], entries iter.Seq2[K, *entry.Entry[V]]) (int, error) {
		return f.Write(ctx, w, entries)
	})
}

func (s *snapshots[A, K, V]) saveFile(ctx context.Context, path string, opts []SnapshotOption) (int, error) {
	return s.saveBy(opts, func(f snapshot.Format[K, V], entries iter.Seq2[K, *entry.Entry[V]]) (int, error) {
		return f.WriteFile(ctx, path, entries)
	})
}

func (s *snapshots[A, K, V]) saveBy(opts []SnapshotOption, write func(snapshot.Format[K, V], iter.Seq2[K, *entry.Entry[V]]) (int, error)) (n int, err error) {
	format, err := s.format(opts)
	if err != nil {
		return 0, err
	}
	p, err := s.changes.snapshot()
	if err != nil && err != ErrClosed {
		return 0, err
	}
	if !p.sweeps {
		return 0, notInMemory("Save", s.core.name, p)
	}
	err = safely(func() error { // codecs and strategies are user code
		entries := s.newestFirst(p)
		if s.core.tags.Used() {
			format.Tags = s.tagsOf(entries)
		}
		n, err = write(format, func(yield func(K, *entry.Entry[V]) bool) {
			for _, x := range entries {
				if savable(x.entry, s.core.time.Now()) && !yield(x.key, x.entry) {
					return
				}
			}
		})
		return err
	})
	if err != nil {
		return n, fmt.Errorf("memoize: %s has %d entries saved: %w", s.core.name, n, err)
	}
	return n, nil
}

// savable tells whether an entry has a value that somebody may still be given.
func savable[V any](e *entry.Entry[V], now entry.Instant) bool {
	return e.Negative() == nil && now < e.KeepUntil()
}

func notInMemory[A any, K comparable, V any](verb, name string, p *plan[A, K, V]) error {
	return fmt.Errorf("%w: %s needs a storage.Local that is a storage.Ranger, and %s has a %T", ErrUnsupported, verb, name, p.settings.Storage)
}

// saved is an entry with its key.
type saved[K comparable, V any] struct {
	key   K
	entry *entry.Entry[V]
	tags  []string
}

// newestFirst is what a storage in memory holds, by age.
func (s *snapshots[A, K, V]) newestFirst(p *plan[A, K, V]) []saved[K, V] {
	var held []saved[K, V]
	for key, stored := range p.settings.Storage.(storage.Ranger[K, V]).Range(s.core.life) {
		held = append(held, saved[K, V]{key: key, entry: stored})
	}
	newest := make([]saved[K, V], 0, len(held))
	for _, i := range order(len(held), func(i, j int) int { return cmp.Compare(held[j].entry.Created(), held[i].entry.Created()) }) {
		newest = append(newest, held[i])
	}
	return newest
}

// tagsOf knows the tags of entries. They were entered into the index before the entries
// were stored, so to look there afterwards finds them all.
func (s *snapshots[A, K, V]) tagsOf(entries []saved[K, V]) func(K, *entry.Entry[V]) []string {
	places := make(map[K]int, len(entries))
	for i, x := range entries {
		places[x.key] = i
	}
	s.core.tags.Tags(func(tag string, key K, created entry.Instant) {
		if i, ok := places[key]; ok && entries[i].entry.Created() == created {
			entries[i].tags = append(entries[i].tags, tag)
		}
	})
	return func(key K, _ *entry.Entry[V]) []string { return entries[places[key]].tags }
}
