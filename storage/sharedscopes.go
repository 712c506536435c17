package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/perennial-go/perennial/internal/keytext"
)

// Keys in scopes. A config.Scoped has the text {"scope",key}, so that all keys of a scope
// begin alike, perhaps after an empty pair of braces: see KeyText. A key that is hashed
// keeps the scope before the hash, {"scope",#hash, unless the scope itself leaves no room
// or may not stand there: then that is hashed too.

// inScope is what the keys of a scope begin with, after the function's part of the store.
func inScope(scope string) []byte {
	text, _ := keytext.Append([]byte("{"), scope) // a text has one
	return append(text, ',')
}

// hashLength is that of a hash.
var hashLength = len(hashed(nil))

// beforeHash is what keys of a scope begin with that are hashed.
func (s *shared[K, V]) beforeHash(scope string) []byte {
	before := inScope(scope)
	if s.open && bytes.IndexByte(before, '}') >= 0 || s.most > 0 && len(s.space)+len("{}")+len(before)+hashLength > s.most {
		return append(append([]byte("{"), hashed([]byte(scope))...), ',')
	}
	return before
}

// roomForScope tells whether a key that is hashed can keep its scope at all.
func (s *shared[K, V]) roomForScope() bool {
	return s.most == 0 || len(s.space)+len("{,")+2*hashLength <= s.most
}

// hashedInScope is the text of a key in a scope whose own text is too long.
func (s *shared[K, V]) hashedInScope(scope string, own []byte) string {
	if !s.roomForScope() {
		return s.space + hashed(own)
	}
	text := append(s.beforeHash(scope), hashed(own)...)
	if !spreads(text) {
		return s.space + "{}" + string(text)
	}
	return s.space + string(text)
}

// sharedScopes is a sharedClearer of keys in scopes.
type sharedScopes[K comparable, V any] struct{ sharedClearer[K, V] }

// ClearScope implements ScopeClearer.
func (s sharedScopes[K, V]) ClearScope(ctx context.Context, scope string) error {
	if !s.roomForScope() {
		return fmt.Errorf("storage: keys of %s have no room for a scope: give it a shorter storage.Prefix, or the function a shorter name: %w", s, errors.ErrUnsupported)
	}
	before := inScope(scope)
	prefixes := []string{s.space + string(before), s.space + "{}" + string(before)}
	if short := s.beforeHash(scope); !bytes.Equal(short, before) {
		prefixes = append(prefixes, s.space+string(short))
	}
	var errs []error
	for _, prefix := range prefixes {
		errs = append(errs, s.bytes.Clear(ctx, prefix))
	}
	return errors.Join(errs...)
}
