// Package examples_test keeps the Go code that the project's pages show equal to
// programs and tests, which are compiled and run.
//
// A block of code names where it is from in the line before it: a file, or a
// region of one, which stands between two comments of their own lines:
//
//	<!-- examples/least/main.go -->        // region fresh
//	<!-- examples/tour/main.go#fresh -->   ...
//	                                       // endregion
//
// A block of text that a program prints names a file whose name ends in .txt, which
// the program's test reads.
package examples_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the project's directory.
const root = ".."

// TestPagesShowWhatIsCompiled looks at every page of the project.
func TestPagesShowWhatIsCompiled(t *testing.T) {
	pages := []string{filepath.Join(root, "README.md")} // which has to be there
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md", "benchmarks/*.md"} {
		more, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, more...)
	}
	slices.Sort(pages)
	for _, page := range slices.Compact(pages) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(root, page)
		for _, fault := range check(string(text), os.DirFS(root)) {
			t.Errorf("%s:%v", name, fault)
		}
	}
}

// check says, each with its line, which blocks of Go code in a page name no file, and
// which blocks differ from the file that they name.
func check(page string, files fs.FS) []error {
	var faults []error
	for _, b := range blocks(page) {
		switch err := b.check(files); {
		case b.from == "" && b.language == "go":
			faults = append(faults, fmt.Errorf("%d: the code has no line <!-- examples/... --> before it that says where it is from", b.line))
		case b.from != "" && b.language != b.wants():
			faults = append(faults, fmt.Errorf("%d: %s is not followed by a block of Go code, or of text", b.line, b.from))
		case b.from != "" && err != nil:
			faults = append(faults, fmt.Errorf("%d: %w", b.line, err))
		}
	}
	return faults
}

// block is a fenced block of code, or a marker that none follows.
type block struct {
	line     int    // of its marker, or of its fence if it has none
	from     string // what the marker says
	language string
	code     string
}

// wants is the language of what the marker names.
func (b block) wants() string {
	if strings.HasSuffix(b.from, ".txt") {
		return "text"
	}
	return "go"
}

var (
	marker = regexp.MustCompile(`^<!-- ((?:[\w.-]+/)+[\w.-]+(?:#\w+)?) -->\s*$`)
	fence  = regexp.MustCompile("^\\s*(```+|~~~+)\\s*([^`\\s]*)[^`]*$")
)

// blocks is the blocks of a page of Markdown.
func blocks(page string) []block {
	var found []block
	lines := strings.Split(page, "\n")
	from := ""
	for i := 0; i < len(lines); i++ {
		if open := fence.FindStringSubmatch(lines[i]); open != nil {
			b := block{line: i + 1, from: from, language: strings.ToLower(open[2])}
			if from != "" {
				b.line--
			}
			start := i + 1
			for i++; i < len(lines) && !closes(lines[i], open[1]); {
				i++
			}
			b.code = strings.Join(lines[start:i], "\n")
			found, from = append(found, b), ""
			continue
		}
		if from != "" {
			found, from = append(found, block{line: i, from: from}), ""
		}
		if m := marker.FindStringSubmatch(lines[i]); m != nil {
			from = m[1]
		}
	}
	if from != "" {
		found = append(found, block{line: len(lines), from: from})
	}
	return found
}

// closes tells whether a line ends the block that a fence opened.
func closes(line, open string) bool {
	line = strings.TrimSpace(line)
	return len(line) >= len(open) && strings.Trim(line, open[:1]) == ""
}

// check compares the block with what it is from.
func (b block) check(files fs.FS) error {
	path, name, part := strings.Cut(b.from, "#")
	text, err := fs.ReadFile(files, path)
	if err != nil {
		return err
	}
	want := string(text)
	if part {
		if want, err = region(want, name); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	got, want := strings.Trim(b.code, "\n"), strings.Trim(want, "\n")
	if got == want {
		return nil
	}
	return fmt.Errorf("the code differs from %s, which is\n%s\nand not\n%s", b.from, want, got)
}

// region is what stands between "// region name" and the next "// endregion",
// moved to the left as far as it goes.
func region(text, name string) (string, error) {
	const end = "// endregion"
	var lines []string
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch comment := strings.TrimSpace(line); {
		case comment == "// region "+name:
			inside = true
		case comment == end && inside:
			return dedent(lines), nil
		case inside:
			lines = append(lines, line)
		}
	}
	if inside {
		return "", fmt.Errorf("region %s has no %s", name, end)
	}
	return "", fmt.Errorf("there is no region %s", name)
}

// dedent takes the tabs away that all lines begin with, but for empty ones.
func dedent(lines []string) string {
	tabs := -1
	for _, line := range lines {
		if n := len(line) - len(strings.TrimLeft(line, "\t")); line != "" && (tabs < 0 || n < tabs) {
			tabs = n
		}
	}
	for i, line := range lines {
		lines[i] = line[min(max(tabs, 0), len(line)):]
	}
	return strings.Join(lines, "\n")
}

func TestCheck(t *testing.T) {
	files := fstest.MapFS{
		"examples/a/main.go": {Data: []byte("package main\n\nfunc main() {}\n")},
		"examples/a/out.txt": {Data: []byte("one\n")},
		"examples/b/main.go": {Data: []byte(`package main

func f() {
	// region one
	if ok {
		g()

	}
	// endregion
	// region two
	h()
	// endregion
	// region open
}
`)},
	}
	const one = "if ok {\n\tg()\n\n}\n"
	code := func(marker, text string) string {
		return "Text.\n\n" + marker + "\n```go\n" + text + "```\n\nMore text.\n"
	}
	for _, test := range []struct {
		name, page string
		fault      string // a part of it, empty if there is none
	}{
		{"no code", "# Title\n\nText.\n", ""},
		{"file", code("<!-- examples/a/main.go -->", "package main\n\nfunc main() {}\n"), ""},
		{"file that differs", code("<!-- examples/a/main.go -->", "package main\n\nfunc main() { }\n"), "3: the code differs from examples/a/main.go"},
		{"file cut short", code("<!-- examples/a/main.go -->", "package main\n"), "differs"},
		{"region", code("<!-- examples/b/main.go#one -->", one), ""},
		{"second region", code("<!-- examples/b/main.go#two -->", "h()\n"), ""},
		{"region that differs", code("<!-- examples/b/main.go#one -->", strings.Replace(one, "\tg", "g", 1)), "differs from examples/b/main.go#one"},
		{"text", "<!-- examples/a/out.txt -->\n```text\none\n```\n", ""},
		{"text that differs", "<!-- examples/a/out.txt -->\n```text\ntwo\n```\n", "differs"},
		{"text as code", code("<!-- examples/a/out.txt -->", "one\n"), "not followed by"},
		{"region that is not there", code("<!-- examples/b/main.go#three -->", one), "there is no region three"},
		{"region without end", code("<!-- examples/b/main.go#open -->", "}\n"), "region open has no // endregion"},
		{"file that is not there", code("<!-- examples/c/main.go -->", one), "file does not exist"},
		{"file elsewhere", code("<!-- examples/../go.mod -->", one), "open examples/../go.mod"},
		{"no marker", code("", "f()\n"), "4: the code has no line"},
		{"another comment", code("<!-- see examples -->", "f()\n"), "no line"},
		{"marker with a gap", code("<!-- examples/b/main.go#two -->\n", "h()\n"), "not followed by a block of Go code"},
		{"marker at the end", "Text.\n<!-- examples/a/main.go -->", "2: examples/a/main.go is not followed"},
		{"marker of a shell", "<!-- examples/a/main.go -->\n```sh\ngo test\n```\n", "not followed by a block of Go code"},
		{"shell", "```sh\ngo test ./...\n```\n", ""},
		{"words behind go", "```go run\nf()\n```\n", "no line"},
		{"longer fence", "````go\nf()\n```\n````\n", "no line"},
		{"indented fence", "1. Text\n\n    ```go\n    f()\n    ```\n", "no line"},
		{"tildes", "~~~go\nf()\n~~~\n", "no line"},
		{"code about code", "````md\n```go\nf()\n```\n````\n", ""},
		{"fence never closed", "```go\nf()\n", "no line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := errors.Join(check(test.page, files)...)
			if test.fault == "" && err != nil || test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) {
				t.Errorf("check returned %v, want a fault with %q", err, test.fault)
			}
		})
	}
}
