package storagetest

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

const all = Bulk | Adder | Toucher | Lister | Fenced | Swapper

// failedBytes runs the checks of a name, or all, on stores made for it.
func failedBytes(s Store, check string, make func() storage.Bytes) map[string][]string {
	var suite []checks.Check[*bytesSubject]
	for _, c := range s.suite() {
		suite = append(suite, checks.Check[*bytesSubject]{Name: c.Name, Run: c.run})
	}
	return checks.Failed(suite, check, func() *bytesSubject { return s.subject(context.Background(), make()) })
}

// exact is the description of a store on a mock clock.
func exact(mock *clock.Mock) Store {
	return Store{Can: all, Advance: mock.Add, Exact: true}
}

// today is a mock clock that is not at the epoch, where an instant and a
// duration are the same.
func today() *clock.Mock {
	mock := clock.NewMock()
	mock.Set(time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC))
	return mock
}

// Each fault must be found by the check that is named after what it breaks.
func TestSuiteFindsBrokenStoresOfBytes(t *testing.T) {
	found := map[string]bool{}
	for _, c := range []struct {
		check  string
		faults []fault
	}{
		{"cachetory02SetGet", []fault{"nothing is stored", "one key for all"}},
		{"cachetory03GetMissing", []fault{"what is missing is an error", "what is missing is found"}},
		{"cachetory04IfNotExists", []fault{"an Add stores over what is there", "an Add gives its time to what is there", "empty values are nothing"}},
		{"cachetory05Delete", []fault{"nothing is deleted", "a Delete says true", "one key for all"}},
		{"cachetory06DeleteMissing", []fault{"a Delete of what is missing is an error", "a Delete says true"}},
		{"cachetory14EmptyValue", []fault{"empty values are nothing", "what is missing is found"}},
		{"ring05UpdateReplaces", []fault{"the first value stays"}},
		{"ring07TouchMissing", []fault{"a touch makes a record", "a touch does nothing"}},
		{"ring30EveryByte", []fault{"values are made valid UTF-8", "values are trimmed"}},
		{"values of every size", []fault{"values are cut at 64 KiB"}},
		{"a time of zero or less deletes", []fault{"zero is forever", "zero does nothing", "negative is forever"}},
		{"a time of zero or less adds nothing", []fault{"an Add for zero is forever"}},
		{"a touch for zero or less deletes", []fault{"a touch for zero is forever"}},
		{"a value that was set may be changed", []fault{"values are not copied in"}},
		{"a value that was got may be changed", []fault{"values are not copied out", "GetMany returns one buffer in pieces"}},

		{"ring21KeysOfAnyBytes", []fault{"keys end at a zero byte", "keys are lower case", "keys are trimmed", "keys are made valid UTF-8"}},
		{"keys of every length", []fault{"keys are cut at 250"}},
		{"many keys", []fault{"1,000 keys are listed"}},

		{"cachetory10TimeToLive", []fault{"nothing expires"}},
		{"cachetory12ExpireIn", []fault{"a touch does nothing", "nothing expires"}},
		{"a record is gone at the instant of its end", []fault{"records live at the instant of their end", "what was given is left"}},
		{"it tells what is left", []fault{"what is left is counted in seconds", "Forever is a year"}},
		{"what is left grows less", []fault{"what was given is left"}},
		{"times of months and years", []fault{"more than 30 days is a date", "long times overflow"}},
		{"a time too short to tell apart is rounded up", []fault{"times are cut to milliseconds", "short times are forever"}},
		{"Forever has no end", []fault{"Forever is a year"}},
		{"a Set replaces the time too", []fault{"a Set keeps the time"}},
		{"an expired record does not keep an Add out", []fault{"expired records keep an Add out"}},
		{"an Add that is kept out leaves the time", []fault{"an Add gives its time to what is there"}},
		{"to delete an expired record says that there was none", []fault{"a Delete of what is expired says true"}},
		{"a touch does not revive", []fault{"a touch revives"}},
		{"Keys does not yield what is expired", []fault{"Keys yields what is expired"}},
		{"bulks keep times", []fault{"bulks have no times", "a Set keeps the time"}},

		{"cachetory07DeleteMany", []fault{"DeleteMany does nothing"}},
		{"cachetory08EmptyBulks", []fault{"empty bulks are errors"}},
		{"cachetory09GetManyInOrder", []fault{"GetMany sorts", "GetMany leaves out what is missing", "empty values are nothing"}},
		{"ring18Many", []fault{"DeleteMany does nothing", "the first value stays"}},
		{"a key may be twice in a bulk", []fault{"GetMany sorts"}},
		{"of two of one key in SetMany the last holds", []fault{"of two of one key the first holds"}},
		{"items of a bulk are independent", []fault{"a bulk ends at what is not to be stored", "bulks have no times"}},
		{"a bulk of a thousand", []fault{"a bulk is cut at 512"}},

		{"cachetory13Clear", []fault{"Clear leaves the prefix itself"}},
		{"Clear deletes what begins with its prefix and nothing else", []fault{"Clear clears everything", "Clear leaves the prefix itself", "a prefix is of whole parts"}},
		{"Keys yields what begins with its prefix and nothing else", []fault{"a prefix is of whole parts"}},
		{"a prefix is plain text", []fault{"a prefix is a pattern"}},
		{"Keys stops when told to", []fault{"Keys goes on"}},
		{"keys that Keys yields may be deleted at once", []fault{"Keys goes by a number"}},

		{"a claim is filled", []fault{"a fill keeps the time"}},
		{"a claim returns the record and leaves it", []fault{"a claim takes the record away", "a claim lengthens the time"}},
		{"a claim alone is not found", []fault{"claims are found", "claims keep an Add out", "Keys yields claims"}},
		{"a fill after a delete is refused", []fault{"a Delete leaves claims good", "a Delete of nothing leaves claims good"}},
		{"a fill after a set is refused", []fault{"a Set leaves claims good"}},
		{"a fill after a clear is refused", []fault{"Clear leaves claims good", "Clear clears everything"}},
		{"a touch leaves claims good", []fault{"a touch takes claims away"}},
		{"two claims may both fill", []fault{"claims keep each other out", "a fill takes other claims away", "a claim takes the fills of earlier ones away"}},
		{"a fill never replaces that of a later claim", []fault{"of two who fill the last holds", "a touch forgets which claim it is of"}},
		{"a fill that touches keeps the age of the value", []fault{"a touching fill makes the value younger"}},
		{"a later claim does not make an earlier one good again", []fault{"generations begin anew with the record"}},
		{"a token is good for its key alone", []fault{"generations begin anew with the record", "any token is good"}},
		{"claims and fills of many", []fault{"a refused fill ends the bulk", "a fill takes other claims away"}},
		{"a fill after the hold is refused", []fault{"claims are good for ever"}},
		{"a claim never lengthens a record's time", []fault{"a claim lengthens the time"}},
		{"a claim outlives the record", []fault{"a claim ends with the record"}},
		{"a filled record has the time of its fill", []fault{"a fill keeps the time"}},
		{"a claim with a long hold outlives a short one", []fault{"a short hold shortens a long one"}},
		{"holds of years", []fault{"long holds overflow"}},

		{"a swap replaces what its claim has returned", []fault{"a swap stores nothing", "a swap for zero is forever"}},
		{"a swap after a change is refused", []fault{"a swap looks at the claim alone", "a swap looks at the value alone", "an empty value is none", "a swap leaves other claims good"}},
		{"a swap ends other claims", []fault{"a swap leaves other claims good"}},
		{"another time for the same value keeps no swap out", []fault{"a touch keeps swaps out"}},
		{"a swap of what no claim has returned is refused", []fault{"a swap looks at the claim alone", "any token is good"}},
		{"a swap after the hold is refused", []fault{"claims are good for ever"}},
		{"a swap of what has ended is refused", []fault{"a swap takes what has ended for what is there"}},
		{"of many who swap none is lost", []fault{"a swap looks and stores one after the other", "a swap looks at the claim alone"}},

		{"under a context that was cancelled nothing is done", []fault{"contexts are ignored", "what is cancelled is done", "a Delete looks at its context too late", "Keys hides errors"}},
		{"under a context whose deadline is over nothing is done", []fault{"contexts are ignored", "Keys hides errors"}},

		{"a read sees one value with its own time", []fault{"value and time are stored one after the other"}},
		{"of many who add one succeeds", []fault{"an Add looks and stores one after the other"}},
		{"of many who delete one is told that it was there", []fault{"a Delete looks and deletes one after the other"}},
		{"keys are written at the same time", []fault{"writers copy everything", "one key for all"}},
		{"no fill survives a delete that came after its claim", []fault{"a fill looks and stores one after the other", "a Delete of nothing leaves claims good"}},

		{"random calls do what they do to a map", []fault{"now and then a Set is lost", "a Set keeps the time", "a touch revives", "a Delete of nothing leaves claims good", "records live at the instant of their end"}},
	} {
		found[c.check] = true
		for _, f := range c.faults {
			t.Run(c.check+"/"+string(f), func(t *testing.T) {
				mock := today()
				s := exact(mock)
				s.Seed = 1 // the random check finds a fault sooner or later, with this seed it does
				if len(failedBytes(s, c.check, func() storage.Bytes { return newToy(mock, f) })) == 0 {
					t.Errorf("the check does not fail")
				}
			})
		}
	}
	for _, c := range exact(nil).suite() {
		if !found[c.Name] && c.Name != generalChecks[0].Name {
			t.Errorf("no broken store is tried on the check %q", c.Name)
		}
	}
}

