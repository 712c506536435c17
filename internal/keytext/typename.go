package keytext

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// typeName is the name of a type that an interface holds. Two types that are held
// in one process have two names.
func typeName(t reflect.Type) (string, error) {
	known, ok := typeNames.Load(t)
	if !ok {
		known, _ = typeNames.LoadOrStore(t, nameType(t))
	}
	n := known.(*named)
	return n.name, n.err
}

type named struct {
	name string
	err  error
}

var (
	typeNames  sync.Map // the *named of a reflect.Type
	namedTypes sync.Map // the reflect.Type that has a name
)

func nameType(t reflect.Type) *named {
	if err := Check(t); err != nil {
		return &named{err: err}
	}
	name := t.PkgPath() + "." + t.String()
	if t.Name() == "" {
		text, err := appendType([]byte("."), t)
		if err != nil {
			return &named{err: err}
		}
		name = string(text)
	}
	if strings.Contains(name, "·") { // and the number of the declaration, which changes with the code before it
		return &named{err: fmt.Errorf("the type %s is made of one that is declared in a function, and has no name that means the same elsewhere: declare that one outside", name)}
	}
	// Types that are declared in two functions of a package have one name: nothing
	// else of them can be told from outside.
	if other, taken := namedTypes.LoadOrStore(name, t); taken && other != t {
		return &named{err: fmt.Errorf("two types have the name %s, for one at least is declared in a function: declare it outside, under a name of its own", name)}
	}
	return &named{name: name}
}

// appendType adds a type as it is written within another. Where reflect writes the
// name of a package, of which there may be two, this writes its path.
func appendType(to []byte, t reflect.Type) ([]byte, error) {
	switch {
	case t.PkgPath() != "":
		return append(append(append(to, t.PkgPath()...), '.'), t.Name()...), nil
	case t.Name() != "":
		return append(to, t.Name()...), nil
	}
	switch t.Kind() {
	case reflect.Array:
		to = append(strconv.AppendInt(append(to, '['), int64(t.Len()), 10), ']')
		return appendType(to, t.Elem())
	case reflect.Struct:
		return appendStruct(to, t)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return append(to, "interface {}"...), nil
		}
	}
	return nil, fmt.Errorf("the type %v has no name: declare a type for it", t)
}

func appendStruct(to []byte, t reflect.Type) (_ []byte, err error) {
	to = append(to, "struct {"...)
	for i := range t.NumField() {
		f := t.Field(i)
		if i > 0 {
			to = append(to, ';')
		}
		to = append(to, ' ')
		if f.PkgPath != "" { // fields of one name that are not exported differ by package
			to = append(append(to, f.PkgPath...), '.')
		}
		if !f.Anonymous {
			to = append(append(to, f.Name...), ' ')
		}
		if to, err = appendType(to, f.Type); err != nil {
			return nil, err
		}
		if f.Tag != "" {
			to = appendQuoted(append(to, ' '), string(f.Tag))
		}
	}
	if t.NumField() > 0 {
		to = append(to, ' ')
	}
	return append(to, '}'), nil
}
