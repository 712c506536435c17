package config

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// Answers says which errors of a source are answers, such as "there is no such user",
// and no failures.
type Answers struct {
	// Remember lists errors that are remembered. The first that matches decides.
	Remember []Remembered
	// RememberIf decides of errors that Remember does not match. It may be nil.
	RememberIf func(err error) (life entry.Life, yes bool)
	// Gone lists errors that say that what is stored is no more. They come before
	// Remember.
	Gone []error
}

// Remembered is an error that is remembered for a time.
type Remembered struct {
	Err error
	For time.Duration
}

// Remember makes errors of the source answers: calls that wait get the error as the source
// returned it, and for the time given so does every later call, at once and without a
// load. An error matches as errors.Is has it:
//
//	config.Remember(5*time.Second, sql.ErrNoRows)
//
// The answer takes the place of a value that was stored. It is refreshed, invalidated,
// evicted and shared as a value is, and a third of the time after the source gave it a
// call starts a refresh. It is no failure: nothing is logged, no refresh is delayed. Peek,
// Has and Save leave it out. An error that also matches one of a context, or of this
// library's own refusals, is a failure all the same, and so is the error of a batch: a
// source that takes many keys names errors by key with memoize.KeyErrors, and
// memoize.ErrNoValue is that of a key that it has left out.
//
// Given several times it adds up, and the first that matches decides. Applied to a Live it
// takes the place of what was remembered before. Over a Store the text of the error named
// here is kept, and later callers get that one: a process that names no error of that text
// loads. Zero drops what is stored and remembers nothing, as Gone does.
func Remember(d time.Duration, errs ...error) Option {
	return setting("Remember", func(dr *draft) {
		if len(errs) == 0 {
			dr.fault("Remember is given no error: name those that are answers, such as sql.ErrNoRows")
		}
		for _, err := range errs {
			dr.remember = append(dr.remember, Remembered{err, d})
		}
	})
}

// RememberIf is Remember for errors that only code can tell, and for lives that depend
// on them. f is called by the goroutine of the load, concurrently, with no lock held, for
// errors that Remember and Gone do not match; a panic in it fails the load. It works only
// in memory: with a Store it is refused, because other processes could not tell what an
// error was. A nil f, which is the default, remembers nothing.
func RememberIf(f func(err error) (life entry.Life, yes bool)) Option {
	return setting("RememberIf", func(dr *draft) { dr.rememberIf = &f })
}

// Gone names errors that say that the stored value no longer exists: calls that wait get
// the error, the stored value is dropped, and the next call loads. It is no failure, as with
// Remember. Given several times it adds up; applied to a Live it replaces those before.
func Gone(errs ...error) Option {
	return setting("Gone", func(dr *draft) {
		if len(errs) == 0 {
			dr.fault("Gone is given no error: name those that say that a value is no more")
		}
		dr.gone = append(dr.gone, errs...)
	})
}

// RememberNothing removes what Remember, RememberIf and Gone have set on a Live.
func RememberNothing() Option {
	return setting("RememberNothing", func(dr *draft) { dr.rememberNothing = true })
}

// StaleIfError is for how long a value is kept after it has expired, to be served where
// its load fails, is refused or takes too long: a rescue. Result and Stats tell of it, and
// the event observe.Rescued. It counts from the value's expires-after, which no failure
// moves; Touch, Set and memoize.Load.Unchanged are successes. What is invalidated is gone,
// remembered errors are no failures, and Refresh, which asks for a new value, is not
// rescued. Where there is too much, values that have expired go first. A store needs a
// SerDe that is serde.Whole. Default: zero, nothing is kept.
func StaleIfError(d time.Duration) Option {
	return setting("StaleIfError", func(dr *draft) { dr.staleIfError = &d })
}

// SoftTimeout is how long a call waits for a load where a value is kept that it can be
// given: then it is, as with StaleIfError, which it needs, while the load goes on and is
// stored. It is at most the method timeout. Default: zero, no such limit.
func SoftTimeout(d time.Duration) Option {
	return setting("SoftTimeout", func(dr *draft) { dr.softTimeout = &d })
}

// StaleWhen tells which failures are rescued, by default all: see StaleIfError, which it
// needs. The error is that which the call would return. A call that has to wait calls f
// on its own goroutine, with no lock held; a panic in it rescues nothing. Nil is the
// default.
func StaleWhen(f func(err error) bool) Option {
	return setting("StaleWhen", func(dr *draft) { dr.staleWhen = &f })
}

// answers is what options have said of answers.
type answers struct {
	remember        []Remembered
	rememberIf      *func(error) (entry.Life, bool)
	gone            []error
	rememberNothing bool
	staleIfError    *time.Duration
	softTimeout     *time.Duration
	staleWhen       *func(error) bool
}

