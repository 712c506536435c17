package eviction_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/internal/checks"
)

// replay is the hit ratio in % of a cache under a strategy.
func replay(s eviction.Strategy[int], requests []int) float64 {
	held := make(map[int]*entry.Meta)
	marker, _ := s.(eviction.Marker)
	hits := 0
	for _, key := range requests {
		if e := held[key]; e != nil {
			hits++
			if marker != nil {
				marker.Mark(e)
			}
			continue
		}
		e := new(entry.Meta)
		held[key] = e
		s.MarkWritten(key, e, nil)
		if victim, ok := s.NextToRelease(); ok {
			s.MarkReleased(victim, held[victim])
			delete(held, victim)
		}
	}
	return 100 * float64(hits) / float64(len(requests))
}

// exactLRU is the hit ratio where the order of use is exact.
func exactLRU(requests []int, capacity int) float64 {
	used, at, hits := map[int]int{}, map[int]int{}, 0 // when a key was used, and which key then
	oldest := 0
	for now, key := range requests {
		if last, ok := used[key]; ok {
			hits++
			delete(at, last)
		} else if len(used) == capacity {
			for at[oldest] == 0 {
				oldest++
			}
			delete(used, at[oldest]-1)
			delete(at, oldest)
		}
		used[key], at[now] = now, key+1
	}
	return 100 * float64(hits) / float64(len(requests))
}

// workloads are requests as they come in a few typical cases.
func workloads(seed uint64) map[string][]int {
	const n = 120_000
	random := rand.New(rand.NewPCG(seed, 1))
	popular := rand.NewZipf(random, 1.1, 1, 20_000)
	w := map[string][]int{}
	repeated := repeatedScans(random, popular.Uint64)
	for i := range n {
		w["popular"] = append(w["popular"], int(popular.Uint64()))
		w["loop"] = append(w["loop"], i%1500)
		w["changing"] = append(w["changing"], int(popular.Uint64())+i/10_000*1000)
		if i%6000 < 2000 { // a scan from time to time
			w["scanned"] = append(w["scanned"], 1_000_000+i)
		} else {
			w["scanned"] = append(w["scanned"], int(popular.Uint64()))
		}
		w["repeated scans"] = append(w["repeated scans"], repeated(i))
		recent := i/4 - int(random.ExpFloat64()*300)
		w["recent"] = append(w["recent"], max(0, recent))
	}
	return w
}

// repeatedScans are scans of a hundred keys that come back after one to three
// thousand requests, three times in four, mixed with popular keys.
func repeatedScans(random *rand.Rand, popular func() uint64) func(i int) int {
	type scan struct{ first, due int }
	var waiting []scan
	next, current, left := 1_000_000, scan{}, 0
	return func(i int) int {
		if random.IntN(10) == 0 {
			return int(popular())
		}
		if left == 0 {
			if current.first != 0 && random.IntN(4) != 0 {
				current.due = i + 1000 + random.IntN(2000)
				waiting = append(waiting, current)
				slices.SortFunc(waiting, func(a, b scan) int { return a.due - b.due })
			}
			if len(waiting) > 0 && waiting[0].due <= i {
				current, waiting = waiting[0], waiting[1:]
			} else {
				current, next = scan{first: next}, next+100
			}
			left = 100
		}
		left--
		return current.first + 99 - left
	}
}

func TestLeastRecentlyUsedIsNearlyExact(t *testing.T) {
	if checks.Race {
		t.Skip("one goroutine, and much to compute")
	}
	seed := rand.Uint64()
	for name, requests := range workloads(seed) {
		for _, capacity := range []int{10, 70, 300, 1000, 5000} {
			got, want := replay(eviction.LeastRecentlyUsed[int](capacity), requests), exactLRU(requests, capacity)
			if d := got - want; d < -0.3 || d > 0.3 {
				t.Errorf("seed %d, %s, capacity %d: %.2f %%, and in exact order %.2f %%", seed, name, capacity, got, want)
			}
		}
	}
}

