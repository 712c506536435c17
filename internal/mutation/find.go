//go:build unix

package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
)

// mutant is one small fault that can be switched on in the test binary.
type mutant struct {
	number int    // what switches it on; from 1
	name   string // file: function: what is changed; the same as long as that text is
	file   string // absolute path
	line   int
	edits  []edit
}

// edit is a piece of text that goes into a file, in the place of cut bytes.
type edit struct {
	offset, cut int
	text        func(number int) string
	after       bool // it follows what ends here, so that inner ones come first
}

// finder finds the mutants of one file. Every mutant keeps the program's types as
// they are and its lines where they are: code is wrapped in a call or in an if
// that asks whether the mutant is switched on.
type finder struct {
	fset    *token.FileSet
	info    *types.Info
	pkg     *types.Package
	file    *ast.File
	src     []byte
	imports map[string]string // path to the name it has in the file
	fn      string            // the function that is looked at
	seen    map[string]int    // how often a name was given
	found   []*mutant
}

func newFinder(fset *token.FileSet, pkg *types.Package, info *types.Info, file *ast.File, src []byte) *finder {
	f := &finder{fset: fset, info: info, pkg: pkg, file: file, src: src, imports: map[string]string{}, seen: map[string]int{}}
	for _, spec := range file.Imports {
		if name, ok := info.Implicits[spec].(*types.PkgName); ok {
			f.imports[name.Imported().Path()] = name.Name()
		} else if name, ok := info.Defs[spec.Name].(*types.PkgName); ok {
			f.imports[name.Imported().Path()] = name.Name()
		}
	}
	return f
}

// find goes through the functions of the file.
func (f *finder) find() []*mutant {
	for _, decl := range f.file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		f.fn = fn.Name.Name
		if fn.Recv != nil {
			f.fn = receiver(fn.Recv.List[0].Type) + "." + f.fn
		}
		ast.PreorderStack(fn, nil, func(n ast.Node, stack []ast.Node) bool {
			return f.node(n, stack)
		})
	}
	return f.found
}

func receiver(e ast.Expr) string {
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return "?"
		}
	}
}

// node adds the mutants of one node and says whether to go on into it. What
// wraps a node is added before what lies in it.
func (f *finder) node(n ast.Node, stack []ast.Node) bool {
	var parent ast.Node
	if len(stack) > 0 {
		parent = stack[len(stack)-1]
	}
	switch n := n.(type) {
	case *ast.GenDecl: // constants and types have nothing to switch at run time
		return n.Tok == token.VAR
	case *ast.FuncDecl:
		f.body(n.Body, f.info.Defs[n.Name].Type().(*types.Signature), "function")
	case *ast.FuncLit:
		f.body(n.Body, f.info.TypeOf(n).(*types.Signature), "function literal")
	case *ast.CaseClause:
		f.clause(n, n.Body, stack)
	case *ast.CommClause:
		f.clause(n, n.Body, stack)
	case ast.Stmt:
		f.statement(n, parent, stack)
	case ast.Expr:
		return f.expression(n, parent)
	}
	return true
}

// body makes a function return zero values at once.
func (f *finder) body(body *ast.BlockStmt, sig *types.Signature, kind string) {
	if len(body.List) < 2 { // as good as deleting its statement, or its value
		return
	}
	zeros, ok := f.zeros(sig)
	if !ok {
		return
	}
	f.insert(body.Lbrace+1, "return at once from the "+kind+" that begins "+f.text(body.List[0]), func(number int) string {
		return fmt.Sprintf(" if mutantOn(%d) { return %s };", number, zeros)
	})
}

func (f *finder) zeros(sig *types.Signature) (string, bool) {
	var zeros []string
	for v := range sig.Results().Variables() {
		t, ok := f.typeText(v.Type())
		if !ok {
			return "", false
		}
		zeros = append(zeros, "*new("+t+")")
	}
	return strings.Join(zeros, ", "), true
}

