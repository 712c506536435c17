// Package repository checks what holds for the whole repository.
package repository

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	root   = "../.."
	module = "github.com/perennial-go/perennial"
)

// allowed is what the engine may be built from besides the standard library.
var allowed = map[string]string{
	"github.com/benbjohnson/clock":      "config.Clock takes its Clock, so that tests can drive time",
	"github.com/perennial-go/perennial": "itself",
}

func TestEngineDependsOnNothingElse(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+"/memoize").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if _, ok := allowed[pkg]; !ok && !strings.HasPrefix(pkg, module+"/") {
			t.Errorf("memoize is built from %s: everyone who uses it would be too; put what needs it in a leaf package", pkg)
		}
		if strings.Contains(pkg, "test") {
			t.Errorf("memoize is built from %s, which is for tests", pkg)
		}
	}
}

// layers says what each package may import of ours. A package of a layer
// imports only packages of lower ones.
var layers = map[string]int{
	"internal/bind": 0, "internal/coarse": 0, "internal/digest": 0, "internal/jsontext": 0, "internal/keytext": 0, "internal/module": 0, "internal/postponed": 0,
	"entry": 1, "observe": 1,
	"internal/wiring": 2, "internal/timeline": 2, "internal/backoff": 2, "internal/doubts": 2, "internal/tagindex": 2, "internal/problems": 2,
	"internal/slots": 2, "internal/breaker": 2, "internal/adaptive": 2, "internal/admission": 3, "guard": 4,
	"internal/runs": 3, "internal/sweeptimer": 3, "internal/storebudget": 4,
	"eviction": 2, "serde": 2, "statuses": 2,
	"storage": 3, "storage/snapshot": 3, "invalidation": 3,
	"config": 5, "memoize": 6, "internal/metrics": 7,
}

func TestLayers(t *testing.T) {
	for pkg, layer := range layers {
		dir := filepath.Join(root, pkg)
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		for _, file := range goFiles(t, dir, false) {
			for _, imp := range parse(t, file, parser.ImportsOnly).Imports {
				ours, ok := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module+"/")
				if !ok {
					continue
				}
				below, known := layers[ours]
				if !known || below >= layer {
					t.Errorf("%s imports %s: it stands in layer %d and may import only what is below", file, ours, layer)
				}
			}
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	var undocumented []string
	checked := 0
	for _, dir := range packages(t) {
		rel, _ := filepath.Rel(root, dir)
		if strings.HasPrefix(rel, "examples") {
			continue
		}
		for _, file := range goFiles(t, dir, false) {
			f := parse(t, file, parser.ParseComments|parser.SkipObjectResolution)
			for _, name := range exported(f) {
				checked++
				if !name.documented {
					undocumented = append(undocumented, file+": "+name.name)
				}
			}
		}
	}
	if checked < 100 {
		t.Fatalf("only %d exported names were found: the check looks in the wrong place", checked)
	}
	if len(undocumented) > 0 {
		t.Errorf("exported names without a doc comment:\n%s", strings.Join(undocumented, "\n"))
	}
}

func TestUndocumentedNamesAreFound(t *testing.T) {
	const src = "package p\n\n// A is.\ntype A struct{ b int }\n\nfunc (A) M() {}\n\nfunc F() {}\n\nconst C = 1\n\nvar (\n\t// V is.\n\tV, W int\n\tX int\n)\n\ntype hidden struct{}\n\nfunc (hidden) Y() {}\n"
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range exported(f) {
		if !name.documented {
			got = append(got, name.name)
		}
	}
	if want := []string{"A.M", "F", "C", "X"}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
}

type exportedName struct {
	name       string
	documented bool
}

// exported lists the exported names that a file declares: of functions and of
// methods of exported types, and of types, constants and variables. A comment on
// a group or a line beside a name documents it.
func exported(f *ast.File) []exportedName {
	var names []exportedName
	for _, decl := range f.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name, ok := d.Name.Name, d.Name.IsExported()
			if d.Recv != nil {
				recv := receiver(d.Recv.List[0].Type)
				name, ok = recv+"."+name, ok && ast.IsExported(recv)
			}
			if ok {
				names = append(names, exportedName{name, d.Doc != nil})
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					if s.Name.IsExported() {
						names = append(names, exportedName{s.Name.Name, d.Doc != nil || s.Doc != nil})
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.IsExported() {
							names = append(names, exportedName{n.Name, d.Doc != nil || s.Doc != nil || s.Comment != nil})
						}
					}
				}
			}
		}
	}
	return names
}

func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

// TestNoTestSleeps allows time.Sleep in tests only in packages whose tests run
// in synctest bubbles, where time is virtual, and in files that say why they sleep
// "in real time", as those that halt servers for a while do.
func TestNoTestSleeps(t *testing.T) {
	for _, dir := range packages(t) {
		var sleeps []string
		bubbles := false
		for _, file := range goFiles(t, dir, true) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			bubbles = bubbles || strings.Contains(string(text), "synctest."+"Test(")
			if strings.Contains(string(text), "time."+"Sleep(") && !strings.Contains(string(text), "in real"+" time") {
				sleeps = append(sleeps, file)
			}
		}
		if len(sleeps) > 0 && !bubbles {
			t.Errorf("%v sleep: use testing/synctest, or say beside it why it is in real"+" time", sleeps)
		}
	}
}

func packages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "benchmarks") {
			return fs.SkipDir
		}
		dirs = append(dirs, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func goFiles(t *testing.T, dir string, tests bool) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(f string) bool { return strings.HasSuffix(f, "_test.go") != tests })
}

func parse(t *testing.T, file string, mode parser.Mode) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, mode)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", file, err))
	}
	return f
}
