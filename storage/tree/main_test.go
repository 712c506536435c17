package tree_test

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/perennial-go/perennial/internal/servers"
	_ "github.com/perennial-go/perennial/internal/servers/quiet"
	"github.com/perennial-go/perennial/storage/tree"
)

// TestMain runs the tests, or one of the other processes that they start, and
// fails if a goroutine outlives the tests.
func TestMain(m *testing.M) {
	if addr := os.Getenv(adderEnv); addr != "" {
		if err := addAlone(addr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// patient is a time in which a server answers however busy the machine is.
const patient = time.Minute

func newClient(t testing.TB, s *servers.Server) *redis.Client {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: s.Addr(), ContextTimeoutEnabled: true, DialTimeout: patient, ReadTimeout: patient})
	t.Cleanup(func() { noError(t, rdb.Close()) })
	return rdb
}

func newTree(t testing.TB, rdb redis.UniversalClient, opts ...tree.Option) *tree.Tree {
	t.Helper()
	tr, err := tree.New(rdb, opts...)
	noError(t, err)
	return tr
}

// planted is a tree over a server of its own.
func planted(t testing.TB, opts ...tree.Option) (*tree.Tree, *servers.Server) {
	t.Helper()
	s := servers.Redis(t)
	return newTree(t, newClient(t, s), opts...), s
}

func noError(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func set(t testing.TB, tr *tree.Tree, path string, value any, opts ...tree.SetOption) {
	t.Helper()
	noError(t, tr.Set(t.Context(), at(path), value, opts...))
}

// at is the path of a text, the root of "".
func at(text string) []string {
	if text == "" {
		return tree.Root
	}
	return tree.Path(text)
}

type object = map[string]any

// nothing is what holds finds where Get says ErrNotFound.
var nothing = errors.New("nothing")

func lookUp(t testing.TB, tr *tree.Tree, path []string) any {
	t.Helper()
	value, err := tr.Get(t.Context(), path)
	if errors.Is(err, tree.ErrNotFound) {
		return nothing
	}
	noError(t, err)
	return value
}

func holds(t testing.TB, tr *tree.Tree, path string, want any) {
	t.Helper()
	if got := lookUp(t, tr, at(path)); !reflect.DeepEqual(got, want) {
		t.Errorf("at %q there is %#v, want %#v", path, got, want)
	}
}

func existence(t testing.TB, tr *tree.Tree, path string, want bool) {
	t.Helper()
	if got, err := tr.Exists(t.Context(), at(path)); err != nil || got != want {
		t.Errorf("Exists(%q) says %v, %v; want %v", path, got, err, want)
	}
}

// waitFor asks until the answer is yes: for what the server's clock decides.
func waitFor(t testing.TB, yes func() bool) {
	t.Helper()
	for began := time.Now(); !yes(); {
		if time.Since(began) > patient {
			t.Fatal("what should be over soon is not")
		}
	}
}
