package entry_test

import (
	"fmt"
	"time"

	"github.com/perennial-go/perennial/entry"
)

// An entry is fresh, then stale, then expired. At an instant itself the later state holds.
func ExampleEntry_StateAt() {
	born := entry.At(time.Unix(0, 0))
	e := entry.New("value", born, entry.Life{UpdateAfter: time.Minute, ExpireAfter: time.Hour})
	for _, age := range []time.Duration{0, time.Minute, time.Hour} {
		fmt.Println(age, e.StateAt(born.Add(age)))
	}
	// Output:
	// 0s fresh
	// 1m0s stale
	// 1h0m0s expired
}

// A token says itself how long it is good.
func ExampleLifeOf() {
	type token struct{ ExpiresIn time.Duration }
	b := entry.LifeOf[string](func(t token) entry.Life {
		return entry.Life{UpdateAfter: t.ExpiresIn / 2, ExpireAfter: t.ExpiresIn}
	})
	e := b.Build("key", token{time.Hour}, 0)
	fmt.Println(e.StateAt(0).String(), e.StateAt(entry.Instant(40*time.Minute)), e.StateAt(entry.Instant(time.Hour)))
	// Output: fresh stale expired
}
