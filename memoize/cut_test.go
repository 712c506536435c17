package memoize

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A long text is cut between letters.
func TestCut(t *testing.T) {
	for n := range 4 {
		long := strings.Repeat("x", n) + strings.Repeat("€", 40)
		if got := cut(long, 64); !utf8.ValidString(got) || len(got) > 64 || len(got) < 58 || !strings.HasSuffix(got, "€...") {
			t.Errorf("%q", got)
		}
	}
	if got := cut("short", 64); got != "short" {
		t.Errorf("%q", got)
	}
}
