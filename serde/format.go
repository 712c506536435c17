package serde

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Format tells how values of any type are written: For makes the SerDe of a type. Parse
// makes a Format of a text; the zero Format is JSON in an Envelope. Any number of functions
// can share it.
type Format struct {
	codec     *functions // nil is that of JSON
	whole     bool       // it is EntryJSON that the encodings stand around
	encodings chain
	text      string
}

// Parse reads a format: a codec, then encodings in the order in which they are
// applied, and the parameters of all:
//
//	json
//	json+zstd
//	json+zstd://?compression-level=3&limit=1048576
//	entry-json+zip
//
// The table in the package's documentation lists layers and parameters. A format
// that begins with a codec is an Envelope of it, with encodings around the value;
// one that begins with entry-json is an EntryJSON with encodings around the whole
// record. An empty text is the zero Format. Parse reports all errors at once.
func Parse(text string) (Format, error) {
	if text == "" {
		return Format{}, nil
	}
	f, err := parse(text)
	if err != nil {
		return Format{}, fmt.Errorf("serde: format %.80q: %w", text, err)
	}
	return f, nil
}

func parse(text string) (Format, error) {
	names, rest, _ := strings.Cut(text, "://")
	if strings.Contains(names, " ") {
		return Format{}, errors.New("there is a space in it: among the parameters of a URL a plus is written %2B")
	}
	query, hasQuery := strings.CutPrefix(rest, "?")
	if rest != "" && !hasQuery {
		return Format{}, fmt.Errorf("%.40q stands where parameters can: write it as json+zstd://?compression-level=3", rest)
	}
	p, err := readParameters(query)
	if err != nil {
		return Format{}, err
	}
	var f Format
	var errs []error
	canonical := make([]string, 0, 4)
	for i, name := range strings.Split(names, "+") {
		l, err := find(name)
		switch {
		case err != nil:
		case i == 0 && l.open != nil:
			err = fmt.Errorf("%s encodes bytes, not values: begin with a codec, as in raw+%s", name, name)
		case i > 0 && l.open == nil:
			err = fmt.Errorf("%s takes values, not bytes: it can only come first", name)
		case i == 0:
			f.codec, f.whole = l.codec, l.whole
		default:
			var e Encoding
			if e, err = l.open(p); err == nil {
				f.encodings = append(f.encodings, e)
			}
		}
		errs = append(errs, err)
		canonical = append(canonical, l.name)
	}
	if err := errors.Join(errs...); err != nil {
		return Format{}, errors.Join(err, errors.Join(p.errs...)) // what no layer has read can't be told yet
	}
	if err := p.check(); err != nil {
		return Format{}, err
	}
	f.text = strings.Join(canonical, "+")
	if parameters := p.String(); parameters != "" {
		f.text += "://?" + parameters
	}
	return f, nil
}

// String returns the canonical text, of which Parse makes an equal Format.
func (f Format) String() string {
	if f.text == "" {
		return jsonFunctions.name
	}
	return f.text
}

// For makes the SerDe of a type. It returns an error if the type does not fit the format's
// codec, as a struct does not fit raw.
func For[V any](f Format) (SerDe[V], error) {
	if f.whole {
		if err := jsonFunctions.fits(reflect.TypeFor[V]()); err != nil {
			return nil, err
		}
		return Encoded(EntryJSON[V](), f.encodings...), nil
	}
	functions := f.codec
	if functions == nil {
		functions = jsonFunctions
	}
	c, err := codecOf[V](functions)
	if err != nil {
		return nil, err
	}
	return Envelope(EncodedCodec(c, f.encodings...)), nil
}
