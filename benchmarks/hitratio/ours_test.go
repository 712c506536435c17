package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every policy that is made of a capacity alone takes part.
func TestNobodyIsForgotten(t *testing.T) {
	files, err := filepath.Glob("../../eviction/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no sources: %v", err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !makesPolicy(f) {
				continue
			}
			found++
			if !slices.ContainsFunc(own, func(o ownPolicy) bool { return o.name == f.Name.Name }) {
				t.Errorf("eviction.%s is not in the table of ours.go: add a line", f.Name.Name)
			}
		}
	}
	if found == 0 {
		t.Error("no policies were found: do constructors look different now?")
	}
}

// makesPolicy tells whether a function is an exported constructor of a capacity.
func makesPolicy(f *ast.FuncDecl) bool {
	params := f.Type.Params.List
	return f.Recv == nil && f.Name.IsExported() && len(params) == 1 &&
		len(params[0].Names) == 1 && params[0].Names[0].Name == "capacity"
}