func TestSuiteFindsWhatAStoreOfNothingKeeps(t *testing.T) {
	s := Store{Can: all, KeepsNothing: true}
	for check, f := range map[string]fault{"cachetory15 what is set is not found": "", "empty bulks": "empty bulks are errors"} {
		if len(failedBytes(s, check, func() storage.Bytes { return newToy(today(), f) })) == 0 {
			t.Errorf("the check %q does not fail", check)
		}
	}
}

// lesser has lost what a toy can do besides Bytes.
type lesser struct{ storage.Bytes }

func TestSuiteFindsWhatAStoreHasLostOrGained(t *testing.T) {
	const check = "it implements what is listed"
	mock := today()
	toys := func() storage.Bytes { return newToy(mock, "") }
	for name, failed := range map[string]map[string][]string{
		"lost":   failedBytes(exact(mock), check, func() storage.Bytes { return lesser{toys()} }),
		"gained": failedBytes(Store{Can: all &^ Toucher}, check, toys),
	} {
		if len(failed) == 0 {
			t.Errorf("that a store has %s a method is not found", name)
		}
	}
	// What it has lost is not checked, nor what needs what it can't do.
	if f := failedBytes(Store{}, "", func() storage.Bytes { return lesser{toys()} }); len(f) > 0 {
		t.Error(f)
	}
}

