package serde

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Layer is a codec or an encoding that the text of a format names. PairLayer and
// EncodingLayer make layers, Register makes them available to Parse.
type Layer struct {
	codec *functions
	whole bool // it is EntryJSON
	open  func(p *Parameters) (Encoding, error)
}

// PairLayer returns the layer of a codec that Pair makes of these functions.
func PairLayer[M any](marshal func(M) ([]byte, error), unmarshal func(data []byte, message M) error) Layer {
	if marshal == nil || unmarshal == nil {
		return Layer{}
	}
	return Layer{codec: pair("", marshal, unmarshal)}
}

// EncodingLayer returns the layer of an encoding. open reads its parameters and makes the
// encoding. Parse reports wrong parameters by itself.
func EncodingLayer(open func(p *Parameters) (Encoding, error)) Layer { return Layer{open: open} }

var layers = struct {
	sync.Mutex
	byName map[string]named
}{byName: map[string]named{}}

// named is a layer and the one of its names that stands in canonical text.
type named struct {
	Layer
	name string
}

// elsewhere is where the layers are that are not imported with this package.
var elsewhere = map[string]string{
	"zstd": zstdPackage, "zstandard": zstdPackage,
	"s2": "github.com/perennial-go/perennial/serde/s2",
}

const zstdPackage = "github.com/perennial-go/perennial/serde/zstd"

// Register makes a layer available to Parse under the given names, the first of
// which Format.String writes and, if it is a codec, its records carry:
//
//	serde.Register(serde.PairLayer(msgpack.Marshal, msgpack.Unmarshal), "msgpack")
//
// Call it from an init. It panics on a nil function, a name that is taken, and a name with
// anything but letters, digits and "-._", as in database/sql.
func Register(l Layer, names ...string) {
	if l.codec == nil && l.open == nil && !l.whole || len(names) == 0 {
		panic("serde: Register is given no functions or no name")
	}
	if l.codec != nil {
		c := *l.codec
		c.name = names[0]
		l.codec = &c
	}
	layers.Lock()
	defer layers.Unlock()
	for _, name := range names {
		if err := checkName(name); err != nil {
			panic(err.Error())
		}
		if _, taken := layers.byName[name]; taken {
			panic(fmt.Sprintf("serde: Register is called twice for the name %q", name))
		}
		layers.byName[name] = named{l, names[0]}
	}
}

func init() {
	Register(Layer{codec: jsonFunctions}, "json")
	Register(Layer{codec: gobFunctions}, "gob")
	Register(Layer{codec: rawFunctions}, "raw")
	Register(Layer{codec: binaryFunctions}, "binary")
	Register(Layer{whole: true}, "entry-json")
	Register(EncodingLayer(levelled(ZlibLevel)), "zlib", "zip")
	Register(EncodingLayer(levelled(GzipLevel)), "gzip")
	Register(EncodingLayer(func(p *Parameters) (Encoding, error) { return p.Limited(Bzip2()), nil }), "bz2")
	Register(EncodingLayer(func(*Parameters) (Encoding, error) { return Base64(), nil }), "base64")
}

// levelled opens an encoding that has the levels of DEFLATE.
func levelled(at func(level int) (Encoding, error)) func(p *Parameters) (Encoding, error) {
	return func(p *Parameters) (Encoding, error) {
		e, err := at(p.Int("compression-level", -1, -1, 9))
		if err != nil {
			return nil, err
		}
		return p.Limited(e), nil
	}
}

func find(name string) (named, error) {
	layers.Lock()
	defer layers.Unlock()
	if l, ok := layers.byName[name]; ok {
		return l, nil
	}
	if pkg := elsewhere[name]; pkg != "" {
		return named{}, fmt.Errorf("%s is not imported: import _ %q", name, pkg)
	}
	known := slices.Sorted(maps.Keys(layers.byName))
	for _, name := range slices.Sorted(maps.Keys(elsewhere)) {
		if _, ok := layers.byName[name]; !ok {
			known = append(known, fmt.Sprintf("%s (import _ %q)", name, elsewhere[name]))
		}
	}
	return named{}, fmt.Errorf("%q is unknown: those known are %s", name, strings.Join(known, ", "))
}
