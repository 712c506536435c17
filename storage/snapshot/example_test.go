package snapshot_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage/snapshot"
)

// Entries are written with their lives, and read again in their order.
func ExampleFormat() {
	ctx := context.Background()
	format := snapshot.Format[string, string]{Of: "users"}
	users := map[string]*entry.Entry[string]{"u1": entry.New("Ann", 0, entry.Life{ExpireAfter: 1 << 40})}
	var file bytes.Buffer
	written, err := format.Write(ctx, &file, maps.All(users))
	fmt.Println(written, err)

	read, err := format.Read(ctx, &file, func(id string, e *entry.Entry[string]) bool {
		fmt.Println(id, e.Value)
		return true
	})
	fmt.Println(read, err)
	// Output:
	// 1 <nil>
	// u1 Ann
	// 1 <nil>
}
