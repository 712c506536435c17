package serde

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"sync"
)

// Zlib is the zlib format (RFC 1950) at its default level: what Python calls
// 'zip'. It begins with 78.
func Zlib() Encoding { return mustDeflate(ZlibLevel(zlib.DefaultCompression)) }

// ZlibLevel is Zlib at a level: 1 is the fastest and 9 the smallest, 0 does not
// compress, -1 is the default. Any other is an error. Whatever the level, what
// is written can be read at every one.
func ZlibLevel(level int) (Encoding, error) {
	return newDeflate("zlib", level,
		func(level int) (deflater, error) { return zlib.NewWriterLevel(io.Discard, level) },
		func(src io.Reader, old io.Reader) (io.Reader, error) {
			if old == nil {
				return zlib.NewReader(src)
			}
			return old, old.(zlib.Resetter).Reset(src, nil)
		})
}

// Gzip is the gzip format (RFC 1952) at its default level.
func Gzip() Encoding { return mustDeflate(GzipLevel(gzip.DefaultCompression)) }

// GzipLevel is Gzip at a level, as those of ZlibLevel.
func GzipLevel(level int) (Encoding, error) {
	return newDeflate("gzip", level,
		func(level int) (deflater, error) { return gzip.NewWriterLevel(io.Discard, level) },
		func(src io.Reader, old io.Reader) (io.Reader, error) {
			if old == nil {
				return gzip.NewReader(src)
			}
			return old, old.(*gzip.Reader).Reset(src)
		})
}

// deflate is a format around DEFLATE (RFC 1951). Writers and readers have large
// tables, so they are used again.
type deflate struct {
	name             string
	newWriter        func() (deflater, error)
	reader           func(src, old io.Reader) (io.Reader, error)
	writers, readers sync.Pool
}

type deflater interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// inflater is a reader with its source.
type inflater struct {
	src bytes.Reader
	r   io.Reader
}

func newDeflate(name string, level int, writer func(level int) (deflater, error), reader func(src, old io.Reader) (io.Reader, error)) (Encoding, error) {
	if level < -1 || level > 9 { // the packages know a further one, -2
		return nil, fmt.Errorf("serde: the level of %s is %d: give -1 to 9", name, level)
	}
	return &deflate{name: name, newWriter: func() (deflater, error) { return writer(level) }, reader: reader}, nil
}

// mustDeflate is for levels that are known to be right.
func mustDeflate(e Encoding, err error) Encoding {
	if err != nil {
		panic(err)
	}
	return e
}

func (d *deflate) Name() string { return d.name }

func (d *deflate) Encode(data []byte) ([]byte, error) {
	w, ok := d.writers.Get().(deflater)
	if !ok {
		var err error
		if w, err = d.newWriter(); err != nil {
			return nil, err
		}
	}
	defer d.writers.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (d *deflate) Decode(data []byte, limit int) ([]byte, error) {
	in, ok := d.readers.Get().(*inflater)
	if !ok {
		in = new(inflater)
	}
	defer func() {
		in.src.Reset(nil) // lets go of data
		d.readers.Put(in)
	}()
	in.src.Reset(data)
	r, err := d.reader(&in.src, in.r)
	if err != nil {
		return nil, err
	}
	in.r = r
	out, err := readAll(r, len(data), limit)
	if err != nil {
		return nil, err
	}
	if in.src.Len() > 0 {
		return nil, fmt.Errorf("%d bytes are left over", in.src.Len())
	}
	return out, nil
}
