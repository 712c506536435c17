package serde

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/perennial-go/perennial/entry"
)

const second = 1_000_000_000

// appendSeconds writes an instant as seconds since the epoch, to the
// nanosecond, with a digit after the point so that Python reads a float.
func appendSeconds(dst []byte, i entry.Instant) []byte {
	n := uint64(i)
	if i < 0 {
		dst = append(dst, '-')
		n = -n
	}
	dst = strconv.AppendUint(dst, n/second, 10)
	fraction := strings.TrimRight(fmt.Sprintf("%09d", n%second), "0")
	if fraction == "" {
		fraction = "0"
	}
	return append(append(dst, '.'), fraction...)
}

// readSeconds reads a number of JSON as seconds since the epoch. What lies past
// the end of time is Never.
func readSeconds(text string) (entry.Instant, error) {
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return 0, fmt.Errorf("%.20q is no number", text)
	}
	digits, negative := strings.CutPrefix(text, "-")
	if strings.ContainsAny(digits, "eE") {
		return readScientific(text)
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	fraction = (fraction + "000000000")[:9]
	s, err := strconv.ParseUint(whole, 10, 64) // the greatest, where it is beyond that
	if s > math.MaxInt64/second {
		return beyond(negative, text)
	}
	f, err2 := strconv.ParseUint(fraction, 10, 64)
	if err != nil || err2 != nil {
		return 0, fmt.Errorf("%.20q is no number", text)
	}
	switch n := s*second + f; {
	case negative && n <= 1<<63:
		return entry.Instant(-n), nil
	case n > math.MaxInt64:
		return beyond(negative, text)
	default:
		return entry.Instant(n), nil
	}
}

func readScientific(text string) (entry.Instant, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("%.20q is no instant", text)
	}
	if n := math.Round(f * second); math.Abs(n) < 1<<63 {
		return entry.Instant(n), nil
	}
	return beyond(f < 0, text)
}

func beyond(negative bool, text string) (entry.Instant, error) {
	if negative {
		return 0, fmt.Errorf("%.20q is before the first instant there is", text)
	}
	return entry.Never, nil
}
