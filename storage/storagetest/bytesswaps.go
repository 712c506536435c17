package storagetest

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

// casChecks are those of CompareAndSwap.
var casChecks = []bytesCheck{
	{Name: "a swap replaces what its claim has returned", needs: Swapper, run: swapReplaces},
	{Name: "a swap after a change is refused", needs: Swapper, run: swapAfterChange},
	{Name: "a swap ends other claims", needs: Swapper, run: swapEndsClaims},
	{Name: "another time for the same value keeps no swap out", needs: Swapper, run: swapAfterTouch},
	{Name: "a swap of what no claim has returned is refused", needs: Swapper, run: swapOfOther},
	{Name: "a swap after the hold is refused", needs: Swapper, when: keepsTimes, waits: true, run: swapAfterHold},
	{Name: "a swap of what has ended is refused", needs: Swapper, when: keepsTimes, waits: true, run: swapOfEnded},
	{Name: "of many who swap none is lost", needs: Swapper, run: swapsLoseNothing},
}

func (s *bytesSubject) swapper() storage.SwapperBytes { return s.b.(storage.SwapperBytes) }

// cas swaps under one claim.
func (s *bytesSubject) cas(t checks.TB, key, value string, was storage.Claimed, want bool) {
	t.Helper()
	s.casFor(t, key, value, long, was, want)
}

func (s *bytesSubject) casFor(t checks.TB, key, value string, keep time.Duration, was storage.Claimed, want bool) {
	t.Helper()
	swapped, err := s.swapper().CompareAndSwap(s.ctx, was, storage.Item{Key: key, Value: []byte(value), Keep: keep})
	if err != nil || swapped != want {
		t.Fatalf("CompareAndSwap of %.80q says %v, %v; want %v", key, swapped, err, want)
	}
}

// overEach runs f over nothing, an empty record and one with a value.
func (s *bytesSubject) overEach(t checks.TB, f func(key, there string, found bool)) {
	t.Helper()
	for _, over := range []string{"nothing", "empty", "record"} {
		key, there := s.key("over "+over), ""
		if over == "record" {
			there = "old"
		}
		if over != "nothing" {
			s.set(t, key, there, long)
		}
		f(key, there, over != "nothing")
	}
}

func swapReplaces(t checks.TB, s *bytesSubject) {
	s.overEach(t, func(key, there string, found bool) {
		s.cas(t, key, "swapped", s.claim(t, key, long), true)
		s.holds(t, key, "swapped")
		s.casFor(t, key, "again", 2*long, s.claim(t, key, long), true)
		s.holds(t, key, "again")
		s.left(t, "Get", key, s.get(t, key), 2*long)
		s.casFor(t, key, "", storage.Forever, s.claim(t, key, long), true)
		s.holds(t, key, "")
		s.left(t, "Get", key, s.get(t, key), storage.Forever)
		s.fill(t, key, "filled", s.claim(t, key, long), true)
		s.cas(t, key, "of the filled", s.claim(t, key, long), true)
		s.holds(t, key, "of the filled")
		s.casFor(t, key, "none", 0, s.claim(t, key, long), true)
		s.lacks(t, key)
		s.casFor(t, key, "none", -1, s.claim(t, key, long), true) // of none
		s.lacks(t, key)
	})
}