func (f *finder) statement(n ast.Stmt, parent ast.Node, stack []ast.Node) {
	if inList(n, parent) && f.deletable(n, stack) {
		f.wrap(n, "delete "+f.text(n), "if !mutantOn(%d) { ", " }")
	}
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok == token.ADD_ASSIGN || n.Tok == token.SUB_ASSIGN {
			if t, ok := f.typeText(f.info.TypeOf(n.Lhs[0])); ok && numeric(f.info.TypeOf(n.Lhs[0])) {
				f.wrap(n.Rhs[0], "the other sign in "+f.text(n), "mutantNeg["+t+"](%d, ", ")")
			}
		}
	case *ast.RangeStmt:
		if inList(n, parent) {
			f.wrap(n, "skip "+f.head(n, n.Body), "if !mutantOn(%d) { ", " }")
		}
	case *ast.ForStmt:
		if n.Cond != nil {
			f.wrap(n.Cond, "skip "+f.head(n, n.Body), "mutantNever(%d, ", ")")
		}
	case *ast.IfStmt:
		f.wrap(n.Cond, "never if "+f.text(n.Cond), "mutantNever(%d, ", ")")
		if n.Else != nil {
			f.wrap(n.Cond, "always if "+f.text(n.Cond), "mutantAlways(%d, ", ")")
		}
	case *ast.ReturnStmt:
		f.results(n, stack)
	}
}

// inList says whether a statement stands in a list of statements, where another
// may take its place.
func inList(n ast.Stmt, parent ast.Node) bool {
	switch p := parent.(type) {
	case *ast.BlockStmt, *ast.CaseClause:
		return true
	case *ast.CommClause:
		return p.Comm != n
	}
	return false
}

func (f *finder) deletable(n ast.Stmt, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.ExprStmt:
		call, ok := n.X.(*ast.CallExpr)
		if !ok {
			return true // a receive
		}
		fun, ok := call.Fun.(*ast.Ident)
		return !ok || fun.Name != "panic" // without it a function may lack its return
	case *ast.AssignStmt:
		if n.Tok == token.DEFINE {
			return false
		}
		for _, left := range n.Lhs {
			if name, ok := left.(*ast.Ident); !ok || name.Name != "_" {
				return true
			}
		}
		return false
	case *ast.IncDecStmt, *ast.GoStmt, *ast.DeferStmt, *ast.SendStmt:
		return true
	case *ast.BranchStmt:
		return n.Tok == token.BREAK || n.Tok == token.CONTINUE
	case *ast.ReturnStmt:
		sig, body := f.function(stack)
		return len(n.Results) == 0 && sig.Results().Len() == 0 && body.List[len(body.List)-1] != n
	}
	return false
}

// function finds the innermost function around a node.
func (f *finder) function(stack []ast.Node) (*types.Signature, *ast.BlockStmt) {
	for i := len(stack) - 1; i >= 0; i-- {
		switch fn := stack[i].(type) {
		case *ast.FuncLit:
			return f.info.TypeOf(fn).(*types.Signature), fn.Body
		case *ast.FuncDecl:
			return f.info.Defs[fn.Name].Type().(*types.Signature), fn.Body
		}
	}
	panic("a statement outside of functions")
}

// results makes a return give zero in the place of what it returns, one by one.
func (f *finder) results(n *ast.ReturnStmt, stack []ast.Node) {
	sig, _ := f.function(stack)
	if len(n.Results) != sig.Results().Len() { // one call for several results
		if zeros, ok := f.zeros(sig); ok && len(n.Results) == 1 {
			f.insert(n.Pos(), "zero for "+f.text(n), func(number int) string {
				return fmt.Sprintf("if mutantOn(%d) { return %s }; ", number, zeros)
			})
		}
		return
	}
	for i, value := range n.Results {
		t := sig.Results().At(i).Type()
		if boolean(t) || f.zero(value) || i < len(n.Results)-1 && f.besideError(t, n, stack) {
			continue // expression negates what is boolean
		}
		if text, ok := f.typeText(t); ok {
			f.wrap(value, fmt.Sprintf("zero for %s in %s", f.text(value), f.text(n)), "mutantZero["+text+"](%d, ", ")")
		}
	}
}

// besideError says whether a result stands beside the err of an if err != nil:
// nobody looks at it then. Numbers and slices are what could be done all the same.
func (f *finder) besideError(t types.Type, n *ast.ReturnStmt, stack []ast.Node) bool {
	if _, slice := t.Underlying().(*types.Slice); slice || numeric(t) {
		return false
	}
	if len(stack) < 2 {
		return false
	}
	around, ok := stack[len(stack)-2].(*ast.IfStmt)
	return ok && strings.Contains(f.text(around.Cond), "err != nil") && around.Body == stack[len(stack)-1]
}

