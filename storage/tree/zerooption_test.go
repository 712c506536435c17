package tree_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/storage/tree"
)

// A zero option is an error, and no panic.
func TestZeroOptions(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})
	defer rdb.Close()
	_, made := tree.New(rdb, tree.Option{})
	tr, err := tree.New(rdb)
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"New": made, "Set": tr.Set(t.Context(), []string{"a"}, 1, tree.SetOption{})} {
		if err == nil || !strings.Contains(err.Error(), "a zero ") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
