// Package runner is what the commands that measure have in common: the head of
// their output, the order of a round, a measurement that waits until the machine
// is quiet, medians, and tables.
package runner