// What each is for.
func TestPoliciesAreGoodAtWhatTheyAreFor(t *testing.T) {
	if checks.Race {
		t.Skip("one goroutine, and much to compute")
	}
	const capacity = 1000
	seed := rand.Uint64()
	t.Log("seed", seed)
	w := workloads(seed)
	ratio := func(make func(int) eviction.Strategy[int], workload string) float64 {
		return replay(make(capacity), w[workload])
	}
	lru := func(workload string) float64 { return exactLRU(w[workload], capacity) }
	for _, c := range []struct {
		name, workload string
		make           func(int) eviction.Strategy[int]
		least          float64
	}{
		{"LIRS", "loop", eviction.LIRS[int], 64}, // 66.6 can be had
		{"TinyLFU", "loop", eviction.TinyLFU[int], 64},
		{"Sieve", "popular", eviction.Sieve[int], lru("popular") + 4},
		{"S3FIFO", "popular", eviction.S3FIFO[int], lru("popular") + 4},
		{"TwoQueue", "popular", eviction.TwoQueue[int], lru("popular") + 3},
		{"LIRS", "popular", eviction.LIRS[int], lru("popular") + 4},
		{"TinyLFU", "popular", eviction.TinyLFU[int], lru("popular") + 4},
		{"LeastFrequentlyUsed", "popular", eviction.LeastFrequentlyUsed[int], lru("popular") + 2},
		{"S3FIFO", "scanned", eviction.S3FIFO[int], lru("scanned") + 3},
		{"TwoQueue", "scanned", eviction.TwoQueue[int], lru("scanned") + 3},
		{"LIRS", "scanned", eviction.LIRS[int], lru("scanned") + 3},
		{"TinyLFU", "scanned", eviction.TinyLFU[int], lru("scanned") + 3},
		{"LIRS", "changing", eviction.LIRS[int], lru("changing") - 2},
		{"TinyLFU", "changing", eviction.TinyLFU[int], lru("changing") - 6},
		{"LeastFrequentlyUsed", "changing", eviction.LeastFrequentlyUsed[int], lru("changing") - 4},
		{"LIRS", "repeated scans", eviction.LIRS[int], lru("repeated scans") + 18},
		{"TinyLFU", "repeated scans", eviction.TinyLFU[int], lru("repeated scans") + 15},
		{"LeastRecentlyUsed", "recent", eviction.LeastRecentlyUsed[int], 70},
		{"LIRS", "recent", eviction.LIRS[int], lru("recent") - 8},
		{"TinyLFU", "recent", eviction.TinyLFU[int], lru("recent") - 9},
	} {
		got := ratio(c.make, c.workload)
		t.Logf("%-20s %-14s %5.2f %% (LRU %5.2f %%)", c.name, c.workload, got, lru(c.workload))
		if got < c.least {
			t.Errorf("%s, %s: %.2f %%, want %.2f %% or more", c.name, c.workload, got, c.least)
		}
	}
}

// TestPoliciesOnTraces replays traces, one key a line, NAME.txt.gz, from the
// folder in TRACES.
func TestPoliciesOnTraces(t *testing.T) {
	folder := os.Getenv("TRACES")
	if folder == "" {
		t.Skip("TRACES names no folder")
	}
	const tolerance = 0.5 // what is remembered depends on the hashes, which differ from run to run
	header := fmt.Sprintf("%-18s%8s%8s", "trace, capacity", "others", "otter")
	for _, p := range policies {
		header += fmt.Sprintf("%10.9s", p.name)
	}
	t.Log(header)
	for _, c := range []struct {
		name     string
		capacity int
		others   float64 // the best of otter v2.4.0, theine v0.6.3 and ristretto v2.4.2
		otter    float64
	}{
		{"glimpse", 250, 15.2, 15.0}, {"glimpse", 500, 28.2, 27.9}, {"glimpse", 1000, 47.7, 44.2},
		{"cs", 150, 8.9, 8.9}, {"cs", 400, 24.1, 24.1}, {"cs", 800, 47.7, 47.7},
		{"multi3", 400, 42.8, 42.8}, {"multi3", 800, 48.4, 48.4}, {"multi3", 2000, 59.0, 58.4},
		{"sprite", 70, 21.6, 21.6}, {"sprite", 350, 65.3, 65.3}, {"sprite", 1000, 86.6, 85.3},
		{"loop", 250, 23.6, 23.6}, {"loop", 500, 48.3, 48.3}, {"loop", 1000, 98.5, 97.0},
		{"web07", 200, 43.4, 43.4}, {"web07", 800, 49.9, 49.4}, {"web07", 4000, 59.8, 59.6},
		{"oltp", 1000, 40.1, 40.0}, {"oltp", 5000, 55.4, 55.4}, {"oltp", 20000, 64.7, 64.7},
		{"cphysio", 500, 16.6, 16.6}, {"cphysio", 2500, 18.9, 18.9}, {"cphysio", 10000, 35.6, 33.1},
		{"w106-2m", 2700, 84.5, 84.3}, {"w106-2m", 13500, 92.3, 92.0}, {"w106-2m", 55000, 97.9, 97.9},
	} {
		requests := readTrace(t, filepath.Join(folder, c.name+".txt.gz"))
		line := fmt.Sprintf("%-18s%8.1f%8.1f", fmt.Sprintf("%s, %d", c.name, c.capacity), c.others, c.otter)
		ratios := map[string]float64{}
		best := 0.0
		for _, p := range policies {
			ratios[p.name] = replay(p.make(c.capacity), requests)
			best = max(best, ratios[p.name])
			line += fmt.Sprintf("%10.2f", ratios[p.name])
		}
		t.Log(line)
		if best < c.others-tolerance {
			t.Errorf("%s, %d: the best is %.2f %%, others reach %.1f %%", c.name, c.capacity, best, c.others)
		}
		if got := ratios["TinyLFU"]; got < c.otter-tolerance {
			t.Errorf("%s, %d: TinyLFU has %.2f %%, otter %.1f %%", c.name, c.capacity, got, c.otter)
		}
		if d := ratios["LeastRecentlyUsed"] - exactLRU(requests, c.capacity); d < -0.3 || d > 0.3 {
			t.Errorf("%s, %d: LeastRecentlyUsed is off the exact order by %.2f %%", c.name, c.capacity, d)
		}
	}
}

func readTrace(t *testing.T, path string) (requests []int) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(unzipped); lines.Scan(); {
		key, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, key)
	}
	if len(requests) == 0 {
		t.Fatalf("%s is empty", path)
	}
	return slices.Clip(requests)
}
