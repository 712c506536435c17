// Package state holds the proof that state which processes share survives its
// server: several processes, a server that is halted, killed, restarted with its
// data or without, and cut off, and checkers of what the processes were told.
package state