func swapAfterChange(t checks.TB, s *bytesSubject) {
	changes := map[string]func(key, there string){
		"a Set":    func(key, there string) { s.set(t, key, "set", long) },
		"the same": func(key, there string) { s.set(t, key, there, long) },
		"a Delete": func(key, there string) {
			if _, err := s.b.Delete(s.ctx, key); err != nil {
				t.Fatalf("Delete of %.80q: %v", key, err)
			}
		},
		"a Set, undone": func(key, there string) {
			s.set(t, key, "set", long)
			s.set(t, key, there, long)
		},
		"a fill":                    func(key, there string) { s.fill(t, key, "filled", s.claim(t, key, long), true) },
		"a swap":                    func(key, there string) { s.cas(t, key, "swapped", s.claim(t, key, long), true) },
		"a swap for what was there": func(key, there string) { s.cas(t, key, there, s.claim(t, key, long), true) },
		"a swap and a fill after it": func(key, there string) {
			s.cas(t, key, "swapped", s.claim(t, key, long), true)
			s.fill(t, key, there, s.claim(t, key, long), true)
		},
	}
	if s.can(Bulk) {
		changes["SetMany"] = func(key, there string) {
			s.setMany(t, storage.Item{Key: key, Value: []byte(there), Keep: long})
		}
		changes["DeleteMany"] = func(key, there string) {
			if _, err := s.bulk().DeleteMany(s.ctx, []string{key}); err != nil {
				t.Fatalf("DeleteMany of %.80q: %v", key, err)
			}
		}
	}
	if s.can(Lister) {
		changes["a Clear"] = func(key, there string) { s.clear(t, key) }
	}
	for name, change := range changes {
		s.overEach(t, func(key, there string, found bool) {
			key += " " + name
			if found {
				s.set(t, key, there, long)
			}
			was := s.claim(t, key, long)
			change(key, there)
			after := s.get(t, key)
			s.cas(t, key, "late", was, false)
			if r := s.get(t, key); r.Found != after.Found || string(r.Value) != string(after.Value) {
				t.Fatalf("CompareAndSwap of %.80q after %s is refused and leaves %s", key, name, brief(r.Value))
			}
		})
	}
	key := s.key("filled by an earlier claim")
	early, was := s.claim(t, key, long), s.claim(t, key, long)
	s.fill(t, key, "", early, true)
	s.cas(t, key, "late", was, false) // an empty value is not none
	was = s.claim(t, key, long)
	s.fill(t, key, "again", early, true)
	s.cas(t, key, "late", was, false)
	s.holds(t, key, "again")
	if s.can(Adder) {
		key := s.key("added")
		was := s.claim(t, key, long)
		s.add(t, key, "", long, true)
		s.cas(t, key, "late", was, false)
		s.holds(t, key, "")
	}
}

func swapEndsClaims(t checks.TB, s *bytesSubject) {
	s.overEach(t, func(key, there string, found bool) {
		early, was, late := s.claim(t, key, long), s.claim(t, key, long), s.claim(t, key, long)
		s.cas(t, key, there, was, true) // the same as before: only the claims tell
		for _, c := range []storage.Claimed{early, was, late} {
			s.fill(t, key, "late", c, false)
			s.cas(t, key, "late", c, false)
		}
		s.holds(t, key, there)
		early, was = s.claim(t, key, long), s.claim(t, key, long)
		s.casFor(t, key, "", 0, was, true)
		s.fill(t, key, "late", early, false)
		s.lacks(t, key)
	})
}

func swapAfterTouch(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	s.set(t, key, "there", long)
	was, toucher := s.claim(t, key, 3*long), s.claim(t, key, long)
	stored, err := s.fenced().Fill(s.ctx, storage.Filling{Item: storage.Item{Key: key, Value: toucher.Value, Keep: 2 * long}, Token: toucher.Token, Touch: true})
	if err != nil || len(stored) != 1 || !stored[0] {
		t.Fatalf("Fill of %.80q with what it has found says %v, %v", key, stored, err)
	}
	if s.can(Toucher) {
		s.touch(t, storage.Forever, []string{key}, true)
	}
	s.claim(t, key, 5*long)
	s.cas(t, key, "swapped", was, true)
	s.holds(t, key, "swapped")
	s.left(t, "Get", key, s.get(t, key), long)
}

