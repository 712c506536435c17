//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package boltstore

import (
	"errors"
	"os"
	"syscall"
)

// nonblock has open not wait for the other end of a FIFO.
const nonblock = syscall.O_NONBLOCK

// tryLock takes the lock that bbolt takes too, which does not mind that its own
// file has it already; locked is false where somebody else has it.
func tryLock(f *os.File) (locked bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
