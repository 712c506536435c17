package s2_test

import (
	"fmt"
	"strings"

	"github.com/perennial-go/perennial/serde/s2"
)

// An encoding makes records smaller. In a store's URL it is serde=json%2Bs2.
func ExampleNew() {
	e := s2.New()
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
