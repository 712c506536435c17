package benchmarks

import (
	"math/rand/v2"
	"unsafe"
)

// keyLength is the length of every string key.
const keyLength = 16

// appendKey appends the text of the key of a number: 16 bytes.
func appendKey(to []byte, number uint64) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		to = append(to, digits[number>>shift&15])
	}
	return to
}

func keyOf(number uint64) string {
	return string(appendKey(make([]byte, 0, keyLength), number))
}

// stringKeys makes the keys of the numbers from 0 on, each in memory of its own.
func stringKeys(count int) []string {
	keys := make([]string, count)
	for i := range keys {
		keys[i] = keyOf(uint64(i))
	}
	return keys
}

func intKeys(count int) []int {
	keys := make([]int, count)
	for i := range keys {
		keys[i] = i
	}
	return keys
}

// freshKeys makes keys that have not been seen before, from the number given on.
// They lie in one piece of memory, so that making them leaves no trace in what
// is measured.
func freshKeys(from uint64, count int) []string {
	text := make([]byte, 0, keyLength*count)
	for i := range count {
		text = appendKey(text, from+uint64(i))
	}
	keys := make([]string, count)
	for i := range keys {
		keys[i] = unsafe.String(&text[keyLength*i], keyLength)
	}
	return keys
}

const (
	zipfKeys     = 100_000
	zipfSequence = 1 << 20 // a power of two: the walk wraps without a division
)

// zipf is a sequence of numbers below zipfKeys, drawn from a Zipf distribution
// with s = 1.1 and v = 1. Which number has which rank is drawn too.
func zipf(seed uint64) []uint32 {
	r := rand.New(rand.NewPCG(seed, 0))
	number := r.Perm(zipfKeys)
	ranks := rand.NewZipf(r, 1.1, 1, zipfKeys-1)
	sequence := make([]uint32, zipfSequence)
	for i := range sequence {
		sequence[i] = uint32(number[ranks.Uint64()])
	}
	return sequence
}
