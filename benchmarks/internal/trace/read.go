package trace

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// longest is how many bytes a line may have.
const longest = 64 << 10

// Read reads a trace from a file: a request a line, which is a key, then its
// size and what its load costs where the trace has them, separated by blanks or
// commas. Keys are any text without either. Every line has as many columns as
// the first. Files that end in .gz or .zst are expanded. What is wrong is an
// error that names the file and the line.
func Read(file string) (*Trace, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	defer f.Close()
	text, done, err := expand(f, file)
	if err != nil {
		return nil, fmt.Errorf("trace: %s:1: %w", file, err)
	}
	defer done()
	b := newBuilder(nameOf(file))
	line, err := b.read(text)
	if err != nil {
		return nil, fmt.Errorf("trace: %s:%d: %w", file, line, err)
	}
	return &b.trace, nil
}

// nameOf is the file's name without what says how it is packed.
func nameOf(file string) string {
	name := filepath.Base(file)
	for _, end := range []string{".gz", ".zst", ".txt", ".csv", ".trace"} {
		name = strings.TrimSuffix(name, end)
	}
	return name
}

// expand is the text of a file.
func expand(f io.Reader, file string) (text io.Reader, done func(), err error) {
	switch filepath.Ext(file) {
	case ".gz":
		g, err := gzip.NewReader(bufio.NewReader(f))
		if err != nil {
			return nil, nil, unreadable(err)
		}
		return g, func() {}, nil
	case ".zst":
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nil, unreadable(err)
		}
		return z, z.Close, nil
	}
	return f, func() {}, nil
}

// unreadable is what an error in reading means.
func unreadable(err error) error {
	switch {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("the line has more than %d bytes: a trace has a request a line", longest)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return fmt.Errorf("the file is cut short: fetch it again (%w)", err)
	}
	return err
}

// read reads all requests, and returns the line at which it ended.
func (b *builder) read(text io.Reader) (line int, err error) {
	lines := bufio.NewScanner(text)
	lines.Buffer(make([]byte, 0, longest), longest)
	columns := 0
	for lines.Scan() {
		line++
		err := b.parse(bytes.TrimRight(lines.Bytes(), " \t\r"), &columns)
		if lines.Err() != nil { // the line is what was left of one
			return line, unreadable(lines.Err())
		}
		if err != nil {
			return line, err
		}
	}
	if err := lines.Err(); err != nil {
		return line + 1, unreadable(err)
	}
	if line == 0 {
		return 1, errors.New("there are no requests")
	}
	return line, nil
}
