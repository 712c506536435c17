//go:build unix

package storage

import "syscall"

// nonblock has open not wait for the other end of a FIFO.
const nonblock = syscall.O_NONBLOCK
