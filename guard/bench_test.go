package guard_test

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/slots"
)

// BenchmarkAdmitted is what a guard costs a load that it lets in, beside what MaxLoads,
// which it stands for, costs one. It is to be 50 ns and no allocation.
func BenchmarkAdmitted(b *testing.B) {
	b.Run("guard", func(b *testing.B) {
		g, err := guard.New("source", guard.Logger(nil))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		now := entry.Instant(0)
		l := new(load)
		for b.Loop() {
			l.pass, l.place = guard.Pass{}, g.Place(only)
			if queue, err := g.Enter(only, &l.pass, &l.place, guard.Miss, l); queue || err != nil {
				b.Fatal("it waits", err)
			}
			now = now.Add(2 * time.Microsecond)
			g.Leave(only, &l.pass, &l.place, now, time.Microsecond, guard.Success, l)
		}
	})
	b.Run("MaxLoads", func(b *testing.B) {
		var limit slots.Limit
		limit.Resize(4)
		b.ReportAllocs()
		var slot slots.Slot
		for b.Loop() {
			if slot = limit.Slot(); !slot.TryTake() {
				b.Fatal("it waits")
			}
			slot.Return()
		}
	})
}
