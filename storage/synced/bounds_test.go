package synced_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

// What changes hold while they wait counts for the bound of the queue, also where the
// value as a whole does not grow.
func TestWhatChangesHoldIsBounded(t *testing.T) {
	const each, most = 16 << 10, 3 << 18
	value := strings.Repeat("x", each)
	twenty := func(t *testing.T, l *synced.List[string]) {
		for range 20 {
			done(t, l.Append(t.Context(), value))
		}
	}
	for name, c := range map[string]struct {
		begin  func(t *testing.T, l *synced.List[string])
		change func(t *testing.T, l *synced.List[string], d *synced.Dict[string]) error
		fills  bool // the queue
	}{
		"put": {nil, func(t *testing.T, _ *synced.List[string], d *synced.Dict[string]) error {
			return d.Put(t.Context(), "k", value)
		}, true},
		"merge": {nil, func(t *testing.T, _ *synced.List[string], d *synced.Dict[string]) error {
			return d.Merge(t.Context(), map[string]string{"k": value})
		}, true},
		"append": {nil, func(t *testing.T, l *synced.List[string], _ *synced.Dict[string]) error {
			return l.Append(t.Context(), value)
		}, true},
		"pop": {twenty, func(t *testing.T, l *synced.List[string], _ *synced.Dict[string]) error {
			return last(l.Pop(t.Context()))
		}, false},
		"remove": {twenty, func(t *testing.T, l *synced.List[string], _ *synced.Dict[string]) error {
			return last(l.Remove(t.Context(), value))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, func(t *testing.T, s *server) {
				m := s.memberOf(t, prefix, resilient.Queue(0, most))
				l, d := list[string](t, m, "l"), dict[string](t, m, "d")
				if c.begin != nil {
					c.begin(t, l)
				}
				s.leave()
				full := false
				for accepted := 1; accepted <= 20 || c.fills && accepted < 100; accepted++ {
					if err := c.change(t, l, d); errors.Is(err, resilient.ErrFull) {
						full = true
						break
					} else if !errors.Is(err, synced.ErrQueued) {
						t.Fatal(err)
					}
					if is := m.Stats().Bytes; is > most || is < accepted*each {
						t.Fatalf("%d changes take %d bytes, of %d", accepted, is, most)
					}
				}
				if full != c.fills {
					t.Errorf("the queue is full: %v", full)
				}
				s.comeBack()
			})
		})
	}
}