// zero says whether a value is plainly the zero one already.
func (f *finder) zero(e ast.Expr) bool {
	v := f.info.Types[e]
	if v.IsNil() {
		return true
	}
	if v.Value != nil {
		switch v.Value.ExactString() {
		case "0", `""`:
			return true
		case "1": // constant makes it 0
			_, literal := e.(*ast.BasicLit)
			return literal
		}
	}
	lit, ok := e.(*ast.CompositeLit)
	if !ok || len(lit.Elts) > 0 {
		return false
	}
	_, isStruct := v.Type.Underlying().(*types.Struct)
	return isStruct
}

// clause empties a case. One that ends with a return is left: its returns are
// mutated.
func (f *finder) clause(n ast.Node, body []ast.Stmt, stack []ast.Node) {
	if len(body) == 0 || len(body) == 1 && f.deletable(body[0], stack) {
		return
	}
	switch body[len(body)-1].(type) {
	case *ast.ReturnStmt, *ast.BranchStmt:
		return
	}
	f.insert(body[0].Pos(), "empty "+f.clauseHead(n), func(number int) string {
		return fmt.Sprintf("if mutantOn(%d) { break }; ", number)
	})
}

func (f *finder) expression(e ast.Expr, parent ast.Node) bool {
	v := f.info.Types[e]
	if v.Value != nil { // a constant
		f.constant(e, parent)
		return false
	}
	if v.IsType() {
		return false
	}
	if b, ok := e.(*ast.BinaryExpr); ok {
		f.binary(b)
	} else if v.Type != nil && boolean(v.Type) && f.decides(e, parent) {
		f.wrap(e, "negate "+f.text(e)+" in "+f.around(parent), "mutantNot(%d, ", ")")
	}
	return true
}

// decides says whether a boolean expression, no comparison, is the whole or a
// part of a condition or a result.
func (f *finder) decides(e ast.Expr, parent ast.Node) bool {
	switch x := e.(type) {
	case *ast.ParenExpr, *ast.KeyValueExpr:
		return false
	case *ast.UnaryExpr:
		if x.Op == token.NOT { // what it negates decides
			return false
		}
	}
	switch p := parent.(type) {
	case *ast.IfStmt, *ast.ForStmt, *ast.ReturnStmt:
		return true
	case *ast.UnaryExpr:
		return p.Op == token.NOT
	case *ast.BinaryExpr:
		return p.Op == token.LAND || p.Op == token.LOR
	case *ast.CaseClause: // of a switch without a tag: with one, types differ
		return true
	}
	return false
}

var swapped = map[token.Token]token.Token{
	token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD,
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
}

func (f *finder) binary(b *ast.BinaryExpr) {
	what := fmt.Sprintf("%s for %s in %s", swapped[b.Op], b.Op, f.text(b))
	switch b.Op {
	case token.LAND, token.LOR: // not (not a and not b) is a or b, and asks in the same order
		f.add(b, what,
			before(f.offset(b.Pos()), "mutantNot(%d, "), before(f.offset(b.X.Pos()), "mutantNot(%d, "),
			after(f.offset(b.X.End()), ")"), before(f.offset(b.Y.Pos()), "mutantNot(%d, "),
			after(f.offset(b.Y.End()), ")"), after(f.offset(b.End()), ")"))
	case token.EQL, token.NEQ:
		f.wrap(b, "negate "+f.text(b), "mutantNot(%d, ", ")")
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		f.wrap(b, "negate "+f.text(b), "mutantNot(%d, ", ")")
		f.call(b, what, "mutant"+names[b.Op])
	case token.ADD, token.SUB:
		if numeric(f.info.TypeOf(b)) {
			f.call(b, what, "mutant"+names[b.Op])
		}
	}
}

var names = map[token.Token]string{
	token.LSS: "Less", token.LEQ: "LessOrEqual", token.GTR: "Greater", token.GEQ: "GreaterOrEqual",
	token.ADD: "Add", token.SUB: "Sub",
}

// call makes a call with two arguments of a binary expression.
func (f *finder) call(b *ast.BinaryExpr, what, fun string) {
	f.add(b, what, before(f.offset(b.Pos()), fun+"(%d, "),
		edit{offset: f.offset(b.OpPos), cut: len(b.Op.String()), text: func(int) string { return "," }},
		after(f.offset(b.End()), ")"))
}

