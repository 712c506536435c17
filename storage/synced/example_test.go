package synced_test

import (
	"context"
	"fmt"

	"github.com/perennial-go/perennial/storage/synced"
)

// One memory stands for those that several processes have; its server, named by
// the URL, for one that they share.
func Example() {
	ctx := context.Background()
	memory, err := synced.Open(ctx, synced.URL("memory://example"), synced.Prefix("svc:")) // in a program: redis://host:6379
	if err != nil {
		fmt.Println(err)
		return
	}
	flags := memory.Scope("flags")
	dark, err := synced.NewVar(flags, "dark-mode", synced.Default(false))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(dark.Get(ctx))
	fmt.Println(dark.Update(ctx, func(now bool) (bool, error) { return !now, nil }))
	jobs, err := synced.NewList[string](memory, "jobs")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(jobs.Append(ctx, "sweep", "mop"))
	fmt.Println(jobs.PopAt(ctx, 0))
	fmt.Println(memory.Names(ctx))
	fmt.Println(flags.Names(ctx))
	fmt.Println(memory.Close(ctx))
	// Output:
	// false <nil>
	// true <nil>
	// <nil>
	// sweep <nil>
	// [jobs] <nil>
	// [dark-mode] <nil>
	// <nil>
}
