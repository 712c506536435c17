package resilient_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/storage/resilient"
)

// Changes of a key are made in the order in which they come, and a caller who leaves
// while waiting, the first or the last, delays nobody.
func TestKeyLockWaitersLeave(t *testing.T) {
	for leaver := range 3 {
		overAsked(t, func(t *testing.T, at *asked, s *resilient.Store, _ *events) {
			slowly := func(text string) func(record) ([]byte, time.Duration, error) {
				return func(now record) ([]byte, time.Duration, error) {
					time.Sleep(time.Second)
					return appends(text)(now)
				}
			}
			put(t, s, "a", "0", committed)
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			ended := make(chan error, 4)
			go func() {
				_, _, err := updated(s.Update(t.Context(), "a", slowly("x")))
				ended <- err
			}()
			synctest.Wait()
			want := "0x"
			for i, text := range []string{"1", "2", "3"} {
				by := t.Context()
				if i == leaver {
					by = ctx
				} else {
					want += text
				}
				go func() {
					_, _, err := updated(s.Update(by, "a", slowly(text)))
					if i == leaver && errors.Is(err, context.Canceled) {
						err = nil
					}
					ended <- err
				}()
				synctest.Wait()
			}
			leave()
			for range 4 {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
			holds(t, at.memory, "a", want)
		})
	}
}
