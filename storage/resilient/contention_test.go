package resilient_test

import (
	"context"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// If another process changes a record more often than all parts of the key can be sent,
// as many are sent as fit between two of its changes.
func TestDeliveryUnderContention(t *testing.T) {
	const waiting, gap, takes = 500, 4 * time.Millisecond, 100 * time.Microsecond
	bubble(t, func(t *testing.T, at *server, s *resilient.Store, seen *events) {
		at.stop()
		for range waiting {
			_, outcome, err := updated(s.Update(t.Context(), "list", func(now storage.Record) ([]byte, time.Duration, error) {
				if len(seen.of(resilient.Closed)) > 0 {
					time.Sleep(takes)
				}
				return append(now.Value, '!'), storage.Forever, nil
			}))
			if outcome != queued || err != nil {
				t.Fatal(outcome, err)
			}
		}
		at.set(func(s *server) { s.delay = time.Millisecond })
		at.start()
		ctx, stop := context.WithCancel(t.Context())
		others, ended := 0, make(chan struct{})
		go func() {
			defer close(ended)
			for ; ctx.Err() == nil; time.Sleep(gap) {
				for made := false; !made; { // a change of ours may come at the same moment
					now, err := at.memory.Look(t.Context(), "list")
					if err != nil {
						t.Error(err)
						return
					}
					change := storage.Change{
						Item: storage.Item{Key: "list", Value: append(now[0].Value, '.'), Keep: storage.Forever},
						Was:  now[0].Version, Becomes: rand.Text(),
					}
					done, err := at.memory.Swap(t.Context(), change)
					if err != nil {
						t.Error(err)
						return
					}
					made = done[0]
				}
				others++
			}
		}()
		began := time.Now()
		if err := s.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		stop()
		<-ended
		r, err := at.memory.Get(t.Context(), "list")
		if own, theirs := strings.Count(string(r.Value), "!"), strings.Count(string(r.Value), "."); err != nil || own != waiting || theirs != others {
			t.Errorf("%d of %d changes and %d of %d of the other are there, %v", own, waiting, theirs, others, err)
		}
		if stats := s.Stats(); stats.Delivered != waiting || stats.Dropped != 0 {
			t.Errorf("stats: %+v", stats)
		}
	})
}
