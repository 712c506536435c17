package guard_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/admission"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/internal/slots"
	"github.com/perennial-go/perennial/internal/timeline"
	"github.com/perennial-go/perennial/observe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var only module.Only

func newGuard(t *testing.T, opts ...guard.Option) *guard.Guard {
	t.Helper()
	g, err := guard.New("source", append([]guard.Option{guard.Logger(nil)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// load is what a test asks a guard for.
type load struct {
	g     *guard.Guard
	pass  admission.Pass
	place slots.Slot
	class guard.Class
	until time.Time // zero is for ever
	key   uint64
}

func (l *load) Left() time.Duration {
	if l.until.IsZero() {
		return math.MaxInt64
	}
	return time.Until(l.until)
}

func (l *load) Hash() uint64 { return l.key }

func ask(g *guard.Guard, c guard.Class) (l *load, queue bool, err error) {
	l = &load{g: g, place: g.Gate(only).Place(), class: c}
	queue, err = g.Gate(only).Enter(&l.pass, &l.place, c, l)
	return l, queue, err
}

// enters asks for a load that is let in at once.
func enters(t *testing.T, g *guard.Guard, c guard.Class) *load {
	t.Helper()
	l, queue, err := ask(g, c)
	if queue || err != nil {
		t.Fatalf("a %v load is not let in: %v, %v, %+v", c, queue, err, g.State())
	}
	return l
}

func refused(t *testing.T, g *guard.Guard, c guard.Class) *guard.OverloadedError {
	t.Helper()
	_, queue, err := ask(g, c)
	var o *guard.OverloadedError
	if queue || !errors.As(err, &o) {
		t.Fatalf("a %v load is not refused: %v, %v", c, queue, err)
	}
	return o
}

// leave ends a load.
func (l *load) leave(took time.Duration, o admission.Outcome) {
	var now timeline.Timeline
	now.Init(nil, true, nil)
	l.g.Gate(only).Leave(&l.pass, &l.place, now.Steady(), took, o, l)
}

func TestOptions(t *testing.T) {
	for name, opts := range map[string][]guard.Option{
		"Between is given 0":         {guard.Between(0, 5)},
		"Between is given 5":         {guard.Between(5, 4)},
		"Fixed is given -1":          {guard.Fixed(-1)},
		"Shares":                     {guard.Shares(0.5, 0, 0.5)},
		"and at most 1":              {guard.Shares(0.5, 0.5, 1.1)},
		"above 0":                    {guard.Shares(math.NaN(), 0.5, 0.5)},
		"QueueTimeout is given -1ns": {guard.QueueTimeout(-1)},
		"QueueTimeout is given 5ns":  {guard.QueueTimeout(5)},
		"ProbeEvery is given 0s":     {guard.ProbeEvery(0)},
		"a zero Option":              {{}},
	} {
		if _, err := guard.New("source", opts...); err == nil || !strings.Contains(err.Error(), name) || !strings.HasPrefix(err.Error(), "guard: source: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := guard.New(""); err == nil {
		t.Error("a guard needs no name")
	}
	g := newGuard(t)
	err := g.Apply(guard.Fixed(7), guard.Clock(clock.NewMock()), guard.Logger(nil), guard.Observe(nil))
	if err == nil || strings.Count(err.Error(), "is for New alone") != 3 || g.State().Ceiling != guard.DefaultCeiling {
		t.Errorf("%v, and the guard is %+v", err, g.State())
	}
	if guard.Fixed(1).String() != "guard.Fixed" || g.String() != "source" || g.Name() != "source" {
		t.Error(guard.Fixed(1), g)
	}
	for c := range guard.Classes {
		if c.String() == "" || c.String() == "unknown class" {
			t.Errorf("class %d has no name", c)
		}
	}
	if guard.Classes.String() != "unknown class" {
		t.Error(guard.Classes)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for want, e := range map[string]*guard.OverloadedError{
		"has no place in time: come again in 1.2s":  {Guard: "db", RetryAfter: 1200 * time.Millisecond},
		"is not asked, for nothing succeeds there":  {Guard: "db", Down: true},
		"a refresh load of db is left to others":    {Guard: "db", Class: guard.Refresh},
		"or serve older values with config.StaleIf": {Guard: "db"},
	} {
		if !strings.Contains(e.Error(), want) || !errors.Is(e, guard.ErrOverloaded) || !e.Temporary() {
			t.Errorf("%v", e)
		}
	}
}

// The classes below have their shares, which is one load at least, and only while nobody waits.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Fixed(10), guard.Shares(0.7, 0.5, 0.2))
		var in []*load
		for _, c := range []guard.Class{guard.Warm, guard.Warm} {
			in = append(in, enters(t, g, c))
		}
		refused(t, g, guard.Warm)
		for range 3 {
			in = append(in, enters(t, g, guard.Refresh))
		}
		if !g.Gate(only).Sheds(guard.Refresh) || g.Gate(only).Sheds(guard.Rescuable) {
			t.Error("half is for refreshes")
		}
		refused(t, g, guard.Refresh)
		in = append(in, enters(t, g, guard.Rescuable), enters(t, g, guard.Rescuable))
		refused(t, g, guard.Rescuable)
		in = append(in, enters(t, g, guard.Miss), enters(t, g, guard.Forced), enters(t, g, guard.Miss))
		waiting, queue, err := ask(g, guard.Miss)
		if !queue || err != nil {
			t.Fatal(queue, err)
		}
		go func() { _ = g.Gate(only).Queue(t.Context(), &waiting.pass, &waiting.place, waiting.class, waiting) }()
		synctest.Wait()
		if st := g.State(); st.InFlight != 10 || st.Queued != 1 || st.Limit != 10 {
			t.Errorf("%+v", st)
		}
		in[0].leave(time.Millisecond, admission.Success)
		synctest.Wait()
		if st := g.State(); st.InFlight != 10 || st.Queued != 0 || st.Admitted[guard.Miss] != 3 {
			t.Errorf("who waits has not got the place: %+v", st)
		}
		for _, l := range append(in, waiting) {
			l.leave(time.Millisecond, admission.Success)
			l.leave(time.Millisecond, admission.Failure) // which counts no more
		}
		st := g.State()
		if st.InFlight != 0 || st.Succeeded != 11 || st.Failed != 0 || st.Refused != [guard.Classes]uint64{guard.Rescuable: 1, guard.Refresh: 2, guard.Warm: 1} {
			t.Errorf("%+v", st)
		}
		if err := g.Apply(guard.Fixed(1)); err != nil {
			t.Fatal(err)
		}
		enters(t, g, guard.Warm).leave(0, admission.None)
	})
}

// Whoever is refused in the queue has no place, and who is let in has one.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Fixed(1), guard.QueueTimeout(5*time.Second))
		first := enters(t, g, guard.Miss)
		queue := func(ctx context.Context, left time.Duration) (*load, chan error) {
			l, queues, err := ask(g, guard.Miss)
			if !queues || err != nil {
				t.Fatal(queues, err)
			}
			l.until = time.Now().Add(left)
			got := make(chan error, 1)
			go func() { got <- g.Gate(only).Queue(ctx, &l.pass, &l.place, l.class, l) }()
			synctest.Wait()
			return l, got
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, cancelled := queue(ctx, time.Hour)
		_, hasty := queue(t.Context(), time.Second)
		patient, served := queue(t.Context(), time.Hour)
		_, tooLong := queue(t.Context(), time.Hour)
		cancel()
		if err := <-cancelled; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		began := time.Now()
		if err := <-hasty; !errors.Is(err, guard.ErrOverloaded) || time.Since(began) != time.Second {
			t.Error(err, time.Since(began))
		}
		first.leave(time.Second, admission.Success)
		if err := <-served; err != nil {
			t.Fatal(err)
		}
		if err := <-tooLong; !errors.Is(err, guard.ErrOverloaded) || time.Since(began) != 5*time.Second {
			t.Error(err, time.Since(began))
		}
		patient.leave(time.Second, admission.Success)
		if st := g.State(); st.InFlight != 0 || st.Queued != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// When the breaker opens those who wait are refused, and what begins in an older state says
// nothing any more.
func TestBreakerAndQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []observe.Kind
		g := newGuard(t, guard.Fixed(30), guard.Observe(observe.Func(func(_ context.Context, ev observe.Event) {
			seen = append(seen, ev.Kind)
			panic("an observer")
		})))
		var in []*load
		for i := range 30 {
			l := enters(t, g, guard.Miss)
			l.key = uint64(i)
			in = append(in, l)
		}
		l, queue, err := ask(g, guard.Miss)
		if !queue || err != nil {
			t.Fatal(queue, err)
		}
		got := make(chan error, 1)
		go func() { got <- g.Gate(only).Queue(t.Context(), &l.pass, &l.place, l.class, l) }()
		synctest.Wait()
		in[0].leave(time.Second, admission.Failure)
		synctest.Wait()
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		waits, queue, err := ask(g, guard.Miss)
		if !queue || err != nil {
			t.Fatal(queue, err)
		}
		go func() { got <- g.Gate(only).Queue(t.Context(), &waits.pass, &waits.place, waits.class, waits) }()
		synctest.Wait()
		if err := g.Apply(guard.Fixed(1)); err != nil { // nobody gets a place meanwhile
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		for _, l := range in[1:20] {
			l.leave(time.Second, admission.Failure)
		}
		var o *guard.OverloadedError
		if err := <-got; !errors.As(err, &o) || !o.Down {
			t.Errorf("who waited got %v", err)
		}
		if o := refused(t, g, guard.Forced); !o.Down || o.RetryAfter <= 0 || o.RetryAfter > 1100*time.Millisecond {
			t.Errorf("%+v", o)
		}
		if !g.Gate(only).Sheds(guard.Refresh) {
			t.Error("refreshes go on")
		}
		time.Sleep(1100 * time.Millisecond)
		if g.Gate(only).Sheds(guard.Refresh) {
			t.Error("a refresh may not be the probe")
		}
		probe := enters(t, g, guard.Refresh)
		refused(t, g, guard.Miss) // another is under way
		in[20].leave(time.Second, admission.Success)
		if st := g.State(); !st.Down || !st.Probing || st.Probes != 1 {
			t.Errorf("a success of an older state has closed it: %+v", st)
		}
		probe.leave(0, admission.None) // it was not made
		probe = enters(t, g, guard.Warm)
		probe.leave(time.Second, admission.TimedOut)
		if o := refused(t, g, guard.Miss); !o.Down {
			t.Errorf("%+v", o)
		}
		time.Sleep(1100 * time.Millisecond)
		probe = enters(t, g, guard.Miss)
		probe.leave(time.Millisecond, admission.Success)
		if st := g.State(); st.Down || st.Opened != 1 || st.Panics != 2 || st.Probes != 3 {
			t.Errorf("%+v", st)
		}
		in[21].leave(time.Second, admission.Failure)
		if len(seen) != 2 || seen[0] != observe.SourceDown || seen[1] != observe.SourceBack {
			t.Errorf("events: %v", seen)
		}
	})
}

// A source that works again gets one load, and then twice as many with each round.
func TestSlowStart(t *testing.T) {
	for _, slow := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			g := newGuard(t, guard.Between(4, 64), guard.SlowStart(slow))
			if err := g.Apply(guard.Between(1, 64)); err != nil {
				t.Fatal(err)
			}
			good := func(rounds int) {
				for range rounds {
					var in []*load
					for range g.State().Limit {
						in = append(in, enters(t, g, guard.Miss))
					}
					_, _, _ = ask(g, guard.Rescuable) // more are wanted
					time.Sleep(time.Millisecond)
					for _, l := range in {
						l.leave(time.Millisecond, admission.Success)
					}
				}
			}
			good(50)
			if n := g.State().Limit; n < 32 {
				t.Fatalf("a source that is quick has %d", n)
			}
			for i := range 20 {
				l := enters(t, g, guard.Miss)
				l.key = uint64(i)
				time.Sleep(10 * time.Millisecond)
				l.leave(time.Millisecond, admission.Failure)
			}
			before := g.State()
			if !before.Down || before.Limit < 16 {
				t.Fatalf("%+v", before)
			}
			time.Sleep(1100 * time.Millisecond)
			enters(t, g, guard.Miss).leave(time.Millisecond, admission.Success)
			if n := g.State().Limit; slow != (n == 1) {
				t.Errorf("slow start is %v, and the limit %d", slow, n)
			}
			good(20)
			if n := g.State().Limit; n < before.Limit/2 {
				t.Errorf("the limit was %d and is %d", before.Limit, n)
			}
		})
	}
}

