package boltstore

import (
	"context"
	"fmt"
	"io"
	"os"
)

// maxDepth is of branches and buckets; a bucket of a billion records has 5.
const maxDepth = 64

// check reads a file the way that bbolt will, and returns errDamaged where
// bbolt would panic, read outside of the file, or never end. bbolt itself can't
// be asked: it checks what it has mapped already, where a bad page is fatal to
// the process.
func check(ctx context.Context, f *os.File) (isNew bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("boltstore: %w", err)
	}
	if info.Size() == 0 {
		return true, nil
	}
	return false, checkFile(ctx, f, info.Size())
}

type checker struct {
	ctx      context.Context
	file     io.ReaderAt
	pageSize uint64
	high     uint64   // the first page that is not in use
	seen     []uint64 // a bit for each page that belongs to something
	buffers  [maxDepth + 1][]byte
}

func checkFile(ctx context.Context, file io.ReaderAt, size int64) error {
	c := &checker{ctx: ctx, file: file}
	m, err := c.meta(uint64(size))
	if err != nil {
		return err
	}
	c.high = m.high
	if c.high < 4 || c.high > uint64(size)/c.pageSize {
		return damaged("it has %d bytes, its pages need %d times %d", size, m.high, c.pageSize)
	}
	c.seen = make([]uint64, c.high/64+1)
	c.mark(0)
	c.mark(1)
	if _, err := c.tree(m.root, 0, nil, nil); err != nil {
		return err
	}
	return c.freelist(m.freelist)
}

func (c *checker) mark(page uint64) (first bool) {
	first = c.seen[page/64]&(1<<(page%64)) == 0
	c.seen[page/64] |= 1 << (page % 64)
	return first
}

// page reads a page and those that it runs over into, and marks them.
func (c *checker) page(id uint64, depth int) ([]byte, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	if id < 2 || id >= c.high {
		return nil, damaged("page %d of %d is named", id, c.high)
	}
	b, err := c.read(id, 1, depth)
	if err != nil {
		return nil, err
	}
	if self := number.Uint64(b); self != id {
		return nil, damaged("page %d says that it is page %d", id, self)
	}
	pages := 1 + uint64(number.Uint32(b[12:]))
	if pages > c.high-id {
		return nil, damaged("page %d runs over the end", id)
	}
	for i := range pages {
		if !c.mark(id + i) {
			return nil, damaged("page %d is named twice", id+i)
		}
	}
	if pages == 1 {
		return b, nil
	}
	return c.read(id, pages, depth)
}

func (c *checker) read(id, pages uint64, depth int) ([]byte, error) {
	need := int(pages * c.pageSize)
	if cap(c.buffers[depth]) < need {
		c.buffers[depth] = make([]byte, need)
	}
	b := c.buffers[depth][:need]
	if _, err := c.file.ReadAt(b, int64(id*c.pageSize)); err != nil {
		return nil, fmt.Errorf("boltstore: read page %d: %w", id, err)
	}
	return b, nil
}

// tree checks what hangs on a page. The first key is the one given, unless that
// is nil, and none reaches the limit. All leaves lie equally deep.
func (c *checker) tree(id uint64, depth int, first, limit []byte) (height int, err error) {
	if depth >= maxDepth {
		return 0, damaged("page %d lies too deep", id)
	}
	b, err := c.page(id, depth)
	if err != nil {
		return 0, err
	}
	switch flags := number.Uint16(b[8:]); {
	case flags == leafPage:
		return 1, c.leaf(b, depth, first, limit)
	case flags != branchPage:
		return 0, damaged("page %d is of kind %#x", id, flags)
	}
	items, err := elements(b, first, limit, false)
	if err != nil {
		return 0, fmt.Errorf("page %d: %w", id, err)
	}
	if len(items) == 0 {
		return 0, damaged("page %d branches to nothing", id)
	}
	for i, item := range items {
		next := limit
		if i+1 < len(items) {
			next = items[i+1].key
		}
		h, err := c.tree(item.page, depth+1, item.key, next)
		if err != nil {
			return 0, err
		}
		if i > 0 && h != height {
			return 0, damaged("page %d lies on branches of unequal length", item.page)
		}
		height = h
	}
	return height + 1, nil
}

// leaf checks a leaf and the buckets that lie in it.
func (c *checker) leaf(b []byte, depth int, first, limit []byte) error {
	items, err := elements(b, first, limit, true)
	if err != nil {
		return fmt.Errorf("page %d: %w", number.Uint64(b), err)
	}
	if len(items) == 0 && first != nil {
		return damaged("page %d is an empty leaf", number.Uint64(b))
	}
	for _, item := range items {
		switch {
		case item.flags == 0:
		case item.flags != 1 || len(item.value) < bucketHeader:
			return damaged("a value is of kind %#x, %d bytes long", item.flags, len(item.value))
		case number.Uint64(item.value) != 0:
			if _, err := c.tree(number.Uint64(item.value), depth+1, nil, nil); err != nil {
				return err
			}
		default:
			inline := item.value[bucketHeader:]
			if len(inline) < pageHeader || number.Uint16(inline[8:]) != leafPage {
				return damaged("a bucket is no leaf")
			}
			if id := number.Uint64(inline); id != 0 { // bbolt frees that page when it writes the bucket
				return damaged("a bucket that has no pages says that it is page %d", id)
			}
			inner, err := elements(inline, nil, nil, true)
			if err != nil {
				return err
			}
			for _, item := range inner {
				if item.flags != 0 {
					return damaged("a bucket lies in one that has no pages")
				}
			}
		}
	}
	return nil
}

// freelist checks the list of pages that may be written over.
func (c *checker) freelist(id uint64) error {
	if id == noFreelist {
		return nil
	}
	b, err := c.page(id, 0)
	if err != nil {
		return err
	}
	if flags := number.Uint16(b[8:]); flags != freePage {
		return damaged("page %d is no list of free pages but of kind %#x", id, flags)
	}
	list := b[pageHeader:]
	count := uint64(number.Uint16(b[10:]))
	if count == 0xFFFF {
		count, list = number.Uint64(list), list[8:]
	}
	if count > uint64(len(list)/8) {
		return damaged("page %d lists %d free pages", id, count)
	}
	for i := range count {
		free := number.Uint64(list[8*i:])
		if free < 2 || free >= c.high || !c.mark(free) {
			return damaged("page %d is listed as free", free)
		}
	}
	return nil
}
