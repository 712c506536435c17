package repository

import (
	"go/ast"
	"go/parser"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOptionsPageIsComplete compares docs/options.md with the code: each exported
// function that returns an option, of every package, has a row in the first cell of
// which it stands, and each row is of one that exists.
func TestOptionsPageIsComplete(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "options.md"))
	if err != nil {
		t.Fatal(err)
	}
	var exist []string
	for _, dir := range packages(t) {
		if rel, _ := filepath.Rel(root, dir); strings.HasPrefix(rel, "examples") || strings.HasPrefix(rel, "internal") {
			continue
		}
		for _, file := range goFiles(t, dir, false) {
			exist = append(exist, options(parse(t, file, parser.SkipObjectResolution))...)
		}
	}
	if len(exist) < 80 {
		t.Fatalf("only %d options were found: the test looks in the wrong place", len(exist))
	}
	listed := optionRows(string(text))
	for _, name := range exist {
		if !slices.Contains(listed, name) {
			t.Errorf("docs/options.md has no row for %s", name)
		}
	}
	for _, name := range listed {
		if !slices.Contains(exist, name) {
			t.Errorf("docs/options.md has a row for %s, which is no option", name)
		}
	}
}

func TestMissingOptionsAreFound(t *testing.T) {
	const page = "| you have | give |\n| --- | --- |\n| a | `config.A` |\n\n| option | what | default |\n| --- | --- | --- |\n| `config.B`, `config.C` | not `config.D` | 1 |\n"
	if got, want := optionRows(page), []string{"config.B", "config.C"}; !slices.Equal(got, want) {
		t.Errorf("the rows are of %v, want %v", got, want)
	}
}

// options is the exported functions of a file whose only result is a type of the
// package whose name ends in Option.
func options(f *ast.File) []string {
	var names []string
	for _, decl := range f.Decls {
		d, ok := decl.(*ast.FuncDecl)
		if !ok || d.Recv != nil || !d.Name.IsExported() || d.Type.Results == nil || len(d.Type.Results.List) != 1 {
			continue
		}
		if params := d.Type.Params.List; len(params) > 0 {
			if t, ok := params[0].Type.(*ast.SelectorExpr); ok && t.Sel.Name == "Only" {
				continue // users can't call it
			}
		}
		if strings.HasSuffix(receiver(d.Type.Results.List[0].Type), "Option") {
			names = append(names, f.Name.Name+"."+d.Name.Name)
		}
	}
	return names
}

// optionRows is the names in the first cells of the page's tables of options.
func optionRows(page string) []string {
	var names []string
	inside := false
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		inside = len(cells) > 2 && (inside || strings.TrimSpace(cells[1]) == "option")
		if inside {
			names = append(names, regexp.MustCompile(`\b[a-z]+\.[A-Z]\w*`).FindAllString(cells[1], -1)...)
		}
	}
	return names
}