// Switched off it lets everything in, those who wait too, and learns nothing.
func TestOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Fixed(1))
		first := enters(t, g, guard.Miss)
		l, queue, err := ask(g, guard.Miss)
		if !queue || err != nil {
			t.Fatal(queue, err)
		}
		got := make(chan error, 1)
		go func() { got <- g.Gate(only).Queue(t.Context(), &l.pass, &l.place, l.class, l) }()
		synctest.Wait()
		if err := g.Apply(guard.Off(true)); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		var in []*load
		for i := range 50 {
			x := enters(t, g, guard.Warm)
			x.key = uint64(i)
			in = append(in, x)
		}
		if st := g.State(); st.InFlight != 52 || !st.Off || st.Limit != 1 || g.Gate(only).Sheds(guard.Warm) {
			t.Errorf("%+v", st)
		}
		for _, x := range append(in, first, l) {
			x.leave(time.Second, admission.Failure)
		}
		if st := g.State(); st.Down || st.InFlight != 0 {
			t.Errorf("%+v", st)
		}
		if err := g.Apply(guard.Off(false)); err != nil {
			t.Fatal(err)
		}
		enters(t, g, guard.Miss)
		refused(t, g, guard.Refresh)
	})
}

// What is given up keeps its place until it comes back, and one is for what is in its time.
func TestLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGuard(t, guard.Fixed(2), guard.Breaker(false))
		a, b := enters(t, g, guard.Miss), enters(t, g, guard.Miss)
		a.leave(time.Second, admission.TimedOut)
		refused(t, g, guard.Refresh)
		b.leave(time.Second, admission.TimedOut)
		c := enters(t, g, guard.Miss)
		if st := g.State(); st.InFlight != 3 || st.Late != 2 || st.TimedOut != 2 {
			t.Errorf("%+v", st)
		}
		refused(t, g, guard.Refresh)
		c.leave(time.Second, admission.Success)
		a.place.Return()
		b.place.Return()
		if st := g.State(); st.InFlight != 0 || st.Late != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Settings, loads and looks at the state at once.
func TestAtOnce(t *testing.T) {
	g := newGuard(t, guard.Between(1, 8))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 300 {
				l := &load{g: g, place: g.Gate(only).Place(), until: time.Now().Add(time.Second), key: uint64(i)}
				queue, err := g.Gate(only).Enter(&l.pass, &l.place, guard.Class(j%int(guard.Classes)), l)
				if queue {
					err = g.Gate(only).Queue(context.Background(), &l.pass, &l.place, l.class, l)
				}
				if err == nil {
					l.leave(time.Duration(j), admission.Outcome(j%4))
					l.place.Return()
				}
			}
		})
	}
	all.Go(func() {
		for i := range 100 {
			_ = g.Apply(guard.Between(1, 1+i%9), guard.Off(i%10 == 0), guard.Breaker(i%3 == 0))
			_ = g.State()
		}
	})
	all.Wait()
	if st := g.State(); st.InFlight != 0 || st.Queued != 0 || st.Late != 0 {
		t.Errorf("%+v", st)
	}
}
