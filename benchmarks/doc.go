// Package benchmarks compares perennial with other Go caches on equal terms.
//
// A [Contender] is one cache in one configuration, behind the same closure as
// every other. A [Scenario] is one thing that a cache is asked to do, over and
// over. Both the benchmarks of this package and the runner in compare are made
// of these two:
//
//	go test -bench . -cpu 1,2
//	go run ./compare
//
// The command in grow makes instances of its own, of caches that grow.
//
// The runner measures the contenders in turn, round after round, so that a
// machine whose speed drifts does so for all of them alike.
package benchmarks