// A store that does nothing wrong passes every check.
func TestSuitePassesASoundStoreOfBytes(t *testing.T) {
	mock := today()
	if f := failedBytes(exact(mock), "", func() storage.Bytes { return newToy(mock, "") }); len(f) > 0 {
		t.Error(f)
	}
}

// So does one on a clock that runs by itself, and one that knows less of time.
func TestSuitePassesASoundStoreOnItsOwnClock(t *testing.T) {
	for name, s := range map[string]Store{
		"to the nanosecond": {Can: all, Advance: time.Sleep},
		"to the second":     {Can: all, Advance: time.Sleep, Resolution: time.Second},
		"not at all":        {Can: all, Timeless: true},
		"never passing":     {Can: all},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var f fault
				if s.Timeless {
					f = "nothing expires"
				}
				if f := failedBytes(s, "", func() storage.Bytes { return seconds{newToy(clock.New(), f), s.Resolution} }); len(f) > 0 {
					t.Error(f)
				}
			})
		})
	}
}

// TestRandomChecksRepeat shows that a seed makes the same calls again.
func TestRandomChecksRepeat(t *testing.T) {
	said := func() string {
		mock := today()
		s := exact(mock)
		s.Seed = 7
		f := failedBytes(s, "random calls do what they do to a map", func() storage.Bytes { return newToy(mock, "a touch revives") })
		return fmt.Sprint(f)
	}
	if first, second := said(), said(); first != second || len(first) < 100 {
		t.Errorf("seed 7 says %s\nand then %s", first, second)
	}
}