// swapOfOther gives what Claim has not returned. It does not ask whether that is an error.
func swapOfOther(t checks.TB, s *bytesSubject) {
	refused := func(what, key string, was storage.Claimed) {
		t.Helper()
		before := s.get(t, key)
		swapped, err := s.swapper().CompareAndSwap(s.ctx, was, storage.Item{Key: key, Value: []byte("forged"), Keep: long})
		if err == nil && swapped {
			t.Errorf("CompareAndSwap with %s says %v", what, swapped)
		}
		if r := s.get(t, key); r.Found != before.Found || string(r.Value) != string(before.Value) {
			t.Errorf("CompareAndSwap with %s leaves %s", what, brief(r.Value))
		}
	}
	s.overEach(t, func(key, there string, found bool) {
		mine, others := s.claim(t, key, long), s.claim(t, s.key("other"), long)
		for _, token := range []string{"", "0", "\x00", ".", "...", "1.1.1.x", mine.Token + "0", others.Token} {
			refused(fmt.Sprintf("token %.80q", token), key, storage.Claimed{Record: mine.Record, Token: token})
		}
		for _, r := range []storage.Record{{}, {Found: true}, {Found: true, Value: []byte("old")}, {Found: true, Value: []byte("another")}, {Found: true, Value: []byte("old\x00")}, {Value: []byte("old")}} {
			if r.Found != found || found && string(r.Value) != there {
				refused(fmt.Sprintf("record %+v over %q, %v", r, there, found), key, storage.Claimed{Record: r, Token: mine.Token})
			}
		}
		s.cas(t, key, "mine", mine, true)
		s.holds(t, key, "mine")
	})
}

func swapAfterHold(t checks.TB, s *bytesSubject) {
	s.set(t, s.key("record"), "old", long)
	nothing, record, patient := s.claim(t, s.key("nothing"), s.life()), s.claim(t, s.key("record"), s.life()), s.claim(t, s.key("patient"), long)
	s.passLife()
	s.cas(t, s.key("nothing"), "late", nothing, false)
	s.cas(t, s.key("record"), "late", record, false)
	s.lacks(t, s.key("nothing"))
	s.holds(t, s.key("record"), "old")
	s.claim(t, s.key("record"), long) // does not make the other good again
	s.cas(t, s.key("record"), "late", record, false)
	s.cas(t, s.key("patient"), "swapped", patient, true)
	s.holds(t, s.key("patient"), "swapped")
}

func swapOfEnded(t checks.TB, s *bytesSubject) {
	key := s.key("foo")
	s.set(t, key, "old", s.life())
	was := s.claim(t, key, long)
	s.passLife()
	s.cas(t, key, "late", was, false)
	s.lacks(t, key)
	was = s.claim(t, key, long)
	s.none(t, "Claim", key, was.Record)
	s.cas(t, key, "swapped", was, true)
	s.holds(t, key, "swapped")
}

// swapsLoseNothing counts up, some by swaps and one by fills, which a swap refuses and
// which it must see.
func swapsLoseNothing(t checks.TB, s *bytesSubject) {
	const swappers = 4
	key := s.key("foo")
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	var swapping, filling sync.WaitGroup
	filled := 0
	for range swappers {
		swapping.Go(func() {
			for done := 0; done < s.rounds()/2; {
				claims, err := s.fenced().Claim(ctx, long, key)
				if err != nil || len(claims) != 1 {
					t.Errorf("Claim: %v", err)
					return
				}
				n, _ := strconv.Atoi(string(claims[0].Value))
				runtime.Gosched() // to make one takes some time
				swapped, err := s.swapper().CompareAndSwap(ctx, claims[0], storage.Item{Key: key, Value: []byte(strconv.Itoa(n + 1)), Keep: long})
				if err != nil {
					t.Errorf("CompareAndSwap: %v", err)
					return
				}
				if swapped {
					done++
				}
			}
		})
	}
	filling.Go(func() {
		for ctx.Err() == nil {
			claims, err := s.fenced().Claim(ctx, long, key)
			if err != nil || len(claims) != 1 {
				continue
			}
			n, _ := strconv.Atoi(string(claims[0].Value))
			runtime.Gosched()
			stored, err := s.fenced().Fill(s.ctx, storage.Filling{Item: storage.Item{Key: key, Value: []byte(strconv.Itoa(n + 1)), Keep: long}, Token: claims[0].Token})
			if err != nil || len(stored) != 1 {
				t.Errorf("Fill: %v", err)
				return
			}
			if stored[0] {
				filled++
			}
		}
	})
	swapping.Wait()
	cancel()
	filling.Wait()
	s.holds(t, key, strconv.Itoa(filled+swappers*(s.rounds()/2)))
}
