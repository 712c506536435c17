package storagetest

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/storage"
)

type store = storage.Storage[string, int]

var keys = []string{"a", "b", "c", "d", "e"}

func failed(check string, s func() store) map[string][]string {
	return checks.Failed(suite[string, int](), check, func() subject[string, int] {
		return subject[string, int]{context.Background(), s(), keys, []int{1, 2, 3}}
	})
}

// Each broken storage is one in memory with one thing wrong.

type base struct{ *storage.InMemory[string, int] }

func memory() base { return base{storage.NewInMemory[string, int]()} }

type keepsFirst struct{ base }

func (s keepsFirst) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	if got, _ := s.Get(ctx, key); got != nil {
		return nil
	}
	return s.base.Offer(ctx, key, e)
}

type zeroIsNothing struct{ base }

func (s zeroIsNothing) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	e, err := s.base.Get(ctx, key)
	if e != nil && e.Value == 0 {
		return nil, err
	}
	return e, err
}

type absentIsZero struct{ base }

func (s absentIsZero) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	e, err := s.base.Get(ctx, key)
	if e == nil {
		e = new(entry.Entry[int])
	}
	return e, err
}

type releasesNothing struct{ base }

func (releasesNothing) Release(context.Context, string) error { return nil }

type releaseMisses struct{ base }

func (s releaseMisses) Release(ctx context.Context, key string) error {
	if got, _ := s.Get(ctx, key); got == nil {
		return errors.New("no such key")
	}
	return s.base.Release(ctx, key)
}

type oneForAll struct{ base }

func (s oneForAll) Get(ctx context.Context, _ string) (*entry.Entry[int], error) {
	return s.base.Get(ctx, "")
}
func (s oneForAll) Offer(ctx context.Context, _ string, e *entry.Entry[int]) error {
	return s.base.Offer(ctx, "", e)
}

type releasesAll struct{ base }

func (s releasesAll) Release(ctx context.Context, _ string) error { return s.Clear(ctx) }

type wholeMinutes struct{ base }

func (s wholeMinutes) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	cut := func(i entry.Instant) entry.Instant { return entry.At(i.Time().Truncate(time.Minute)) - 1e9 }
	return s.base.Offer(ctx, key, entry.Restore(e.Value, cut(e.Created()), cut(e.UpdateAfter()), cut(e.ExpiresAfter())))
}

type looksAtContext struct{ base }

func (s looksAtContext) Get(ctx context.Context, key string) (*entry.Entry[int], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return s.base.Get(ctx, key)
}

type rangesShort struct{ base }

func (s rangesShort) Range(ctx context.Context) iter.Seq2[string, *entry.Entry[int]] {
	return func(yield func(string, *entry.Entry[int]) bool) {
		skipped := false
		for key, e := range s.base.Range(ctx) {
			if !skipped {
				skipped = true
				continue
			}
			if !yield(key, e) {
				return
			}
		}
	}
}

type rangesOn struct{ base }

func (s rangesOn) Range(ctx context.Context) iter.Seq2[string, *entry.Entry[int]] {
	return func(yield func(string, *entry.Entry[int]) bool) {
		for key, e := range s.base.Range(ctx) {
			yield(key, e)
		}
	}
}

type clearsNothing struct{ base }

func (clearsNothing) Clear(context.Context) error { return nil }

type countsOffers struct {
	base
	n *int
}

func (s countsOffers) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	*s.n++
	return s.base.Offer(ctx, key, e)
}
func (s countsOffers) Len() int { return *s.n }

// lags answers reads with what was offered before the last offer.
type lags struct {
	base
	mu   *sync.Mutex
	last map[string]*entry.Entry[int]
}

func (s lags) Offer(ctx context.Context, key string, e *entry.Entry[int]) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.last[key]
	s.last[key] = e
	if before == nil {
		before = e
	}
	return s.base.Offer(ctx, key, before)
}

func TestSuiteFindsBrokenStorages(t *testing.T) {
	for _, c := range []struct {
		check  string
		broken func() store
	}{
		{"a new storage holds nothing", func() store { return absentIsZero{memory()} }},
		{"what is offered is got", func() store { return oneForAll{memory()} }},
		{"an entry keeps its life", func() store { return wholeMinutes{memory()} }},
		{"a zero value is present", func() store { return zeroIsNothing{memory()} }},
		{"a later offer takes the place of an earlier one", func() store { return keepsFirst{memory()} }},
		{"a later offer takes the place of an earlier one", func() store { return lags{memory(), new(sync.Mutex), map[string]*entry.Entry[int]{}} }},
		{"what is released is gone", func() store { return releasesNothing{memory()} }},
		{"releasing what is not there is no error", func() store { return releaseMisses{memory()} }},
		{"keys are independent", func() store { return releasesAll{memory()} }},
		{"concurrent use", func() store { return oneForAll{memory()} }},
		{"Local answers whatever its context", func() store { return looksAtContext{memory()} }},
		{"Ranger yields every entry", func() store { return rangesShort{memory()} }},
		{"Ranger stops when told to", func() store { return rangesOn{memory()} }},
		{"Ranger yields what stays while others come and go", func() store { return rangesShort{memory()} }},
		{"Clearer drops everything", func() store { return clearsNothing{memory()} }},
		{"Sizer counts", func() store { return countsOffers{memory(), new(int)} }},
	} {
		t.Run(c.check, func(t *testing.T) {
			if len(failed(c.check, c.broken)) == 0 {
				t.Errorf("the check does not fail")
			}
		})
	}
}

// A storage that does nothing wrong passes every check.
func TestSuitePassesASoundStorage(t *testing.T) {
	if f := failed("", func() store { return memory() }); len(f) > 0 {
		t.Error(f)
	}
}
