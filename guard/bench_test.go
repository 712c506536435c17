package guard_test

import (
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/admission"
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
			l.pass, l.place = admission.Pass{}, g.Gate(only).Place()
			if queue, err := g.Gate(only).Enter(&l.pass, &l.place, guard.Miss, l); queue || err != nil {
				b.Fatal("it waits", err)
			}
			now = now.Add(2 * time.Microsecond)
			g.Gate(only).Leave(&l.pass, &l.place, now, time.Microsecond, admission.Success, l)
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
