// Package checks is what the conformance suites share: checks that report to a
// small interface, so that a suite can be shown to fail.
package checks

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// TB is the part of *testing.T that checks use. They call Fatalf from their own
// goroutine alone.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Check is one part of a suite. Name says in words what is guaranteed.
type Check[S any] struct {
	Name string
	Run  func(t TB, subject S)
}

// Run runs every check as a subtest, on a subject of its own.
func Run[S any](t *testing.T, all []Check[S], subject func(t *testing.T) S) {
	t.Helper()
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, subject(t)) })
	}
}

// Failed runs the checks of a name, or all where there is none, and returns the
// names of those that fail, with what they said.
func Failed[S any](all []Check[S], name string, subject func() S) map[string][]string {
	failed := map[string][]string{}
	for _, c := range all {
		if name != "" && name != c.Name {
			continue
		}
		var r recorder
		done := make(chan struct{})
		go func() { // for Fatalf ends it
			defer close(done)
			defer func() {
				if p := recover(); p != nil {
					r.Errorf("panic: %v", p)
				}
			}()
			c.Run(&r, subject())
		}()
		<-done
		if said := r.said(); len(said) > 0 {
			failed[c.Name] = said
		}
	}
	return failed
}

// recorder is a TB that keeps what is reported.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines
}
