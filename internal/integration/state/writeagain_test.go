package state

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/perennial-go/perennial/storage/redisstore"
	"github.com/perennial-go/perennial/storage/resilient"
	"github.com/perennial-go/perennial/storage/synced"
)

// A server is killed and comes back with nothing, and again once all is there: the
// values of each process are there each time, with what it has changed meanwhile, and
// nothing that was deleted.
func TestOwnValuesAreWrittenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true, "")
	tell := func(m int, became string, o order) {
		t.Helper()
		if r := w.members[m].do(o); r.Became != became {
			t.Fatalf("member %d: %+v became %s: %s", m, o, r.Became, r.Err)
		}
	}
	const prefix = "again:"
	hear := func(m int, name string) { tell(m, committed, order{Do: "hear", Name: name}) }
	want := map[string]any{"board": "new"}
	for m := range w.members {
		tell(m, committed, order{Do: "begin", Prefix: prefix})
	}
	tell(0, committed, order{Do: "set", Name: "board", Value: "old"})
	tell(0, committed, order{Do: "set", Name: "gone", Value: "old"})
	hear(0, "gone")
	tell(1, committed, order{Do: "set", Name: "board", Value: "new"})
	tell(2, committed, order{Do: "delete", Name: "gone"})
	for m := range w.members {
		cell, log := fmt.Sprint("cell", m), fmt.Sprint("log", m)
		tell(m, committed, order{Do: "update", Name: log, Value: "before"})
		tell(m, committed, order{Do: "set", Name: cell, Value: "own"})
		hear(m, cell) // and all before it
		want[cell], want[log] = "own", []string{"before"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store, err := resilient.New(redisstore.NewValues(w.rdb), resilient.Timeout(patience))
	noError(t, err)
	memory, err := synced.New(ctx, store, prefix+"state:")
	noError(t, err)
	defer memory.Close(ctx)
	values := func() map[string]any {
		names, err := memory.Names(ctx)
		noError(t, err)
		all := map[string]any{}
		for _, name := range names {
			if text, err := synced.NewVar[string](memory, name); err == nil {
				if value, err := text.Get(ctx); err == nil {
					all[name] = value
					continue
				}
			}
			texts, err := synced.NewVar[[]string](memory, name)
			noError(t, err)
			all[name], err = texts.Get(ctx)
			noError(t, err)
		}
		return all
	}
	for range 2 {
		w.server.Kill()
		for m := range w.members {
			log := fmt.Sprint("log", m)
			tell(m, queued, order{Do: "update", Name: log, Value: "meanwhile"})
			want[log] = append(want[log].([]string), "meanwhile")
		}
		w.server.Restart()
		for got := values(); !reflect.DeepEqual(got, want); got = values() { // the members ask again after 2 to 3 s
			if time.Sleep(20 * time.Millisecond); ctx.Err() != nil { // in real time: the server and the members are processes
				t.Fatalf("there is\n%v, want\n%v", got, want)
			}
		}
	}
}
