// Package tiny is what the tests of the mutation command mutate: every operator
// has something to do, and some mutants survive, hang or panic.
package tiny

import (
	"cmp"
	"errors"
)

// Larger has a boundary that no result depends on: it is listed.
func Larger[T cmp.Ordered](a, b T) T {
	if a > b {
		return a
	}
	return b
}

// Sum never ends if n is not counted down.
func Sum(n int) (sum int) {
	for n > 0 {
		sum += n
		n--
	}
	return sum
}

// At panics if the index is not checked.
func At(list []string, i int) (string, error) {
	if i < 0 || i >= len(list) {
		return "", errors.New("no such index")
	}
	return list[i], nil
}

// Kind has a case that the test leaves out.
func Kind(v any) (kind string) {
	switch v := v.(type) {
	case int:
		kind = "a"
		kind += " number"
	case bool:
		if v {
			kind = "true"
		} else {
			kind = "false"
		}
	default:
		kind = "an"
		kind += "other"
	}
	return kind
}

// Queue hands numbers on.
type Queue struct {
	c      chan int
	closed bool
}

// NewQueue makes a queue.
func NewQueue() *Queue { return &Queue{c: make(chan int, 1)} }

// Send sends the even ones of some numbers, up to the first above ten, and closes.
func (q *Queue) Send(numbers ...int) {
	defer q.close()
	for _, n := range numbers {
		if n%2 == 1 {
			continue
		}
		if n > 10 {
			break
		}
		q.c <- n - 1 + 1
	}
}

func (q *Queue) close() {
	q.closed = true
	close(q.c)
}

// All sends in the background and collects what comes.
func (q *Queue) All(numbers ...int) (got []int, closed bool) {
	go q.Send(numbers...)
	for n := range q.c {
		got = append(got, n)
	}
	select {
	case _, open := <-q.c:
		closed = !open
		closed = closed && q.closed
	default:
	}
	return got, closed && true
}

// Hidden hides a name that mutants of its body would need.
func Hidden(string int) (s string) {
	s = "hidden"
	return s
}

// First is the first of a list, and how long that is.
func First(list []string) (first string, length int, err error) {
	if first, err = At(list, 0); err != nil {
		return first, len(list), err
	}
	return first, len(list), nil
}

// Untested is reached by no test.
func Untested() bool { return true }
