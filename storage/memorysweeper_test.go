package storage_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage"
)

func TestMemoryDropsWhatIsOverUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		held := func(want int) {
			t.Helper()
			synctest.Wait()
			if n, _ := m.Held(); n != want {
				t.Errorf("it holds %d, want %d", n, want)
			}
		}
		const n = 5000 // for which a sweep takes several turns
		for i := range n {
			if err := m.Set(t.Context(), fmt.Sprint(i), []byte("v"), time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		setKeys(t, m, "stays")
		claims, err := m.Claim(t.Context(), 3*time.Minute, "0", "claimed")
		if err != nil || !claims[0].Found {
			t.Fatal(claims, err)
		}
		time.Sleep(time.Minute - 1)
		held(n + 2)
		time.Sleep(time.Nanosecond)
		held(3) // stays, and two claims
		if m.Len() != 1 || !m.Armed() {
			t.Errorf("Len is %d, armed %v; want 1, for the claims", m.Len(), m.Armed())
		}
		time.Sleep(2 * time.Minute)
		held(1)
		if m.Armed() {
			t.Error("the timer is armed, and nothing is to end")
		}
	})
}

// What is over goes within about a second: a sweep does not come more often.
func TestMemorySweepsOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		for i := range 100 {
			if err := m.Set(t.Context(), fmt.Sprint(i), []byte("v"), time.Second+time.Duration(i)*10*time.Millisecond); err != nil {
				t.Fatal(err)
			}
		}
		held := func(want int) {
			t.Helper()
			synctest.Wait()
			if n, _ := m.Held(); n != want {
				t.Errorf("it holds %d, want %d", n, want)
			}
		}
		time.Sleep(time.Second - 1)
		held(100)
		time.Sleep(time.Nanosecond)
		held(99)
		time.Sleep(time.Second - 1)
		held(99)
		if m.Len() != 0 { // which has them dropped
			t.Errorf("Len is %d", m.Len())
		}
		held(0)
		time.Sleep(time.Second)
		if m.Armed() {
			t.Error("the timer is armed, and nothing is to end")
		}
	})
}

func TestMemoryIsExactInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		if err := m.Set(t.Context(), "a", nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour - 1)
		if r, err := m.Get(t.Context(), "a"); err != nil || !r.Found || r.Left != 1 {
			t.Errorf("a nanosecond before its end: %+v, %v", r, err)
		}
		time.Sleep(time.Nanosecond)
		if finds(t, m, "a") {
			t.Error("it is found at its end")
		}
	})
}

// A store that nobody has any more is collected, though its timer is armed.
func TestMemoryIsCollected(t *testing.T) {
	collected := func() func() bool {
		m := storage.NewMemory()
		if err := m.Set(t.Context(), "a", nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		return m.Collected()
	}()
	for range 10 {
		if runtime.GC(); collected() {
			return
		}
	}
	t.Error("it is not collected")
}
