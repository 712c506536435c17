package overload

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func skipUnderRace(t *testing.T) {
	if underRace {
		t.Skip("the same code as in other tests, ten times as long with the race detector")
	}
}

// With a guard and nothing else set, every trigger is survived: the source is not asked for
// more than it bears, and what callers get comes back by itself and stays.
func TestG19EveryTriggerIsSurvived(t *testing.T) {
	for i, s := range scenarios {
		for _, how := range []way{withGuard, withStale} {
			if underRace && i%4 != 0 { // which takes ten times as long
				continue
			}
			t.Run(s.name+", "+how.name, func(t *testing.T) {
				w := usual(1)
				w.fixed = true // so that what it bears is the same in each second
				at := run(t, w, s, how)
				m := at.measure()
				t.Logf("%+v", m)
				again := int(2 * float64(w.keys) / w.capacity())
				if m.before < 0.999 || m.back < 0 || m.back > again {
					t.Errorf("of the calls %.3f were answered before, and again %d seconds after, which should be %d at most", m.before, m.back, again)
				}
				if m.load > 1.1 {
					t.Errorf("the source was asked for %.2f times what it bears", m.load)
				}
				if how.name == withStale.name && !s.store && s.name != "flush" && m.during < 0.99 {
					t.Errorf("of the calls %.3f were answered, and all values are kept", m.during)
				}
				if st := at.guard.State(); st.InFlight != 0 || st.Queued != 0 {
					t.Errorf("when all is over: %+v", st)
				}
			})
		}
	}
}

// A flush of all that is stored is over nearly as soon as it can be: 99 of a hundred keys are
// loaded within ten seconds of what the source needs for all.
func TestG19AColdStartTakesAsLongAsItMust(t *testing.T) {
	skipUnderRace(t)
	w := usual(1)
	w.uniform, w.calls = true, 20*w.capacity()
	flush := scenarios[0]
	forget := flush.begin
	flush.begin = func(at *running) {
		forget(at)
		at.source.set(func(s *source) { clear(s.first) })
	}
	at := run(t, w, flush, withGuard)
	least := int(float64(w.keys) / w.capacity())
	if took := at.loaded(0.99); took > least+10 {
		t.Errorf("99 of a hundred keys took %d seconds, and the source needs %d", took, least)
	} else {
		t.Logf("99 of a hundred keys took %d seconds, the source needs %d for all", took, least)
	}
}

// Refreshes are shed to a fifth and less, and hardly a caller sees anything of it.
func TestG19RefreshesAreShedAndCallersServed(t *testing.T) {
	skipUnderRace(t)
	w := usual(1)
	w.life = 2 * time.Minute
	s := scenario{
		name: "a tenth of the capacity", capacity: 0.1, lasts: time.Minute,
		begin: func(at *running) { at.source.set(func(s *source) { s.service *= 10 }) },
		end:   func(at *running) { at.source.set(func(s *source) { s.service /= 10 }) },
	}
	at := run(t, w, s, withGuard)
	m, st := at.measure(), at.guard.State()
	if m.during < 0.999 {
		t.Errorf("of the calls %.4f were answered", m.during)
	}
	t.Logf("%.4f of the calls were answered; %+v", m.during, st.Stats)
}

// What the guard has rules for happens where they are left out.
func TestG19Controls(t *testing.T) {
	skipUnderRace(t)
	guards := map[string]measures{}
	scenario := func(name string) scenario {
		for _, s := range scenarios {
			if s.name == name {
				return s
			}
		}
		t.Fatal("there is no scenario", name)
		panic("unreachable")
	}
	for _, c := range []struct {
		way      way
		scenario string
		fixed    bool // loads always take the same time, so that what it bears is the same in each second
		fails    func(with, without measures) bool
	}{
		{bare, "outage", true, func(with, without measures) bool { return with.load <= 1.1 && without.load > 3 }},
		{ten, "the store is away", false, func(with, without measures) bool { return with.during > 1.5*without.during }},
		{dropping, "flush", false, func(_, without measures) bool { return without.before < 0.5 }},
		{blind, "all hang", false, func(with, without measures) bool { return without.mean > 1.5*with.mean }}, // of ten seeds 1.9 to 9 times,
		{flood, "outage", true, func(with, without measures) bool { return without.within > 3*with.within }},
		{failsafe, "outage", true, func(with, without measures) bool { return with.load <= 1.1 && without.load > 2 }},
	} {
		t.Run(c.way.name+", "+c.scenario, func(t *testing.T) {
			s := scenario(c.scenario)
			w := usual(1)
			w.fixed = c.fixed
			with, ok := guards[s.name]
			if !ok {
				with = run(t, w, s, withGuard).measure()
				guards[s.name] = with
			}
			without := run(t, w, s, c.way).measure()
			if !c.fails(with, without) {
				t.Errorf("with a guard %+v, else %+v", with, without)
			}
		})
	}
}

var write = flag.Bool("write", false, "write docs/guard.md's table and its charts")

// TestDocs writes the table and the charts of docs/guard.md.
func TestDocs(t *testing.T) {
	if !*write {
		t.Skip("writes docs/guard.md's table: -args -write does it")
	}
	const docs = "../../../docs/"
	var table strings.Builder
	table.WriteString("| scenario | way | answered while it lasts | as before after | asked of the source | in the worst second | in it at once | oldest served |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	controls := map[string][]way{"flush": {dropping}, "all hang": {blind}, "outage": {flood}}
	for _, s := range scenarios {
		ways := []way{withGuard, withStale, bare, ten, failsafe}
		var runs []*running
		var names []string
		for i, how := range append(append(ways, withFive), controls[s.name]...) {
			at := run(t, usual(1), s, how)
			m := at.measure()
			back := fmt.Sprintf("%d s", m.back)
			if m.back < 0 {
				back = "never"
			} else if m.before < 0.99 {
				back = "never well"
			}
			fmt.Fprintf(&table, "| %s | %s | %.1f %% | %s | %.2f x | %.2f x | %d | %.0f s |\n", s.name, how.name, 100*m.during, back, m.load, m.second, m.within, m.oldest.Seconds())
			if i < len(ways) {
				runs, names = append(runs, at), append(names, how.name)
			}
		}
		if err := os.WriteFile(docs+"charts/guard-"+strings.ReplaceAll(s.name, " ", "-")+".svg", []byte(picture(s, runs, names)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile(docs + "guard.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), "<!-- table -->\n")
	_, after, ok2 := strings.Cut(rest, "<!-- end -->")
	if !ok || !ok2 {
		t.Fatal("docs/guard.md has no place for the table")
	}
	if err := os.WriteFile(docs+"guard.md", []byte(before+"<!-- table -->\n"+table.String()+"<!-- end -->"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
