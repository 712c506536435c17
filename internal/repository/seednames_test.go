package repository

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSeedNamesHaveRows looks for every name of testdata/seednames.txt in docs/seeds.md:
// in code in the first cell of a table, in a section of its seed.
func TestSeedNamesHaveRows(t *testing.T) {
	names, err := os.ReadFile("testdata/seednames.txt")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "seeds.md"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for seed, names := range seedNames(string(names)) {
		code := seedCode(string(page), seed)
		for _, name := range names {
			checked++
			if !hasWord(code, name) {
				t.Errorf("docs/seeds.md has no row for %s of %s", name, seed)
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d names were looked for: has the list been cut?", checked)
	}
}

func TestMissingSeedNamesAreFound(t *testing.T) {
	const page = "## a: its names\n\n| a | here |\n| --- | --- |\n| `One(two)`, also three | `Four` |\n\n## b: its names\n\n| b | here |\n| --- | --- |\n| `five.six`, `seven` | no |\n"
	for _, test := range []struct {
		seed, name string
		want       bool
	}{
		{"a", "One", true}, {"a", "two", true},
		{"a", "three", false}, // not in code
		{"a", "Four", false},  // not in the first cell
		{"a", "seven", false}, // of another seed
		{"a", "On", false},    // a part of a name
		{"b", "seven", true}, {"b", "five.six", true}, {"b", "six", true}, {"b", "sev", false},
	} {
		if got := hasWord(seedCode(page, test.seed), test.name); got != test.want {
			t.Errorf("%s of %s: found %v, want %v", test.name, test.seed, got, test.want)
		}
	}
}

// seedNames reads a list of names, each seed's indented below it.
func seedNames(list string) map[string][]string {
	all, seed := map[string][]string{}, ""
	for line := range strings.Lines(list) {
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "\t"):
			all[seed] = append(all[seed], strings.Fields(line)...)
		default:
			seed = strings.TrimSpace(line)
		}
	}
	return all
}

// seedCode is the code of the first cells in the sections of one seed, a span a line.
func seedCode(page, seed string) string {
	var code []string
	inside := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "## ") {
			inside = strings.HasPrefix(line, "## "+seed+":")
		}
		if cells := strings.Split(line, "|"); inside && len(cells) > 2 {
			code = append(code, regexp.MustCompile("`[^`]*`").FindAllString(cells[1], -1)...)
		}
	}
	return strings.Join(code, "\n")
}

// hasWord tells whether a name stands in a text, and not as a part of another.
func hasWord(text, name string) bool {
	return regexp.MustCompile(`(^|[^\w])` + regexp.QuoteMeta(name) + `($|[^\w])`).MatchString(text)
}
