package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/benchmarks/internal/trace"
)

func drawn(t testing.TB, spec string) *trace.Trace {
	t.Helper()
	got, err := trace.Draw(spec, 1)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// mixedSpec has recency, popularity and scans.
const mixedSpec = "scan:n=6000:keys=400:every=500:length=100"

// withSizes is the trace with a size of 1 to 50 for each key, by way of a file.
func withSizes(t testing.TB, tr *trace.Trace) *trace.Trace {
	t.Helper()
	var text strings.Builder
	for _, r := range tr.All() {
		fmt.Fprintf(&text, "%d %d\n", r.Key, 1+r.Key%50)
	}
	sized, err := trace.Read(written(t, text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return sized
}

// written is the text of a trace in a file.
func written(t testing.TB, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "mine.txt")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// parsed is the settings of a command line, on one worker and quiet.
func parsed(t testing.TB, args ...string) settings {
	t.Helper()
	var said strings.Builder
	s, err := parse(append([]string{"-jobs", "1"}, args...), &said)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, said.String())
	}
	return s
}
