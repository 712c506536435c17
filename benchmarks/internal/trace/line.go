package trace

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// What a line may have, in order.
const (
	keyColumn = iota
	sizeColumn
	costColumn
	mostColumns
)

// parse adds the request of a line. columns is how many the lines before have,
// 0 on the first.
func (b *builder) parse(line []byte, columns *int) error {
	if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
		return errors.New("the line is not text: expand the file, or name it .gz or .zst if it is packed")
	}
	var fields [mostColumns][]byte
	n, err := split(line, &fields)
	switch {
	case err != nil:
		return err
	case *columns == 0:
		*columns = n
	case n != *columns:
		return fmt.Errorf("the line has %d columns, and those before have %d", n, *columns)
	}
	if n > sizeColumn {
		size, err := strconv.ParseInt(string(fields[sizeColumn]), 10, 64)
		if err != nil || size < 1 {
			return fmt.Errorf("the size %q is not a whole number above 0", fields[sizeColumn])
		}
		b.trace.sizes = append(b.trace.sizes, size)
	}
	if n > costColumn {
		cost, err := strconv.ParseFloat(string(fields[costColumn]), 64)
		if err != nil || !(cost >= 0) || math.IsInf(cost, 0) {
			return fmt.Errorf("the cost %q is not a number of 0 or more", fields[costColumn])
		}
		b.trace.costs = append(b.trace.costs, cost)
	}
	return b.add(numberOf(fields[keyColumn]))
}

// split cuts a line into its columns. A comma stands between two, with blanks
// around it or none, or blanks alone.
func split(line []byte, fields *[mostColumns][]byte) (n int, err error) {
	rest := bytes.TrimLeft(line, " \t")
	if len(rest) == 0 {
		return 0, errors.New("the line is empty")
	}
	for {
		end := bytes.IndexAny(rest, " \t,")
		if end < 0 {
			end = len(rest)
		}
		switch {
		case end == 0:
			return 0, errors.New("a column is empty")
		case n == mostColumns:
			return 0, fmt.Errorf("the line has more than %d columns: a key, a size and a cost", mostColumns)
		}
		fields[n], n = rest[:end], n+1
		if rest = bytes.TrimLeft(rest[end:], " \t"); len(rest) == 0 {
			return n, nil
		}
		if rest[0] == ',' {
			rest = bytes.TrimLeft(rest[1:], " \t")
		}
	}
}
