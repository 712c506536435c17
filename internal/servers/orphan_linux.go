package servers

import (
	"os/exec"
	"syscall"
)

// endWithTests has the process killed when the tests end without a cleanup, as
// they do at their timeout.
func endWithTests(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