// constant changes 0, 1, true and false.
func (f *finder) constant(e ast.Expr, parent ast.Node) {
	switch p := parent.(type) {
	case *ast.AssignStmt:
		if p.Tok == token.ASSIGN && len(p.Lhs) == 1 { // as good as deleting it
			return
		}
	case *ast.ReturnStmt: // what is returned beside an error is nobody's
		last := p.Results[len(p.Results)-1]
		if t := f.info.TypeOf(last); last != e && types.Identical(t, types.Universe.Lookup("error").Type()) {
			return
		}
	}
	switch x := e.(type) {
	case *ast.Ident:
		if f.info.Uses[x] == types.Universe.Lookup("true") || f.info.Uses[x] == types.Universe.Lookup("false") {
			f.wrap(e, "negate "+x.Name+" in "+f.around(parent), "mutantNot(%d, ", ")")
		}
	case *ast.BasicLit:
		other, ok := map[string]string{"0": "1", "1": "0"}[x.Value]
		if pair, key := parent.(*ast.KeyValueExpr); !ok || key && pair.Key == e { // an index must be constant
			return
		}
		if t, ok := f.typeText(f.info.TypeOf(e)); ok {
			f.wrap(e, other+" for "+x.Value+" in "+f.around(parent), "mutantOther["+t+"](%d, "+other+", ", ")")
			if x.Value == "1" {
				f.wrap(e, "2 for 1 in "+f.around(parent), "mutantOther["+t+"](%d, 2, ", ")")
			}
		}
	}
}

// typeText is how the file can write a type; false where it can't.
func (f *finder) typeText(t types.Type) (string, bool) {
	ok := true
	text := types.TypeString(t, func(p *types.Package) string {
		if p == f.pkg {
			return ""
		}
		name, imported := f.imports[p.Path()]
		ok = ok && imported && name != "_"
		return name
	})
	return text, ok && !strings.Contains(text, "untyped ")
}

func boolean(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

func numeric(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsNumeric != 0 && b.Info()&types.IsComplex == 0
}

func (f *finder) wrap(n ast.Node, what, prefix, suffix string) {
	f.add(n, what, before(f.offset(n.Pos()), prefix), after(f.offset(n.End()), suffix))
}

func (f *finder) insert(at token.Pos, what string, text func(int) string) {
	f.addAt(at, what, edit{offset: f.offset(at), text: text})
}

func before(offset int, format string) edit {
	return edit{offset: offset, text: func(number int) string { return fmt.Sprintf(format, number) }}
}

func after(offset int, text string) edit {
	return edit{offset: offset, after: true, text: func(int) string { return text }}
}

func (f *finder) add(n ast.Node, what string, edits ...edit) { f.addAt(n.Pos(), what, edits...) }

func (f *finder) addAt(at token.Pos, what string, edits ...edit) {
	pos := f.fset.Position(at)
	name := fmt.Sprintf("%s: %s: %s", filepath.Base(pos.Filename), f.fn, what)
	f.seen[name]++
	if n := f.seen[name]; n > 1 {
		name = fmt.Sprintf("%s (%d)", name, n)
	}
	f.found = append(f.found, &mutant{name: name, file: pos.Filename, line: pos.Line, edits: edits})
}

func (f *finder) offset(p token.Pos) int { return f.fset.Position(p).Offset }

// text is the source of a node on one line, cut where it is long.
func (f *finder) text(n ast.Node) string {
	return short(string(f.src[f.offset(n.Pos()):f.offset(n.End())]))
}

// around is where in a condition or constant stands: its statement's first line.
func (f *finder) around(parent ast.Node) string {
	switch p := parent.(type) {
	case *ast.IfStmt:
		return "if " + f.text(p.Cond)
	case *ast.ForStmt:
		return f.head(p, p.Body)
	case *ast.CaseClause, *ast.CommClause:
		return f.clauseHead(p)
	}
	return f.text(parent)
}

func (f *finder) head(n ast.Node, body *ast.BlockStmt) string {
	return short(string(f.src[f.offset(n.Pos()):f.offset(body.Pos())]))
}

func (f *finder) clauseHead(n ast.Node) string {
	var colon token.Pos
	switch n := n.(type) {
	case *ast.CaseClause:
		colon = n.Colon
	case *ast.CommClause:
		colon = n.Colon
	}
	return short(string(f.src[f.offset(n.Pos()):f.offset(colon)]))
}

func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	const most = 80
	if r := []rune(text); len(r) > most {
		text = string(r[:most]) + "…"
	}
	return text
}
