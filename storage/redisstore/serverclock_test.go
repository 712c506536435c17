package redisstore

import (
	"testing"
	"testing/synctest"
	"time"
)

// What is known of a server's clock is never ahead of it, as long as that is not set
// back; and once an answer tells that it was, what is known follows.
func TestServerClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c serverClock
		if _, ok := c.by(time.Now().Add(time.Second)); ok {
			t.Error("something is known before the first answer")
		}
		base, skew := time.Now(), int64(5_000_000) // it is that much ahead of ours, in ms
		server := func() int64 { return skew + time.Since(base).Milliseconds() }
		// ask is told the server's time half way.
		ask := func(trip time.Duration) {
			sent := time.Now()
			time.Sleep(trip / 2)
			told := server()
			time.Sleep(trip - trip/2)
			c.tells(sent, told)
		}
		behind := func(in time.Duration) time.Duration {
			t.Helper()
			end, ok := c.by(time.Now().Add(in))
			if !ok {
				t.Fatal("nothing is known")
			}
			return time.Duration(server()-end)*time.Millisecond + in
		}
		ask(10 * time.Millisecond)
		if d := behind(time.Second); d < 0 || d > 10*time.Millisecond {
			t.Errorf("what is known is behind by %v, a trip took 10ms", d)
		}
		ask(time.Second) // tells less than what is known
		if d := behind(time.Second); d < 0 || d > 10*time.Millisecond {
			t.Errorf("after a slow answer what is known is behind by %v", d)
		}
		time.Sleep(time.Hour)
		if d := behind(time.Second); d < 3*time.Second || d > 5*time.Second {
			t.Errorf("after an hour it is behind by %v, clocks may drift by 1 in 1000", d)
		}
		ask(2 * time.Millisecond)
		if d := behind(time.Second); d < 0 || d > 3*time.Millisecond {
			t.Errorf("after another answer it is behind by %v", d)
		}
		skew -= 60_000 // it is set back, or another server
		ask(2 * time.Millisecond)
		if d := behind(time.Second); d < 0 || d > 3*time.Millisecond {
			t.Errorf("after it was set back what is known is behind by %v", d)
		}
		skew += 120_000
		ask(2 * time.Millisecond)
		if d := behind(time.Second); d < 0 || d > 3*time.Millisecond {
			t.Errorf("after it was set forth what is known is behind by %v", d)
		}
	})
}
