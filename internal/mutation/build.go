//go:build unix

package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// source is a package as it stands in the tree.
type source struct {
	path, dir string
	files     map[string][]byte // by absolute path
	importer  types.Importer
}

// load reads a package and makes what it imports known to the type checker.
func load(pattern string) (*source, error) {
	args := append([]string{"list", "-deps", "-export", "-json=ImportPath,Dir,GoFiles,CgoFiles,Export,DepOnly,Standard", pattern}, switchImports...)
	out, err := output(exec.Command("go", args...))
	if err != nil {
		return nil, err
	}
	type listed struct {
		ImportPath, Dir, Export string
		GoFiles, CgoFiles       []string
		DepOnly, Standard       bool
	}
	var s *source
	exports := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if p.DepOnly || p.Standard {
			continue
		}
		if s != nil || len(p.CgoFiles) > 0 {
			return nil, fmt.Errorf("%s: name packages one by one, and such as have no cgo", pattern)
		}
		s = &source{path: p.ImportPath, dir: p.Dir, files: map[string][]byte{}}
		for _, name := range p.GoFiles {
			path := filepath.Join(p.Dir, name)
			if s.files[path], err = os.ReadFile(path); err != nil {
				return nil, err
			}
		}
	}
	if s == nil {
		return nil, fmt.Errorf("%s names no package", pattern)
	}
	s.importer = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	return s, nil
}

// check parses and type-checks files. Errors of types come in a list.
func (s *source) check(files map[string][]byte) (*token.FileSet, *types.Package, *types.Info, []*ast.File, []types.Error, error) {
	fset := token.NewFileSet()
	var parsed []*ast.File
	for _, path := range sortedKeys(files) {
		file, err := parser.ParseFile(fset, path, files[path], parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, nil, nil, nil, nil, err
		}
		parsed = append(parsed, file)
	}
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{},
		Uses: map[*ast.Ident]types.Object{}, Implicits: map[ast.Node]types.Object{},
	}
	var wrong []types.Error
	config := types.Config{Importer: s.importer, Error: func(err error) {
		if e, ok := err.(types.Error); ok && !e.Soft {
			wrong = append(wrong, e)
		}
	}}
	pkg, _ := config.Check(s.path, fset, parsed, info)
	return fset, pkg, info, parsed, wrong, nil
}

// mutants finds the mutants of a package, in the order of its text.
func (s *source) mutants() ([]*mutant, error) {
	fset, pkg, info, files, wrong, err := s.check(s.files)
	if err != nil {
		return nil, err
	}
	if len(wrong) > 0 {
		return nil, wrong[0]
	}
	var all []*mutant
	for _, file := range files {
		path := fset.Position(file.Pos()).Filename
		all = append(all, newFinder(fset, pkg, info, file, s.files[path]).find()...)
	}
	return all, nil
}

// typed drops the mutants that the type checker refuses: where a name is hidden
// by another, say. It numbers the others and returns them with the package's text.
func (s *source) typed(all []*mutant) (kept, refused []*mutant, files map[string][]byte, err error) {
	for {
		files = s.rewrite(all)
		fset, _, _, _, wrong, err := s.check(files)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("a mutant breaks the syntax: %w", err)
		}
		if len(wrong) == 0 {
			return all, refused, files, nil
		}
		bad := map[*mutant]bool{}
		for _, e := range wrong {
			at := fset.Position(e.Pos)
			for _, m := range all {
				if m.file == at.Filename && m.line == at.Line {
					bad[m] = true
				}
			}
		}
		if len(bad) == 0 {
			return nil, nil, nil, fmt.Errorf("mutants of %s do not type-check: %w", s.path, wrong[0])
		}
		all = slices.DeleteFunc(slices.Clone(all), func(m *mutant) bool {
			if bad[m] {
				refused = append(refused, m)
			}
			return bad[m]
		})
	}
}

//go:embed switch.go.txt
var switchSource string

// switchImports is what switchSource imports.
var switchImports = []string{"cmp", "os", "strconv", "sync/atomic", "syscall"}

// rewrite numbers the mutants and writes them all into the package's text.
func (s *source) rewrite(all []*mutant) map[string][]byte {
	edits := map[string][]numbered{}
	for i, m := range all {
		m.number = i + 1
		for _, e := range m.edits {
			edits[m.file] = append(edits[m.file], numbered{e, m.number, len(edits[m.file])})
		}
	}
	files := map[string][]byte{}
	var name string
	for path, src := range s.files {
		files[path] = apply(src, edits[path])
		if file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.PackageClauseOnly); err == nil {
			name = file.Name.Name
		}
	}
	files[filepath.Join(s.dir, "mutant_switch.go")] = []byte(strings.NewReplacer("PACKAGE", name, "COUNT", strconv.Itoa(len(all))).Replace(switchSource))
	return files
}

type numbered struct {
	edit
	number, order int
}

// apply puts edits into a text. At one place, what ends there is closed first,
// the innermost first; then what begins is opened, the outermost first.
func apply(src []byte, edits []numbered) []byte {
	slices.SortFunc(edits, func(a, b numbered) int {
		switch {
		case a.offset != b.offset:
			return a.offset - b.offset
		case a.after != b.after:
			if a.after {
				return -1
			}
			return 1
		case a.after:
			return b.order - a.order
		}
		return a.order - b.order
	})
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, src[at:e.offset]...)
		out = append(out, e.text(e.number)...)
		at = e.offset + e.cut
	}
	return append(out, src[at:]...)
}

// build makes the test binary of a package with other text for its files, and with
// the test files whose names are given, or all. No file of the tree is touched.
func (s *source) build(files map[string][]byte, tests []string, tmp string) (binary string, err error) {
	replace, err := s.without(tests)
	if err != nil {
		return "", err
	}
	for i, path := range sortedKeys(files) {
		other := filepath.Join(tmp, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(other, files[path], 0o600); err != nil {
			return "", err
		}
		replace[path] = other
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	list := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", err
	}
	binary = filepath.Join(tmp, "test")
	_, err = output(exec.Command("go", "test", "-c", "-overlay", list, "-o", binary, s.path))
	return binary, err
}

// without is the overlay in which there are no test files but those given.
func (s *source) without(tests []string) (map[string]string, error) {
	replace := map[string]string{}
	if len(tests) == 0 {
		return replace, nil
	}
	all, err := filepath.Glob(filepath.Join(s.dir, "*_test.go"))
	for _, path := range all {
		if !slices.Contains(tests, filepath.Base(path)) {
			replace[path] = ""
		}
	}
	if left := len(all) - len(replace); err == nil && left != len(tests) {
		err = fmt.Errorf("%s has %d of the test files %s", s.path, left, strings.Join(tests, ", "))
	}
	return replace, err
}

// output runs a command; what it said is in the error.
func output(c *exec.Cmd) ([]byte, error) {
	out, err := c.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, exit.Stderr)
	}
	return out, err
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
