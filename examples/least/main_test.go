package main

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	main()
	// Output:
	// looking up Chile
	// Santiago <nil>
	// looking up Kenya
	// Nairobi <nil>
	// Santiago <nil>
}
