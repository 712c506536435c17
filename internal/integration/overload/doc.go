// Package overload drowns a source, in virtual time, with and without a guard before it,
// and sees whether everything comes back by itself.
//
// The source is a queue: so many servers, first come first served, that take as long as
// chance says (M/M/c), and work on what nobody waits for any more. Callers come at
// random, whether they are answered or not, ask for keys of which some are popular, and
// leave after their patience. What triggers the overload is a flush, a source that loses
// three quarters of its capacity, one that lets a tenth of its loads hang, one that is
// away, a store that is away, and a sleep after which all values have expired.
//
//	go test ./internal/integration/overload                          the short form
//	go test ./internal/integration/overload -run Docs -args -write   the long one: docs/guard.md, docs/charts
package overload