func (s *Settings[A, K, V]) applyAnswers(d *draft) {
	if d.rememberNothing {
		s.Answers = Answers{}
	}
	if d.remember != nil {
		s.Answers.Remember = d.remember
	}
	if d.gone != nil {
		s.Answers.Gone = d.gone
	}
	assign(&s.Answers.RememberIf, d.rememberIf)
	assign(&s.StaleIfError, d.staleIfError)
	assign(&s.SoftTimeout, d.softTimeout)
	assign(&s.StaleWhen, d.staleWhen)
}

// whole is what a storage of bytes is whose SerDe may be serde.Whole.
type whole interface{ Whole() bool }

// validateAnswers says what is wrong with answers and rescues.
func (s *Settings[A, K, V]) validateAnswers(fault func(format string, args ...any)) {
	w, shared := s.Storage.(whole)
	shared = shared && !isNil(s.Storage)
	texts := map[string]bool{}
	for _, r := range s.Answers.Remember {
		switch {
		case isNil(r.Err):
			fault("Remember is given a nil error: name an error, such as sql.ErrNoRows")
			continue
		case r.For < 0:
			fault("Remember is given %v: give zero or more", r.For)
		}
		if text := r.Err.Error(); shared && texts[text] {
			fault("Remember is given two errors with the text %q, which a store can't tell apart: give them different texts", text)
		} else if shared && text == "" {
			fault("Remember is given an error without a text, by which a store knows it: give it one")
		} else {
			texts[text] = true
		}
	}
	for _, err := range s.Answers.Gone {
		if isNil(err) {
			fault("Gone is given a nil error: name one that says that a value is no more")
		}
	}
	if shared && s.Answers.RememberIf != nil {
		fault("RememberIf works in memory alone, for other processes could not tell what an error was: name the errors with Remember")
	}
	if shared && !w.Whole() && (len(s.Answers.Remember) > 0 || s.StaleIfError > 0) {
		fault("Remember and StaleIfError need a SerDe that writes what they keep, and that of %v does not: use one that is serde.Whole, as serde.Envelope is", s.Storage)
	}
	s.validateRescue(fault)
}

func (s *Settings[A, K, V]) validateRescue(fault func(format string, args ...any)) {
	if s.StaleIfError < 0 {
		fault("StaleIfError is %v: give zero or more", s.StaleIfError)
	}
	switch {
	case s.SoftTimeout < 0:
		fault("SoftTimeout is %v: give zero or more", s.SoftTimeout)
	case s.SoftTimeout > 0 && s.StaleIfError <= 0:
		fault("SoftTimeout is given, and nothing is kept to serve then: give StaleIfError too")
	case s.SoftTimeout > s.MethodTimeout && s.Configured:
		fault("SoftTimeout is %v, more than the method timeout of %v, at which a load is given up: give less", s.SoftTimeout, s.MethodTimeout)
	}
	if s.StaleWhen != nil && s.StaleIfError <= 0 {
		fault("StaleWhen is given, and nothing is kept to serve then: give StaleIfError too")
	}
}

// answersDiffer says in which answers and rescues settings differ.
func (s *Settings[A, K, V]) answersDiffer(old *Settings[A, K, V], differ func(setting string, was, is any)) {
	if was, is := remembered(old.Answers.Remember), remembered(s.Answers.Remember); was != is {
		differ("Remember", spoken(was), spoken(is))
	}
	if was, is := texts(old.Answers.Gone), texts(s.Answers.Gone); was != is {
		differ("Gone", spoken(was), spoken(is))
	}
	for _, c := range []struct {
		setting string
		was, is any
	}{
		{"RememberIf", old.Answers.RememberIf, s.Answers.RememberIf},
		{"StaleIfError", old.StaleIfError, s.StaleIfError},
		{"SoftTimeout", old.SoftTimeout, s.SoftTimeout},
		{"StaleWhen", old.StaleWhen, s.StaleWhen},
	} {
		if !same(c.was, c.is) {
			differ(c.setting, c.was, c.is)
		}
	}
}

// spoken is a text that stands for itself where settings are named.
type spoken string

func (s spoken) String() string { return string(s) }

// remembered lists errors and times.
func remembered(all []Remembered) string {
	if len(all) == 0 {
		return "none"
	}
	var text string
	for i, r := range all {
		if i > 0 {
			text += "; "
		}
		text += fmt.Sprintf("%v for %v", r.Err, r.For)
	}
	return text
}

func texts(errs []error) string {
	if len(errs) == 0 {
		return "none"
	}
	return strings.ReplaceAll(errors.Join(errs...).Error(), "\n", "; ")
}
