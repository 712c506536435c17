package lock

import (
	"testing"
	"time"
)

// BenchmarkUncontended compares a lock and unlock with two bare scripts that do
// nothing.
func BenchmarkUncontended(b *testing.B) {
	s, locks := onServer(b)
	rdb := newClient(b, s.Addr())
	sha := s.Command("SCRIPT", "LOAD", "return 1")
	b.Run("two EVALSHA", func(b *testing.B) {
		for b.Loop() {
			for range 2 {
				if err := rdb.EvalSha(b.Context(), sha, []string{"a"}).Err(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	for name, path := range map[string]string{"one element": "a", "four elements": "a/b/c/d"} {
		b.Run("lock and unlock, "+name, func(b *testing.B) {
			for b.Loop() {
				release(b, acquire(b, locks, path))
			}
		})
	}
}

// BenchmarkHandOver is the time from the end of a Release until another process
// that waits has the lock, in round trips: those of a bare script, measured in
// between.
func BenchmarkHandOver(b *testing.B) {
	s, locks := onServer(b)
	other := newTestLocks(b, newClient(b, s.Addr()))
	rdb := newClient(b, s.Addr())
	sha := s.Command("SCRIPT", "LOAD", "return 1")
	var handed, trips time.Duration
	got := make(chan time.Time)
	for b.Loop() {
		l := acquire(b, locks, "a")
		go func() {
			l := acquire(b, other, "a")
			got <- time.Now()
			release(b, l)
			got <- time.Now()
		}()
		waiting(b, s, "a")
		for other.listener.waits("a") == 0 {
		}
		before := time.Now()
		if err := rdb.EvalSha(b.Context(), sha, []string{"a"}).Err(); err != nil {
			b.Fatal(err)
		}
		trips += time.Since(before)
		release(b, l)
		released := time.Now()
		handed += max(0, (<-got).Sub(released))
		<-got
	}
	b.ReportMetric(float64(handed)/float64(trips), "trips/hand-over")
	b.ReportMetric(float64(handed.Nanoseconds())/float64(b.N), "ns/hand-over")
}

func (l *listener) waits(tree string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiters[tree])
}
