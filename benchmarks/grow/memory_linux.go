package main

import (
	"bufio"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// freeMemory is how many bytes the process may still take, as far as the
// system, its control group and GOMEMLIMIT let it. It is false where the system
// does not tell.
func freeMemory() (int64, bool) {
	free, known := availableMemory()
	if limit := readNumber("/sys/fs/cgroup/memory.max"); limit > 0 {
		free = min(free, limit-max(0, readNumber("/sys/fs/cgroup/memory.current")))
	}
	return min(free, debug.SetMemoryLimit(-1)), known
}

func availableMemory() (int64, bool) {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return math.MaxInt64, false
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "MemAvailable:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err == nil
		}
	}
	return math.MaxInt64, false
}

// readNumber is the number in a file, or -1 where there is none.
func readNumber(name string) int64 {
	text, err := os.ReadFile(name)
	if err != nil {
		return -1
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
