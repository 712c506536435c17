// Command grow shows how cost grows: with entries, goroutines, writes and
// evictions, while a million entries expire, and when nothing happens at all.
//
//	go run ./grow [-only entries,goroutines,eviction,expiry,rest] [-rounds 3] [-out ../docs/charts] [-short]
//
// Each part prints a table and writes its charts. Contenders take turns within
// a round, the next round begins with another one, and figures are medians of
// rounds. Where the system tells (Linux), a measurement waits while other
// processes want the same processors, and is made again if they did meanwhile,
// until -patience is used up.
package main

import (
	"fmt"
	"os"
	"slices"

	"github.com/perennial-go/perennial/benchmarks/internal/runner"
)

// part is one thing that grows.
type part struct {
	name string
	grow func(s settings) error
}

// parts is everything that can be asked for, in order.
func parts() []part {
	return []part{
		{"entries", growEntries},
		{"goroutines", growGoroutines},
		{"eviction", growEviction},
		{"expiry", growExpiry},
		{"rest", growRest},
	}
}

func main() {
	s, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "grow:", err)
		os.Exit(2)
	}
	runner.Head(os.Stdout, s.run(), s.contenders())
	for _, p := range parts() {
		if !slices.Contains(s.only, p.name) {
			continue
		}
		if err := p.grow(s); err != nil {
			fmt.Fprintf(os.Stderr, "grow: %s: %v\n", p.name, err)
			os.Exit(1)
		}
	}
	fmt.Printf("\n%v\n", s.calm)
}
