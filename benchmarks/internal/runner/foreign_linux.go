package runner

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// foreign is how much processor time other processes have used so far, and
// what the machine below has kept for itself; it counts in hundredths of a
// second. It is false where the system does not tell.
func foreign() (time.Duration, bool) {
	const user, idle, waiting, guest = 1, 4, 5, 9 // fields
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var ticks int64
	for i, field := range bytes.Fields(line) {
		if i < user || i == idle || i == waiting || i >= guest { // guests are counted as users
			continue
		}
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, false
		}
		ticks += n
	}
	var own syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) != nil {
		return 0, false
	}
	const tick = 10 * time.Millisecond
	return time.Duration(ticks)*tick - time.Duration(own.Utime.Nano()+own.Stime.Nano()), true
}
