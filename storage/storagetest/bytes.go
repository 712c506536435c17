package storagetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

// Store tells TestBytes how a store of bytes is made, and what it can do.
type Store struct {
	// New makes a store, or a client of one; t.Cleanup closes what it opens.
	// Others may use what is behind it: every key of a check begins with a
	// prefix that nobody else has. Where Exact is false it is called
	// concurrently.
	New func(t *testing.T) storage.Bytes
	// Can is what the store implements besides storage.Bytes: all of it, and
	// nothing else. A store that loses a method, or gains one, fails.
	Can Capability
	// MaxValue is the largest value that is tried, in bytes. Default 1 MiB.
	MaxValue int
	// MaxKey is the longest key that is tried, in bytes. Default: what the store
	// says as a storage.KeyLimit, or 1 KiB.
	MaxKey int
	// Resolution is the shortest time that the store can tell apart. Default
	// 1 ns.
	Resolution time.Duration
	// Advance lets time pass: time.Sleep, or a mock clock's Add. Without it
	// nothing is checked that needs time to pass.
	Advance func(d time.Duration)
	// Exact says that no time passes but by Advance. Ends are checked to the
	// instant then.
	Exact bool
	// LeftUnknown says that the store keeps times, and can't tell what is left
	// of them: Record.Left is always zero.
	LeftUnknown bool
	// Timeless says that the store keeps no times: a record stays until it is
	// deleted, and Record.Left is zero or Forever.
	Timeless bool
	// KeepsNothing says that what is set is not found.
	KeepsNothing bool
	// Steps is how long the random check goes on. Default 2,000 where Exact, 300
	// where not.
	Steps int
	// Seed is that of the random check. Default: another one each time; what
	// fails names it.
	Seed uint64
}

// Capability is a set of the interfaces that a store of bytes can implement.
type Capability uint

// The capabilities, named after the interfaces of storage.
const (
	Bulk Capability = 1 << iota
	Adder
	Toucher
	Lister
	Fenced
	KeyLimit
	Versioned
	Watcher
	Swapper
)

var capabilities = []struct {
	is   Capability
	name string
	has  func(b storage.Bytes) bool
}{
	{Bulk, "BulkBytes", implements[storage.BulkBytes]},
	{Adder, "AdderBytes", implements[storage.AdderBytes]},
	{Toucher, "ToucherBytes", implements[storage.ToucherBytes]},
	{Lister, "ListerBytes", implements[storage.ListerBytes]},
	{Fenced, "FencedBytes", implements[storage.FencedBytes]},
	{KeyLimit, "KeyLimit", implements[storage.KeyLimit]},
	{Versioned, "VersionedBytes", implements[storage.VersionedBytes]},
	{Watcher, "WatcherBytes", implements[storage.WatcherBytes]},
	{Swapper, "SwapperBytes", implements[storage.SwapperBytes]},
}

func implements[I any](b storage.Bytes) bool {
	_, ok := b.(I)
	return ok
}

func capabilitiesOf(b storage.Bytes) (all Capability) {
	for _, c := range capabilities {
		if c.has(b) {
			all |= c.is
		}
	}
	return all
}

// String names the interfaces.
func (c Capability) String() string {
	var names []string
	for _, one := range capabilities {
		if c&one.is != 0 {
			names = append(names, one.name)
		}
	}
	if len(names) == 0 {
		return "nothing else"
	}
	return strings.Join(names, ", ")
}

// TestBytes proves that a store of bytes does what storage.Bytes and the other
// interfaces that it implements say:
//
//	func TestConformance(t *testing.T) {
//		storagetest.TestBytes(t, storagetest.Store{
//			New:        func(t *testing.T) storage.Bytes { return mine.Open(t) },
//			Can:        storagetest.Bulk | storagetest.Adder,
//			Resolution: time.Millisecond,
//			Advance:    time.Sleep,
//		})
//	}
//
// What the store lacks is not checked. Checks that begin with cachetory or ring
// are those systems' own tests of their stores. Run it with the race detector
// too.
//
// Where time does not pass by Advance alone, the checks that wait for it run at
// the same time: all of them take a second or two, or four times Resolution
// where that is longer.
func TestBytes(t *testing.T, s Store) {
	t.Helper()
	if s.New == nil {
		t.Fatal("storagetest: Store.New is nil: give a function that makes a store")
	}
	var waiting sync.WaitGroup
	for _, c := range s.suite() {
		run := func() {
			t.Run(c.Name, func(t *testing.T) { c.run(t, s.subject(t.Context(), s.New(t))) })
		}
		if c.waits && !s.Exact {
			waiting.Go(run)
		} else {
			run()
		}
	}
	waiting.Wait()
}

// bytesCheck is a check, and when it makes sense.
type bytesCheck struct {
	Name  string
	needs Capability
	when  condition
	waits bool // time passes
	run   func(t checks.TB, s *bytesSubject)
}

// condition is a set of what a check needs besides capabilities.
type condition uint

const (
	keepsTimes condition = 1 << iota // the store is not Timeless
	tellsLeft                        // nor is LeftUnknown
	exactly                          // time passes by Advance alone
)

// suite is the checks that fit the store.
func (s Store) suite() []bytesCheck {
	if s.KeepsNothing {
		return slices.Concat(generalChecks, nothingChecks)
	}
	var holds condition
	if !s.Timeless {
		holds |= keepsTimes
		if !s.LeftUnknown {
			holds |= tellsLeft
		}
	}
	if s.Exact {
		holds |= exactly
	}
	var fitting []bytesCheck
	for _, c := range slices.Concat(generalChecks, recordChecks, keyChecks, timeChecks, manyChecks, listChecks, claimChecks, claimTimeChecks, casChecks, versionChecks, watchChecks, contextChecks, concurrencyChecks, versionRaceChecks, modelChecks) {
		if c.needs&^s.Can == 0 && c.when&^holds == 0 && (!c.waits || s.Advance != nil) {
			fitting = append(fitting, c)
		}
	}
	return fitting
}

var generalChecks = []bytesCheck{
	{Name: "it implements what is listed", run: implementsListed},
}

func implementsListed(t checks.TB, s *bytesSubject) {
	has := capabilitiesOf(s.b)
	if lost := s.Can &^ has; lost != 0 {
		t.Errorf("%T does not implement %s, which Store.Can lists", s.b, lost)
	}
	if more := has &^ s.Can; more != 0 {
		t.Errorf("%T implements %s, which Store.Can does not list: list it, so that it is checked", s.b, more)
	}
}

// subject is what a check is run on, with keys of its own.
func (s Store) subject(ctx context.Context, b storage.Bytes) *bytesSubject {
	s.Resolution = max(s.Resolution, 1)
	if s.MaxValue == 0 {
		s.MaxValue = 1 << 20
	}
	if s.MaxKey == 0 {
		s.MaxKey = 1 << 10
		if limit, ok := b.(storage.KeyLimit); ok {
			s.MaxKey = limit.MaxKey()
		}
	}
	return &bytesSubject{Store: s, ctx: ctx, b: b, prefix: fmt.Sprintf("t%s:", rand.Text()[:12])}
}
