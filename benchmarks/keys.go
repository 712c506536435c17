package benchmarks

import "unsafe"

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

// StringKeys makes the keys of the numbers from 0 on, each in memory of its own.
func StringKeys(count int) []string {
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
