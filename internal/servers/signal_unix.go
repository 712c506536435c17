//go:build unix

package servers

import "syscall"

const sigStop, sigCont = syscall.SIGSTOP, syscall.SIGCONT
