package tree_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/tree"
)

// A call that would hold the server up over more leaves than MaxLeaves is refused,
// says what to do, and changes nothing.
func TestLargeSubtreesAreRefused(t *testing.T) {
	t.Parallel()
	large, s := planted(t)
	tr := newTree(t, newClient(t, s), tree.MaxLeaves(100))
	value := object{}
	for i := range 101 {
		value[fmt.Sprintf("n%03d", i)] = int64(i)
	}
	set(t, large, "x.many", value, tree.For(time.Hour))
	set(t, large, "x.few", 1, tree.For(2*time.Hour))
	before := s.Command("ZRANGE", "{tree:}leaves", "0", "-1")
	for name, err := range map[string]error{
		"Set":          tr.Set(t.Context(), at("x"), 1),
		"Set for none": tr.Set(t.Context(), at("x.many"), 1, tree.For(0)),
		"Delete":       last(tr.Delete(t.Context(), at("x"))),
		"Expire":       last(tr.Expire(t.Context(), at("x.many"), time.Minute)),
		"Expire never": last(tr.Expire(t.Context(), tree.Root, storage.Forever)),
		"TimeToLive":   last(tr.TimeToLive(t.Context(), at("x.many"))),
		"Add":          last(tr.Add(t.Context(), at("x"), 1)),
	} {
		if !errors.Is(err, tree.ErrTooLarge) || !strings.Contains(err.Error(), "one by one") || !strings.Contains(err.Error(), "MaxLeaves") {
			t.Errorf("%s says %v", name, err)
		}
	}
	if after := s.Command("ZRANGE", "{tree:}leaves", "0", "-1"); after != before {
		t.Error("the tree is changed")
	}
	existence(t, tr, "x", true) // the first leaf tells
	set(t, tr, "x.few", 2)
	set(t, tr, "y", 3)
	isLeft(t, tr, "x.many.n000", time.Hour)
	noError(t, last(tr.Delete(t.Context(), at("x.many.n000")))) // 100 are left
	noError(t, last(tr.Expire(t.Context(), at("x.many"), 2*time.Hour)))
	isLeft(t, tr, "x.many", 2*time.Hour)
	noError(t, deleteAll(t.Context(), tr, tree.Root))
	holds(t, tr, "", nothing)
	if left := s.Command("EXISTS", "{tree:}leaves", "{tree:}ends"); left != "0" {
		t.Errorf("%s keys are left", left)
	}
}

// What has ended and lies about counts, for the server goes through it.
func TestLargeSubtreesThatHaveEnded(t *testing.T) {
	t.Parallel()
	large, s := planted(t)
	tr := newTree(t, newClient(t, s), tree.MaxLeaves(100))
	for i := range 101 {
		set(t, large, fmt.Sprintf("x.n%03d", i), i, tree.For(time.Hour))
	}
	set(t, large, "y", 1)
	endNow(t, large, "x")
	if _, err := tr.Exists(t.Context(), at("x")); !errors.Is(err, tree.ErrTooLarge) {
		t.Errorf("Exists says %v", err)
	}
	if _, err := tr.Add(t.Context(), at("x"), 1); !errors.Is(err, tree.ErrTooLarge) {
		t.Errorf("Add says %v", err)
	}
	set(t, tr, "y", 2) // drops some of it
	existence(t, tr, "x", false)
	set(t, tr, "x", 3)
	holds(t, tr, "", object{"x": int64(3), "y": int64(2)})
}

// deleteAll is that of the documentation.
func deleteAll(ctx context.Context, t *tree.Tree, path []string) error {
	if _, err := t.Delete(ctx, path); !errors.Is(err, tree.ErrTooLarge) {
		return err
	}
	for child, err := range t.Children(ctx, path) {
		if err != nil {
			return err
		}
		if err := deleteAll(ctx, t, append(slices.Clip(path), child)); err != nil {
			return err
		}
	}
	_, err := t.Delete(ctx, path) // what has ended
	return err
}

func last[T any](_ T, err error) error { return err }
