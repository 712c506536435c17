// Package shared holds tests of functions that share a store: processes that
// race, a wire that fails, and servers that come and go.
package shared
