//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package servers

import "testing"

func claim(testing.TB, int) bool { return true }
