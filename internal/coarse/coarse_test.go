package coarse

import (
	"testing"
	"testing/synctest"
)

func TestBubbleIsRecognised(t *testing.T) {
	if Bubble() {
		t.Error("outside a bubble Bubble() = true")
	}
	synctest.Test(t, func(t *testing.T) {
		if !Bubble() {
			t.Error("inside a bubble Bubble() = false")
		}
		if got := Now(); got != 0 && reading.Load() == 0 {
			t.Errorf("Now() = %d with no ticker", got)
		}
	})
}

func TestReadingIsNeverAhead(t *testing.T) {
	if first := Now(); first != 0 {
		t.Logf("ticker ran already: %d", first)
	}
	for range 1000 {
		if now, exact := Now(), Exact(); now == 0 || now > exact {
			t.Fatalf("reading %d, exact %d", now, exact)
		}
	}
}

func TestTickerStopsWithoutReaders(t *testing.T) {
	Now()
	used.Store(false)
	for range idle {
		timer.Stop()
		fire() // as the timer does, without waiting for it
		timer.Stop()
	}
	if reading.Load() != 0 {
		t.Error("the ticker still runs after a second without a reader")
	}
}
