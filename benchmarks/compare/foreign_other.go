//go:build !linux

package main

import "time"

// foreign is not known on this system.
func foreign() (time.Duration, bool) { return 0, false }
