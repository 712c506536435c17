package memoize

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/perennial-go/perennial/config"
)

// Whatever makes entries go, the index lets go of their tags.
func TestG16TagsOfWhatGoesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		f := Must(New(func(_ context.Context, k int) (int, error) { return k, nil }, config.Capacity(100), config.UpdateAfter(time.Hour), config.ExpireAfter(2*time.Hour),
			config.Tags(func(k, _ int) []string { return []string{fmt.Sprint("own ", k), fmt.Sprint("shared ", k%10)} }), config.Logger(slog.New(slog.DiscardHandler))))
		index := &f.verbs.(*engine[int, int, int]).tags
		for k := range 2_000 { // far more than are kept
			if _, err := f.Call(ctx, k); err != nil {
				t.Fatal(err)
			}
			if err := f.Wait(ctx); err != nil {
				t.Fatal(err)
			}
			if n := index.Size().Items; n > 2*2*101 {
				t.Fatalf("%d items after %d loads, of which 100 are kept, with two tags each", n, k+1)
			}
		}
		if err := f.InvalidateAll(ctx); err != nil {
			t.Fatal(err)
		}
		if s := index.Size(); s.Items != 0 || s.Tags != 0 {
			t.Errorf("after InvalidateAll there are %+v", s)
		}
		for k := range 100 {
			if err := f.Set(ctx, k, k); err != nil {
				t.Fatal(err)
			}
		}
		for k := range 10 {
			if err := f.InvalidateTag(ctx, fmt.Sprint("shared ", k)); err != nil {
				t.Fatal(err)
			}
		}
		if f.Len() != 0 || index.Size().Items > 100 { // the others' are dropped as new ones come
			t.Errorf("%d entries, and %+v", f.Len(), index.Size())
		}
		for k := range 100 {
			if err := f.Set(ctx, k, k); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(4 * time.Hour) // all have expired and are swept
		synctest.Wait()
		if s := index.Size(); f.Len() != 0 || s.Items != 0 || s.Records != 0 {
			t.Errorf("after the end of all, %d entries and %+v", f.Len(), s)
		}
		if err := f.Close(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
