package serde

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Parameters are what the text of a format says after the question mark, for
// the layers to read. All layers read the same ones. What is malformed, and what
// no layer has read, is an error of Parse.
type Parameters struct {
	given url.Values
	ints  map[string]int  // those given, as numbers
	known map[string]bool // those that have been asked for
	errs  []error
}

func readParameters(query string) (*Parameters, error) {
	given, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("the parameters can't be read: %w", err)
	}
	p := &Parameters{given: given, ints: map[string]int{}, known: map[string]bool{}}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if n := len(given[name]); n > 1 {
			p.errs = append(p.errs, fmt.Errorf("parameter %q is given %d times: give it once", name, n))
		}
	}
	return p, nil
}

// Int is a parameter that is a whole number from low to high, or def where it is
// not given or not right.
func (p *Parameters) Int(name string, def, low, high int) int {
	p.known[name] = true
	if !p.given.Has(name) {
		return def
	}
	text := p.given.Get(name)
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		p.errs = append(p.errs, fmt.Errorf("parameter %s=%.20q: give a whole number from %d to %d", name, text, low, high))
		return def
	}
	p.ints[name] = n
	return n
}

// Limited is the encoding with the limit that the parameter of this name says,
// in bytes; where it is not given, with DefaultLimit.
func (p *Parameters) Limited(e Encoding) Encoding {
	return Limited(e, p.Int("limit", DefaultLimit, 1, math.MaxInt))
}

// check returns everything that is wrong, once all layers have read.
func (p *Parameters) check() error {
	errs := slices.Clone(p.errs)
	for _, name := range slices.Sorted(maps.Keys(p.given)) {
		if p.known[name] {
			continue
		}
		known := "these layers take none"
		if len(p.known) > 0 {
			known = "those known are " + strings.Join(slices.Sorted(maps.Keys(p.known)), ", ")
		}
		errs = append(errs, fmt.Errorf("parameter %.40q is unknown: %s", name, known))
	}
	return errors.Join(errs...)
}

// String is the parameters in order, or nothing.
func (p *Parameters) String() string {
	q := url.Values{}
	for name, n := range p.ints {
		q.Set(name, strconv.Itoa(n))
	}
	return q.Encode()
}
