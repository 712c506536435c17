//go:build !linux

package runner

import "time"

// foreign is not known on this system.
func foreign() (time.Duration, bool) { return 0, false }
