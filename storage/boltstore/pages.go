package boltstore

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"io"
)

// The layout of bbolt's files, whose numbers are in the byte order of the
// machine. A page is
//
//	id 8, flags 2, count 2, overflow 4       then, of 16 bytes each, elements of
//	branch: position 4, key size 4, page 8   or
//	leaf:   flags 4, position 4, key size 4, value size 4
//
// and then keys and values without gaps; positions count from the element. A
// bucket is a value: the page of its root 8, sequence 8, and where the root is 0 a leaf.
const (
	branchPage = 0x01
	leafPage   = 0x02
	freePage   = 0x10

	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16
	metaMagic    = 0xED0CDAED
	metaVersion  = 2
	noFreelist   = ^uint64(0)

	minPageSize = 1 << 10
	maxPageSize = 1 << 24
)

var number = binary.NativeEndian

// meta is one of the two pages at the front, which are written in turn.
type meta struct{ pageSize, root, freelist, high, tx uint64 }

// meta finds the size of the pages as bbolt does, and the later of the sound
// metas.
func (c *checker) meta(size uint64) (*meta, error) {
	first, err := c.metaAt(0)
	for at := uint64(minPageSize); first == nil && err == nil && at <= maxPageSize && at < size; at *= 2 {
		first, err = c.metaAt(at)
	}
	if err != nil {
		return nil, err
	}
	if first == nil {
		return nil, damaged("it does not begin as a file of bbolt does")
	}
	c.pageSize = first.pageSize
	if c.pageSize < minPageSize || c.pageSize > maxPageSize || c.pageSize&(c.pageSize-1) != 0 || size < 2*c.pageSize {
		return nil, damaged("pages of %d bytes", c.pageSize)
	}
	var latest *meta
	for at := range uint64(2) {
		m, err := c.metaAt(at * c.pageSize)
		if err != nil {
			return nil, err
		}
		if m != nil && (latest == nil || m.tx > latest.tx) {
			latest = m
		}
	}
	if latest == nil {
		return nil, damaged("it has no sound meta page")
	}
	if latest.pageSize != c.pageSize { // bbolt goes by the first that it finds, and by nothing else of that
		return nil, damaged("pages of %d bytes, and of %d", c.pageSize, latest.pageSize)
	}
	return latest, nil
}

// metaAt is nil where there is no sound one.
func (c *checker) metaAt(at uint64) (*meta, error) {
	b := make([]byte, pageHeader+64)
	if n, err := c.file.ReadAt(b, int64(at)); n < len(b) {
		if err == io.EOF {
			err = nil
		}
		return nil, err
	}
	b = b[pageHeader:]
	sum := fnv.New64a()
	sum.Write(b[:56])
	if number.Uint32(b) != metaMagic || number.Uint32(b[4:]) != metaVersion || number.Uint64(b[56:]) != sum.Sum64() {
		return nil, nil
	}
	return &meta{
		pageSize: uint64(number.Uint32(b[8:])), root: number.Uint64(b[16:]),
		freelist: number.Uint64(b[32:]), high: number.Uint64(b[40:]), tx: number.Uint64(b[48:]),
	}, nil
}

type element struct {
	flags      uint32
	page       uint64
	key, value []byte
}

// elements reads those of a page.
func elements(b, first, limit []byte, isLeaf bool) ([]element, error) {
	count := int(number.Uint16(b[10:]))
	at := uint64(pageHeader + count*elementSize) // where the next key must be
	if at > uint64(len(b)) {
		return nil, damaged("it has room for fewer than %d elements", count)
	}
	items := make([]element, count)
	for i := range items {
		item, start := &items[i], uint64(pageHeader+i*elementSize)
		e := b[start:]
		var position, keySize, valueSize uint32
		if isLeaf {
			item.flags, position, keySize, valueSize = number.Uint32(e), number.Uint32(e[4:]), number.Uint32(e[8:]), number.Uint32(e[12:])
		} else {
			position, keySize, item.page = number.Uint32(e), number.Uint32(e[4:]), number.Uint64(e[8:])
		}
		if start+uint64(position) != at || keySize == 0 || at+uint64(keySize)+uint64(valueSize) > uint64(len(b)) {
			return nil, damaged("element %d of %d lies outside", i, count)
		}
		item.key = b[at:][:keySize]
		item.value = b[at+uint64(keySize):][:valueSize]
		at += uint64(keySize) + uint64(valueSize)
		switch {
		case i == 0 && first != nil && !bytes.Equal(item.key, first),
			i > 0 && bytes.Compare(items[i-1].key, item.key) >= 0,
			limit != nil && bytes.Compare(item.key, limit) >= 0:
			return nil, damaged("element %d of %d is out of order", i, count)
		}
	}
	return items, nil
}
