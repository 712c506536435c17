package zstd_test

import (
	"fmt"
	"strings"

	"github.com/perennial-go/perennial/serde/zstd"
)

// An encoding makes records smaller. In a store's URL it is serde=json%2Bzstd.
func ExampleNew() {
	e := zstd.New()
	text := []byte(strings.Repeat("perennial ", 100))
	small, err := e.Encode(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := e.Decode(small, 1<<20)
	fmt.Println(len(text), len(small) < 100, string(back) == string(text), err)
	// Output: 1000 true true <nil>
}
