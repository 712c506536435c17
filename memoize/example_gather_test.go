package memoize_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// Calls for single keys that come at once are one run of a source that takes many.
func Example_gather() {
	names := func(_ context.Context, ids []string) (map[string]string, error) {
		fmt.Println("asked for", len(ids))
		found := map[string]string{}
		for _, id := range ids {
			found[id] = "user " + id
		}
		return found, nil
	}
	users := memoize.Must(memoize.NewBatched(names, config.Gather(time.Minute), config.MaxBatch(3))) // it goes when 3 are there
	defer users.Close(context.Background())
	var all sync.WaitGroup
	got := make([]string, 3)
	for i, id := range []string{"a", "b", "c"} {
		all.Go(func() { got[i], _ = users.Call(context.Background(), id) })
	}
	all.Wait()
	fmt.Println(got)
	// Output:
	// asked for 3
	// [user a user b user c]
}

// Update makes the new value of the old one in one step.
func ExampleFunc_Update() {
	ctx := context.Background()
	visits := memoize.Must(memoize.New(func(context.Context, string) (int, error) { return 0, nil }))
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, _ = visits.Update(ctx, "home", func(old int, _ bool) (int, error) { return old + 1, nil })
		})
	}
	all.Wait()
	n, _ := visits.Peek(ctx, "home")
	fmt.Println(n)
	// Output: 100
}

// SetFor gives one value a life of its own.
func ExampleFunc_SetFor() {
	ctx := context.Background()
	tokens := memoize.Must(memoize.New(func(context.Context, string) (string, error) { return "", nil }))
	_ = tokens.SetFor(ctx, "ann", "secret", entry.Life{ExpireAfter: time.Hour})
	r, _ := tokens.Result(ctx, "ann")
	fmt.Println(r.Value, r.ExpiresIn().Round(time.Minute), r.FreshFor().Round(time.Minute))
	// Output: secret 1h0m0s 20m0s
}

// All lists what is held. The type of the keys has to be said.
func ExampleAll() {
	ctx := context.Background()
	squares := memoize.Must(memoize.New(func(_ context.Context, n int) (int, error) { return n * n, nil }))
	_, _ = squares.CallMany(ctx, []int{1, 2, 3})
	seq, err := memoize.All[int](squares)
	if err != nil {
		fmt.Println(err)
		return
	}
	var lines []string
	for n, r := range seq {
		lines = append(lines, fmt.Sprintf("%d: %d, %v", n, r.Value, r.State))
	}
	slices.Sort(lines)
	fmt.Println(lines)
	// Output: [1: 1, fresh 2: 4, fresh 3: 9, fresh]
}

// What leaves the storage in memory is told with its value.
func Example_onRelease() {
	ctx := context.Background()
	read := func(_ context.Context, name string) (string, error) { return "the content of " + name, nil }
	blobs := memoize.Must(memoize.New(read, config.OnRelease(func(name, blob string, why observe.ReleaseCause) {
		fmt.Printf("%s: %s (%v)\n", name, blob, why)
	})))
	_, _ = blobs.Call(ctx, "a")
	_, _ = blobs.Call(ctx, "b")
	_ = blobs.Invalidate(ctx, "a")
	_ = blobs.Close(ctx)
	// Output:
	// a: the content of a (invalidated)
	// b: the content of b (closed)
}
