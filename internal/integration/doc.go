// Package integration holds tests that need more than the library does: history
// checkers, and stand-ins for servers. It is a module of its own, so that what
// it needs is required of nobody.
package integration
