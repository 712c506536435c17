package repository

import (
	"go/ast"
	"go/parser"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLocksAreInTheTable looks for the engine's locks in the table of docs/design.md: by
// the name of the type or variable that has one, or of a package below internal.
func TestLocksAreInTheTable(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "design.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Locks\n")
	section, _, _ = strings.Cut(section, "\n## ")
	table := strings.Join(regexp.MustCompile(`(?m)^\|.*\|$`).FindAllString(section, -1), "\n")
	found := 0
	for pkg := range layers {
		for _, file := range goFiles(t, filepath.Join(root, pkg), false) {
			for _, owner := range lockOwners(parse(t, file, parser.SkipObjectResolution)) {
				found++
				if !hasWord(table, owner) && !(strings.HasPrefix(pkg, "internal/") && hasWord(table, path.Base(pkg))) {
					t.Errorf("%s: the lock of %s is not in the table of docs/design.md", file, owner)
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d locks were found: the test looks in the wrong place", found)
	}
}

// lockOwners is the types and variables of a file that have a lock.
func lockOwners(f *ast.File) []string {
	var owners []string
	for _, decl := range f.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range d.Specs {
			has := false
			ast.Inspect(spec, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && x.Name == "sync" && strings.HasSuffix(s.Sel.Name, "Mutex") {
						has = true
					}
				}
				return true
			})
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if has {
					owners = append(owners, s.Name.Name)
				}
			case *ast.ValueSpec:
				if has {
					owners = append(owners, s.Names[0].Name)
				}
			}
		}
	}
	return owners
}
