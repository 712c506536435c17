//go:build !unix

package servers

import "syscall"

const sigStop, sigCont = syscall.Signal(0), syscall.Signal(0)
