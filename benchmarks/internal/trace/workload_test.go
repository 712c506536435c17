package trace

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func drawn(t *testing.T, spec string, seed uint64) *Trace {
	t.Helper()
	got, err := Draw(spec, seed)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDrawRepeatsWithItsSeed(t *testing.T) {
	for _, name := range Workloads() {
		spec := name + ":n=5000:keys=300"
		first, again, other := drawn(t, spec, 1), drawn(t, spec, 1), drawn(t, spec, 2)
		if first.Len() != 5000 {
			t.Errorf("%s has %d requests", spec, first.Len())
		}
		if !slices.Equal(requestsOf(first), requestsOf(again)) {
			t.Errorf("%s differs with the same seed", spec)
		}
		if name != "loop" && slices.Equal(requestsOf(first), requestsOf(other)) {
			t.Errorf("%s is the same with another seed", spec)
		}
	}
}

// counts is how often each key is asked for, by its number mixed back.
func counts(all []Request, keys uint64) (perKey []float64, others int) {
	number := map[uint64]uint64{}
	for n := range keys {
		number[mix(n)] = n
	}
	perKey = make([]float64, keys)
	for _, r := range all {
		if n, known := number[r.Key]; known {
			perKey[n]++
		} else {
			others++
		}
	}
	return perKey, others
}

func TestZipfHasItsExponent(t *testing.T) {
	for _, s := range []float64{0, 0.7, 1.2} {
		const keys = 100
		perKey, _ := counts(requestsOf(drawn(t, "zipf:n=200000:keys=100:s="+map[float64]string{0: "0", 0.7: "0.7", 1.2: "1.2"}[s], 1)), keys)
		sum := 0.0
		for i := range keys {
			sum += math.Pow(float64(i+1), -s)
		}
		for _, rank := range []int{0, 1, 9, 49} {
			want := 200_000 * math.Pow(float64(rank+1), -s) / sum
			if got := perKey[rank]; math.Abs(got-want) > 6*math.Sqrt(want) {
				t.Errorf("s %v: rank %d is drawn %v times, want about %.0f", s, rank, got, want)
			}
		}
	}
}

func TestLoop(t *testing.T) {
	all := requestsOf(drawn(t, "loop:n=10:keys=4", 1))
	for i := range all {
		if i >= 4 && all[i] != all[i-4] || i > 0 && all[i] == all[i-1] {
			t.Fatalf("it is no loop of 4: %v", all)
		}
	}
}

func TestRunsComeBack(t *testing.T) {
	const keys, cache, length, n = 10_000, 1_000, 50, 30_000
	all := requestsOf(drawn(t, "runs:n=30000:keys=10000:cache=1000:length=50", 1))
	number := map[uint64]int{}
	for k := range keys {
		number[mix(uint64(k))] = k
	}
	last, visits, popular, following, early, late, before := map[int]int{}, map[int]int{}, 0, 0, 0, 0, 0
	for i, r := range all {
		k, known := number[r.Key]
		if !known {
			t.Fatalf("request %d is of none of the keys", i)
		}
		if k < keys/10 {
			popular++
			continue
		}
		if k == before+1 {
			following++
		}
		before = k
		if at, again := last[k]; again {
			switch away := i - at; {
			case away < cache:
				early++
			case away > 3*cache+4*length:
				late++
			}
		}
		last[k] = i
		visits[k]++
	}
	if share := float64(popular) / n; share < 0.09 || share > 0.11 {
		t.Errorf("%.3f of all requests are of popular keys", share)
	}
	if share := float64(following) / float64(n-popular); share < 0.95 {
		t.Errorf("only %.3f of the keys of runs follow one another", share)
	}
	if early+late > n/50 {
		t.Errorf("keys come back %d times too early and %d times too late", early, late)
	}
	if mean := float64(n-popular) / float64(len(visits)); mean < 3 || mean > 4.5 {
		t.Errorf("a key comes %.1f times", mean)
	}
}

func TestScanHasKeysThatNeverComeAgain(t *testing.T) {
	all := requestsOf(drawn(t, "scan:n=1000:keys=50:every=100:length=50", 1))
	_, fresh := counts(all, 50)
	if want := 6 * 50; fresh != want { // six times 100 popular ones and a scan, and 100 more
		t.Errorf("%d requests are of scans, want %d", fresh, want)
	}
	seen := map[uint64]int{}
	for _, r := range all[100:150] {
		seen[r.Key]++
	}
	for _, r := range all[150:] {
		if seen[r.Key] > 0 {
			t.Fatal("a key of the first scan comes again")
		}
	}
	if len(seen) != 50 {
		t.Errorf("the first scan has %d keys, want 50", len(seen))
	}
}

func TestShiftMovesPopularity(t *testing.T) {
	all := requestsOf(drawn(t, "shift:n=30000:keys=100:s=1:every=10000:by=7", 1))
	for part := range 3 {
		perKey, _ := counts(all[part*10_000:(part+1)*10_000], 100)
		if most := slices.Index(perKey, slices.Max(perKey)); most != 7*part {
			t.Errorf("in part %d key %d is the most popular, want %d", part, most, 7*part)
		}
	}
}

func TestDrawRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"zopf":            "scan",
		"zipf:key=1":      "keys",
		"zipf:keys=0":     "whole number",
		"zipf:keys=1.5":   "whole number",
		"zipf:keys=-3":    "whole number",
		"zipf:keys=NaN":   "whole number",
		"zipf:n=1e12":     "whole number",
		"zipf:n=":         "no number",
		"zipf:n":          "no number",
		"zipf:s=-1":       "between",
		"zipf:s=NaN":      "between",
		"loop:s=1":        "keys",
		"zipf:":           "keys",
		"shift:every=0":   "whole number",
		"scan:length=1e9": "",
	} {
		_, err := Draw(spec, 1)
		switch {
		case want == "":
			if err != nil {
				t.Errorf("%s: %v", spec, err)
			}
		case err == nil:
			t.Errorf("%s is drawn", spec)
		case !strings.Contains(err.Error(), want):
			t.Errorf("%s: the error %q does not say %q", spec, err, want)
		}
	}
}

func TestUsageNamesEveryWorkload(t *testing.T) {
	for _, name := range Workloads() {
		if !strings.Contains(Usage(), "\n"+name+":") && !strings.HasPrefix(Usage(), name+":") {
			t.Errorf("it does not name %s:\n%s", name, Usage())
		}
		if !IsWorkload(name) || !IsWorkload(name+":n=1") || IsWorkload(name+".txt") {
			t.Errorf("%s is not told from a file", name)
		}
	}
}
