package boltstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/benbjohnson/clock"
	"github.com/perennial-go/perennial/internal/coarse"
	"github.com/perennial-go/perennial/storage"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Options configure a Store. The zero value is ready to use.
type Options struct {
	// Capacity is the most bytes that keys and values may take, each record
	// with 85 bytes on top. Default 256 MiB. The file may grow to a small
	// multiple of it. A file that is opened with a lower capacity than before
	// shrinks to it with the next write.
	Capacity int64
	// Timeout is how long Open waits for another process to let go of the file.
	// Default 1 s.
	Timeout time.Duration
	// NoSync says that writes do not wait for the disk: they survive the death
	// of the process, but when the power fails the latest may be lost, or all.
	NoSync bool
	// Clock is what the store takes the time from, say a mock in a test.
	// Default: the real clock, the later of the monotonic one, which stands still
	// while the machine sleeps, and that of the wall, which may be set back.
	Clock clock.Clock
	// OnDamage is told of a file that was found damaged, once it was set aside:
	// by Open, or later by whichever call met the damage, before that call
	// returns. Default: a warning of slog.
	OnDamage func(*DamageError)
}

const (
	defaultCapacity = 256 << 20
	defaultTimeout  = time.Second
)

func init() {
	storage.Register(func(ctx context.Context, u *storage.URL) (storage.Bytes, error) {
		o := Options{
			Capacity: int64(u.Int("capacity", defaultCapacity, 1)),
			Timeout:  u.Duration("timeout", defaultTimeout),
			NoSync:   !u.Bool("sync", true),
		}
		if u.User != "" || u.Password != "" {
			u.Fault("a file has no user and password: leave them out")
		}
		if u.Host+u.Path == "" {
			u.Fault("the file is missing: write bolt:///absolute/file.db or bolt://relative/file.db")
		}
		if err := u.Check(); err != nil {
			return nil, err
		}
		return Open(ctx, u.Host+u.Path, o)
	}, "bolt")
}

// Open opens the file, or makes it. It reads the whole file once, in a few hundred
// milliseconds for 256 MiB that the system has in memory. Errors match ErrInUse,
// ErrForeign, the context's error, or those of the file system. Anything that no store has
// written is ErrForeign and is left alone: other files, empty ones too, directories,
// devices. A store's damaged file is no error, see Options.OnDamage and Store.Damage,
// unless it can't be renamed: that is a *DamageError.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Capacity < 0 || o.Timeout < 0 {
		return nil, fmt.Errorf("boltstore: capacity %d and timeout %v: give none below zero", o.Capacity, o.Timeout)
	}
	if o.Capacity == 0 {
		o.Capacity = defaultCapacity
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Clock == nil {
		o.Clock = coarse.Clock()
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("boltstore: %w", err)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil { // a link is not ours to rename
		path = target
	}
	s := &Store{path: path, options: o, capacity: o.Capacity, claims: newClaims(o.Clock), turn: make(chan struct{}, 1)}
	if err = s.open(ctx); errors.Is(err, errDamaged) && s.damage != nil && s.damage.Aside != "" {
		err = s.open(ctx) // a new file
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// open opens the file, or sets it aside where that is damaged.
func (s *Store) open(ctx context.Context) error {
	f, err := lockFile(ctx, s.path, s.options.Timeout)
	if err != nil {
		return err
	}
	isNew := false
	if err = refuseForeign(ctx, f); err == nil {
		isNew, err = check(ctx, f)
	}
	if err == nil {
		warnOfMode(f)
		s.file = f
		err = s.start(f, isNew)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errDamaged):
		if runtime.GOOS == "windows" { // which renames no open file
			err = errors.Join(err, f.Close())
		}
		s.damage = setAside(s.path, err)
		s.options.report(s.damage)
		err = s.damage
	case s.db != nil:
		err = errors.Join(err, s.db.Close())
	}
	if closed := f.Close(); closed != nil && !errors.Is(closed, fs.ErrClosed) { // with it the lock goes
		err = errors.Join(err, closed)
	}
	return err
}

// start has bbolt open a file that was found sound.
func (s *Store) start(f *os.File, isNew bool) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = damaged("bbolt: %v", p)
		}
	}()
	s.db, err = bbolt.Open(s.path, 0o600, &bbolt.Options{
		OpenFile:     func(string, int, os.FileMode) (*os.File, error) { return f, nil },
		Timeout:      s.options.Timeout,
		NoSync:       s.options.NoSync,
		NoGrowSync:   s.options.NoSync,
		NoStatistics: true,
		FreelistType: bbolt.FreelistMapType,
	})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return inUse(s.path, s.options.Timeout)
	}
	if err != nil {
		return fmt.Errorf("boltstore: open %s: %w", s.path, err)
	}
	if isNew && !s.options.NoSync {
		err = syncDir(filepath.Dir(s.path))
	}
	if err == nil {
		err = s.prepare()
	}
	return err
}

// version is of the form of the buckets.
const version = "1"

// prepare makes the buckets, or finds them, and counts what they hold.
func (s *Store) prepare() error {
	s.used = 0
	empty := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		about := tx.Bucket(aboutBucket)
		if about == nil {
			if k, _ := tx.Cursor().First(); k != nil {
				return fmt.Errorf("%w: %s has a bucket %q: give another path", ErrForeign, s.path, k)
			}
			empty = true
			return nil
		}
		if v := string(about.Get([]byte("version"))); v != version {
			return fmt.Errorf("%w: %s has version %q, this program knows %q: give another path, or delete it", ErrForeign, s.path, v, version)
		}
		records := tx.Bucket(recordBucket)
		if records == nil || tx.Bucket(orderBucket) == nil || tx.Bucket(endBucket) == nil {
			return damaged("a bucket is missing")
		}
		return records.ForEach(func(k, r []byte) error {
			s.used += charge(k, r)
			return nil
		})
	})
	if err != nil || !empty {
		return err
	}
	return s.db.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{recordBucket, orderBucket, endBucket} {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		about, err := tx.CreateBucket(aboutBucket)
		if err != nil {
			return err
		}
		return about.Put([]byte("version"), []byte(version))
	})
}

// syncDir makes sure that a new file is found after a loss of power.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // which has no such thing
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("boltstore: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("boltstore: sync %s: %w", dir, err)
	}
	return nil
}
