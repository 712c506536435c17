package runner

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/perennial-go/perennial/benchmarks"
)

// Machine is what runs: the Go version, the system and the processor.
func Machine() string {
	return fmt.Sprintf("%s %s/%s, %d processors, %s", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor())
}

// Head prints what figures depend on: the machine, the run in words, and the
// versions of the contenders.
func Head(w io.Writer, run string, contenders []benchmarks.Contender) {
	fmt.Fprintf(w, "%s\n%s\n\n| contender | version | terms |\n|---|---|---|\n", Machine(), run)
	versions := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			versions[d.Path] = d.Version
			if d.Replace != nil {
				versions[d.Path] = "this repository"
			}
		}
	}
	for _, c := range contenders {
		version := versions[c.Module]
		if version == "" {
			version = "-"
		}
		fmt.Fprintf(w, "| %s | %s | %s |\n", c.Name, version, c.Terms)
	}
}

// processor is what the system calls the processor, where it says so.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// Progress says on standard error what is being measured.
func Progress(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
