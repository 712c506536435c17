package main

import (
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// They run in bubbles, where time is virtual, but for one, which asks the network.
func TestRecipes(t *testing.T) {
	want, err := os.ReadFile("recipes.txt")
	if err != nil {
		t.Error(err)
	}
	var out strings.Builder
	for _, r := range recipes {
		cook := func(t *testing.T) {
			if err := r.run(t.Context(), &out); err != nil {
				t.Error(err)
			}
		}
		if r.name == "store that goes away" {
			cook(t)
		} else {
			synctest.Test(t, cook)
		}
	}
	if got := out.String(); got != string(want) {
		t.Errorf("they print\n%s\nand not\n%s", got, want)
	}
}
