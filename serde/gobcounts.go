package serde

import "errors"

// gobCounts walks through what gob would read, as the types that stand in it have
// it, and looks for counts of more than there are bytes: encoding/gob makes a map
// as large as a record says before it reads the first key. It also bounds what gob
// keeps for types that are described, and how deep it recurses. What it does not
// understand it refuses, and gob would as well.
type gobCounts struct {
	data   []byte // of the message that is being read
	later  []byte // the messages after it
	types  map[int64]*gobType
	fields uint64 // that types may have yet
	depth  int
}

// gobType is a type that the record describes.
type gobType struct {
	kind uint64  // its place in gob's wireType
	ids  []int64 // of the fields of a struct, or those of key and elements
}

// Places in wireType.
const (
	gobArray = iota
	gobSlice
	gobStruct
	gobMap
	gobOpaque // and what follows: bytes, for a method of the type
	gobKinds  = 7
)

// Ids of types that gob knows without a description.
const (
	gobFloat     = 4 // and before it what is one number
	gobBytes     = 5
	gobString    = 6
	gobComplex   = 7
	gobInterface = 8
	gobFirst     = 64 // that is described
)

const (
	mostGobFields = 1 << 16
	mostGobDepth  = 10_000 // as encoding/json has it
)

var (
	errGobForm  = errors.New("it is not what gob writes")
	errGobCount = errors.New("it says that it holds more than it has bytes for")
	errGobDepth = errors.New("it is nested too deep")
	errGobTypes = errors.New("it describes too many fields")
)

// checkGob is an error of a record that gob had better not read.
func checkGob(data []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			var isErr bool
			if err, isErr = p.(error); !isErr || err != errGobForm && err != errGobCount && err != errGobDepth && err != errGobTypes {
				panic(p)
			}
		}
	}()
	g := &gobCounts{later: data, types: map[int64]*gobType{}, fields: mostGobFields}
	g.top(g.sequence(false))
	if len(g.data)+len(g.later) > 0 {
		return errGobForm
	}
	return nil
}

// sequence reads descriptions of types, until the id of a value's type comes.
func (g *gobCounts) sequence(inInterface bool) int64 {
	for {
		if len(g.data) == 0 {
			n := take(g.uint(&g.later), g.later)
			g.data, g.later = g.later[:n], g.later[n:]
		}
		id := g.int()
		if id >= 0 {
			return id
		}
		g.describe(-id)
		if len(g.data) > 0 {
			if !inInterface {
				panic(errGobForm)
			}
			g.uint(&g.data) // how long what follows is
		}
	}
}

// describe reads the description of a type.
func (g *gobCounts) describe(id int64) {
	if id < gobFirst || g.types[id] != nil {
		panic(errGobForm)
	}
	t := &gobType{kind: gobKinds}
	g.each(func(kind uint64) {
		if kind >= gobKinds || t.kind != gobKinds {
			panic(errGobForm)
		}
		t.kind = kind
		if kind == gobMap {
			t.ids = make([]int64, 2)
		} else if kind != gobStruct {
			t.ids = make([]int64, 1)
		}
		g.each(func(field uint64) {
			switch {
			case field == 0: // name and id
				g.named()
			case kind >= gobOpaque:
				panic(errGobForm)
			case kind == gobStruct && field == 1:
				for range g.count(1) {
					if g.fields--; g.fields == 0 {
						panic(errGobTypes)
					}
					t.ids = append(t.ids, g.named())
				}
			case kind == gobArray && field == 2: // its length, which the value repeats
				g.int()
			case int(field) <= len(t.ids) && kind != gobStruct:
				t.ids[field-1] = g.int()
			default:
				panic(errGobForm)
			}
		})
	})
	if t.kind == gobKinds {
		panic(errGobForm)
	}
	if g.fields--; g.fields == 0 {
		panic(errGobTypes)
	}
	g.types[id] = t
}

// named reads a name and an id.
func (g *gobCounts) named() (id int64) {
	g.each(func(field uint64) {
		switch field {
		case 0:
			g.skip()
		case 1:
			id = g.int()
		default:
			panic(errGobForm)
		}
	})
	return id
}

// top reads a value that stands by itself.
func (g *gobCounts) top(id int64) {
	if t := g.types[id]; (t == nil || t.kind != gobStruct) && g.uint(&g.data) != 0 {
		panic(errGobForm)
	}
	g.value(id)
}

// value reads a value of a type.
func (g *gobCounts) value(id int64) {
	if g.depth++; g.depth > mostGobDepth {
		panic(errGobDepth)
	}
	defer func() { g.depth-- }()
	t := g.types[id]
	switch {
	case id > 0 && id <= gobFloat:
		g.uint(&g.data)
	case id == gobBytes, id == gobString, t != nil && t.kind >= gobOpaque:
		g.skip()
	case id == gobComplex:
		g.uint(&g.data)
		g.uint(&g.data)
	case id == gobInterface:
		if g.skip() > 0 { // the type's name; a nil has none
			inner := g.sequence(true)
			g.uint(&g.data) // how long it is
			g.top(inner)
		}
	case t == nil:
		panic(errGobForm)
	case t.kind == gobStruct:
		g.each(func(field uint64) {
			if field >= uint64(len(t.ids)) {
				panic(errGobForm)
			}
			g.value(t.ids[field])
		})
	default:
		for range g.count(len(t.ids)) {
			for _, id := range t.ids {
				g.value(id)
			}
		}
	}
}

// each reads a struct: f is to read each field that is there.
func (g *gobCounts) each(f func(field uint64)) {
	next := uint64(0)
	for len(g.data) > 0 {
		delta := g.uint(&g.data)
		if delta == 0 {
			return
		}
		if delta > 1<<32 {
			panic(errGobForm)
		}
		next += delta
		f(next - 1)
	}
}

// count reads how many elements there are, which have so many bytes at least.
func (g *gobCounts) count(size int) uint64 {
	n := g.uint(&g.data)
	if n > uint64((len(g.data)+len(g.later))/size) {
		panic(errGobCount)
	}
	return n
}

// skip passes over bytes, before which stands how many they are.
func (g *gobCounts) skip() (n int) {
	n = take(g.uint(&g.data), g.data)
	g.data = g.data[n:]
	return n
}

func take(n uint64, from []byte) int {
	if n > uint64(len(from)) {
		panic(errGobCount)
	}
	return int(n)
}

func (g *gobCounts) int() int64 {
	u := g.uint(&g.data)
	if u&1 != 0 {
		return ^int64(u >> 1)
	}
	return int64(u >> 1)
}

// uint reads a number: a byte below 128, or how many bytes it has, negated, and
// those.
func (g *gobCounts) uint(from *[]byte) (x uint64) {
	b := *from
	if len(b) == 0 {
		panic(errGobCount)
	}
	if b[0] < 0x80 {
		*from = b[1:]
		return uint64(b[0])
	}
	n := -int(int8(b[0]))
	if n > 8 || n >= len(b) {
		panic(errGobForm)
	}
	for _, c := range b[1 : 1+n] {
		x = x<<8 | uint64(c)
	}
	*from = b[1+n:]
	return x
}
