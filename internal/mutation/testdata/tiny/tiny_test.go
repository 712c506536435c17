package tiny

import (
	"os"
	"slices"
	"testing"
)

func TestLarger(t *testing.T) {
	if Larger(1, 2) != 2 || Larger("b", "a") != "b" {
		t.Error("the smaller one is returned")
	}
	if os.Getenv("TINY_FAILS") != "" {
		t.Error("as it was asked to")
	}
}

func TestSum(t *testing.T) {
	if Sum(3) != 6 {
		t.Error("a wrong sum")
	}
}

func TestAt(t *testing.T) {
	list := []string{"a", "b"}
	for i, want := range map[int]string{-1: "", 1: "b", 2: ""} {
		if got, err := At(list, i); got != want || (err != nil) != (want == "") {
			t.Errorf("at %d is %q, %v", i, got, err)
		}
	}
}

func TestFirst(t *testing.T) {
	if first, n, err := First([]string{"a", "b"}); first != "a" || n != 2 || err != nil {
		t.Errorf("got %q, %d, %v", first, n, err)
	}
	if _, _, err := First(nil); err == nil {
		t.Error("there is a first one of none")
	}
}

func TestKind(t *testing.T) {
	if Kind(1) != "a number" || Kind(true) != "true" {
		t.Error("a wrong kind")
	}
}

func TestQueue(t *testing.T) {
	if got, closed := NewQueue().All(1, 2, 10, 12, 4); !closed || !slices.Equal(got, []int{2, 10}) {
		t.Errorf("got %v, %v", got, closed)
	}
}
