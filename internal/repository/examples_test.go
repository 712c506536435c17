package repository

import (
	"go/ast"
	"go/parser"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryPackageHasAnExample looks for an Example function in every public package.
func TestEveryPackageHasAnExample(t *testing.T) {
	looked := 0
	for _, dir := range packages(t) {
		rel, _ := filepath.Rel(root, dir)
		if strings.HasPrefix(rel, "examples") || strings.Contains("/"+filepath.ToSlash(rel)+"/", "/internal/") || len(goFiles(t, dir, false)) == 0 {
			continue
		}
		looked++
		if !hasExample(t, dir) {
			t.Errorf("%s has no Example function", rel)
		}
	}
	if looked < 25 {
		t.Errorf("only %d packages were looked at: the test looks in the wrong place", looked)
	}
}

func hasExample(t *testing.T, dir string) bool {
	for _, file := range goFiles(t, dir, true) {
		for _, decl := range parse(t, file, parser.SkipObjectResolution).Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Example") {
				return true
			}
		}
	}
	return false
}
