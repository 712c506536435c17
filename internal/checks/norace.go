//go:build !race

package checks

// Race says that the race detector runs, which makes a test take ten times as long
// as without it. What one goroutine does, it does not look for.
const Race = false
