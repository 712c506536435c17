package boltstore

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"
)

// DamageError reports a damaged file.
type DamageError struct {
	File  string // where the store is
	Aside string // what the damaged file is called now; empty if it could not be renamed
	Err   error  // what is wrong
	Stack string // of the call that met it, if bbolt panicked
}

// Error tells what is wrong, and where the file is now.
func (e *DamageError) Error() string {
	if e.Aside == "" {
		return fmt.Sprintf("boltstore: %s is damaged: move it away while no process has it: %v", e.File, e.Err)
	}
	return fmt.Sprintf("boltstore: %s was damaged and is now %s: look at it or delete it, and open the store again if it is not: %v", e.File, e.Aside, e.Err)
}

// Unwrap returns what is wrong.
func (e *DamageError) Unwrap() error { return e.Err }

// errDamaged is what check finds wrong.
var errDamaged = errors.New("the file is not what bbolt wrote")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errDamaged, fmt.Errorf(format, args...))
}

// setAside renames a damaged file, which whoever calls has locked.
func setAside(file string, cause error) *DamageError {
	e := &DamageError{File: file, Err: cause}
	name := file + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
	if err := os.Rename(file, name); err != nil {
		e.Err = errors.Join(cause, err)
		return e
	}
	e.Aside = name
	return e
}

// report tells of damage, once for each file.
func (o *Options) report(e *DamageError) {
	if o.OnDamage != nil {
		o.OnDamage(e)
		return
	}
	slog.Warn("boltstore: damaged file", "file", e.File, "aside", e.Aside, "error", e.Err, "stack", e.Stack)
}

// breaks ends the use of a file that was found damaged while in use.
func (s *Store) breaks(p any) error {
	s.mu.Lock()
	broken := s.broken.Load()
	first := broken == nil
	if first {
		broken = setAside(s.path, damaged("bbolt: %v", p))
		broken.Stack = string(debug.Stack())
		s.broken.Store(broken)
		s.damage = broken
	}
	s.mu.Unlock()
	if first {
		s.options.report(broken)
	}
	return broken
}

// Damage returns the damage that this store has found in its file, or nil: when it was
// opened, or later. If later, every method fails with it since.
func (s *Store) Damage() *DamageError {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damage
}
