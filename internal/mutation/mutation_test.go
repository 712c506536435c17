//go:build unix

package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write testdata/tiny.golden anew")

const tiny = "./testdata/tiny"

// everything tries all mutants.
func everything() *options {
	return &options{processes: 2, patience: 2 * time.Second, run: regexp.MustCompile(""), out: io.Discard}
}

// What becomes of every mutant of a package that is made for it: all operators
// have something to do, and there is one of each end.
func TestVerdicts(t *testing.T) {
	var out strings.Builder
	o := everything()
	o.out, o.verbose = &out, true
	s, err := o.mutate(tiny)
	if err != nil {
		t.Fatal(err)
	}
	said := out.String()
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^(killed|survived: no test gets there|survived|does not type-check).*  line \d+  (.*)$`).FindAllStringSubmatch(said, -1) {
		lines = append(lines, m[2]+"\n\t"+m[1]+"\n")
	}
	slices.Sort(lines) // they are said as they end
	got := strings.Join(lines, "")
	golden := filepath.Join("testdata", "tiny.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the verdicts are not those of %s; they are:\n%s\nwhat was said:\n%s", golden, got, said)
	}
	for name, how := range map[string]string{
		"a failure":         `killed by TestLarger .*negate a > b\n`,
		"a panic":           `killed by Test(At|First) .*negate i < 0\n`, // which of them is asked first depends on how long they take
		"a hang":            `killed: it hangs .*Sum: delete n--\n`,
		"a deadlock":        `killed by fatal error: all goroutines are asleep.*delete close\(q\.c\)\n`,
		"reached, survived": `survived 1 tests .*2 for 1 in make`,
		"not reached":       `survived: no test gets there .*Untested`,
	} {
		if !regexp.MustCompile(how).MatchString(said) {
			t.Errorf("no mutant ends by %s as it should: nothing matches %s in\n%s", name, how, said)
		}
	}
	if s.hung != 1 || s.killed != strings.Count(got, "\tkilled\n") || s.tried != s.killed+strings.Count(got, "\tsurvived") {
		t.Errorf("the score is %+v, which is not what was said:\n%s", s, said)
	}
	if strings.Contains(said, ">= for > in a > b") {
		t.Error("a mutant is tried that is listed as changing nothing")
	}
}

// A listed mutant that is gone, or a list that says nothing, is an error.
func TestEquivalents(t *testing.T) {
	read := func(text string) (equivalents, error) {
		path := filepath.Join(t.TempDir(), "mutation.txt")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readEquivalents(path)
	}
	list, err := read("# a comment\n\na.go: F: delete x\n\tbecause\n\tof this\nb.go: G: delete y\n\tas well\n")
	if err != nil || len(list) != 2 || list["a.go: F: delete x"] != "because of this " {
		t.Fatalf("read %q, %v", list, err)
	}
	err = list.missing([]*mutant{{name: "b.go: G: delete y"}}).err()
	if err == nil || !strings.Contains(err.Error(), "F: delete x") || strings.Contains(err.Error(), "G: delete y") {
		t.Errorf("F is gone and G is not, and what is said is: %v", err)
	}
	if err := list.missing([]*mutant{{name: "b.go: G: delete y"}, {name: "a.go: F: delete x"}}).err(); err != nil {
		t.Errorf("none is gone, and what is said is: %v", err)
	}
	for text, want := range map[string]string{
		"a.go: F: delete x\nb.go: G: delete y\n\treason\n": "no reason",
		"\treason\n": ":1: a reason without",
		"a.go: F: delete x\n\tone\na.go: F: delete x\n\tanother\n\n": ":3: \"a.go: F: delete x\" is listed twice",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("of %q is said %v, want %s", text, err, want)
		}
	}
	if list, err := readEquivalents(filepath.Join(t.TempDir(), "none")); len(list) > 0 || err != nil {
		t.Errorf("without a list: %v, %v", list, err)
	}
}

// The listed ones can be tried by themselves, for whether the list is true.
func TestTryEquivalents(t *testing.T) {
	o := everything()
	o.equivalents = true
	if s, err := o.mutate(tiny); err != nil || s.tried != 1 || s.killed != 0 {
		t.Errorf("got %+v, %v; want one that survives", s, err)
	}
}

// Without a test file, its tests kill nothing.
func TestSomeTestFiles(t *testing.T) {
	for file, killed := range map[string]int{"tiny_test.go": 1, "none_test.go": 0} {
		o := everything()
		o.run, o.tests = regexp.MustCompile("Larger: never if"), []string{file}
		if s, err := o.mutate(tiny); err != nil || s.tried != 1 || s.killed != killed {
			t.Errorf("with %s alone: %+v, %v; want %d killed", file, s, err, killed)
		}
	}
}

// A sample depends on the seed and on the names alone, and one mutant less
// changes it by one.
func TestSample(t *testing.T) {
	var all []*mutant
	for i := range 100 {
		all = append(all, &mutant{name: fmt.Sprint("mutant ", i)})
	}
	sample := func(seed uint64, all []*mutant) []*mutant {
		o := everything()
		o.seed, o.sample = seed, 10
		return o.choose(all, nil)
	}
	one := sample(1, all)
	if len(one) != 10 || !slices.Equal(one, sample(1, all)) {
		t.Fatalf("a sample of 10 has %d, or is another the second time", len(one))
	}
	if slices.Equal(one, sample(2, all)) {
		t.Error("two seeds choose the same")
	}
	less := slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool { return m == one[0] })
	if got := sample(1, less); len(got) != 10 || common(got, one) != 9 {
		t.Errorf("without one of them %d of the others are chosen, want 9", common(got, one))
	}
}

func common(a, b []*mutant) (n int) {
	for _, m := range a {
		if slices.Contains(b, m) {
			n++
		}
	}
	return n
}

func TestWhatFails(t *testing.T) {
	one := func() *options {
		o := everything()
		o.run = regexp.MustCompile("Untested")
		return o
	}
	low := one()
	low.least = 50
	failing := one()
	missing := one()
	missing.tests = []string{"tiny_test.go", "missing_test.go"}
	t.Run("a test file that is not there", func(t *testing.T) { fails(t, missing, "has 1 of the test files tiny_test.go, missing_test.go", tiny) })
	t.Run("a score that is too low", func(t *testing.T) { fails(t, low, "0.0 % of the mutants are killed", tiny) })
	t.Run("no package", func(t *testing.T) { fails(t, one(), "name packages") })
	t.Run("several packages in one", func(t *testing.T) { fails(t, one(), "one by one", "../...") })
	t.Run("tests that fail by themselves", func(t *testing.T) {
		t.Setenv("TINY_FAILS", "1")
		fails(t, failing, "tests fail with no mutant switched on: TestLarger", tiny)
	})
}

func fails(t *testing.T, o *options, want string, patterns ...string) {
	t.Helper()
	if err := o.packages(patterns); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that says %q", err, want)
	}
}
