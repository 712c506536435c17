package memoize_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the pages name exists, every test of the kind that a page is
// about is named, and no cell of their tables is empty.
func TestDocsNameTestsThatExist(t *testing.T) {
	checkPage(t, "../docs/seeds.md", `^Test(Seed|Defect|Ring|Cachetory|Synced|Redicts|DefectSynced|DefectRedicts)\d`, 100, 60)
	checkPage(t, "../docs/guarantees.md", `^TestG\d`, 20, 50)
}

func checkPage(t *testing.T, page, about string, leastRows, leastNamed int) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	tests := testFunctions(t, "..")
	named := map[string]bool{}
	for _, name := range regexp.MustCompile(`\b(Test|Fuzz)[A-Z]\w*`).FindAllString(string(text), -1) {
		named[name] = true
		if !tests[name] {
			t.Errorf("%s names %s, which no _test.go file has", page, name)
		}
	}
	for name := range tests {
		if regexp.MustCompile(about).MatchString(name) && !named[name] {
			t.Errorf("%s does not name %s", page, name)
		}
	}
	rows, columns := 0, 0
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		cells := strings.Split(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), "|")
		if columns == 0 {
			columns = len(cells)
		}
		if len(cells) != columns {
			t.Errorf("%s:%d: %d cells, the table has %d columns", page, i+1, len(cells), columns)
		}
		for _, cell := range cells {
			if strings.Trim(cell, " -?.") == "" && !strings.HasPrefix(line, "| ---") {
				t.Errorf("%s:%d: a cell is empty", page, i+1)
			}
		}
		rows++
	}
	if rows < leastRows || len(named) < leastNamed {
		t.Errorf("%s has %d rows and names %d tests: has it been cut?", page, rows, len(named))
	}
}

// testFunctions is the names of all test functions below a directory.
func testFunctions(t *testing.T, root string) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
