package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What the steps print stands in step1.txt and so on, which docs/tutorial.md shows.
// They run in a bubble, where time is virtual and nobody waits.
func TestStepsPrintWhatTheTutorialShows(t *testing.T) {
	for name, step := range map[string]func(context.Context) error{
		"step1": step1, "step2": step2, "step3": step3, "step4": step4, "step5": step5, "step6": step6, "step7": step7,
	} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(name + ".txt")
			if err != nil {
				t.Error(err)
			}
			if got := printed(t, step); got != string(want) {
				t.Errorf("it prints\n%s\nand not\n%s", got, want)
			}
		})
	}
}

// printed is what a step prints.
func printed(t *testing.T, step func(context.Context) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	stdout := os.Stdout
	os.Stdout = out
	defer func() { os.Stdout = stdout }()
	synctest.Test(t, func(t *testing.T) {
		if err := step(t.Context()); err != nil {
			t.Error(err)
		}
	})
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}
