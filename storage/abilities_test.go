package storage_test

import (
	"context"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// able is a Storage with all that one can have besides.
type able struct {
	storage.Storage[string, int]
	prompt bool
}

func (able) GetMany(context.Context, []string) ([]*entry.Entry[int], error) { return nil, nil }
func (able) OfferMany(context.Context, []string, []*entry.Entry[int]) error { return nil }
func (able) ReleaseMany(context.Context, []string) error                    { return nil }
func (able) Clear(context.Context) error                                    { return nil }
func (a able) ReturnsInTime() bool                                          { return a.prompt }
func (able) Claim(context.Context, time.Duration, ...string) ([]storage.Claim[int], error) {
	return nil, nil
}
func (able) Fill(context.Context, ...storage.Fill[string, int]) ([]bool, error) { return nil, nil }
func (able) CompareAndSwap(context.Context, string, storage.Claim[int], *entry.Entry[int]) (bool, error) {
	return false, nil
}

// says is a Storage that says itself what it can do.
type says struct {
	able
	it storage.Abilities[string, int]
}

func (s says) Abilities() storage.Abilities[string, int] { return s.it }

func TestAbilitiesOf(t *testing.T) {
	plain := struct{ storage.Storage[string, int] }{storage.NewInMemory[string, int]()}
	if got := storage.AbilitiesOf[string, int](plain); got != (storage.Abilities[string, int]{}) {
		t.Errorf("one that can do nothing besides: %+v", got)
	}
	for _, prompt := range []bool{false, true} {
		a := able{plain, prompt}
		if got, want := storage.AbilitiesOf[string, int](a), (storage.Abilities[string, int]{BulkReader: a, Bulk: a, Fenced: a, Swapper: a, Clearer: a, Prompt: prompt}); got != want {
			t.Errorf("one that can do everything: %+v, want %+v", got, want)
		}
	}
	s := says{able{plain, true}, storage.Abilities[string, int]{Clearer: able{}}}
	if got := storage.AbilitiesOf[string, int](s); got != s.it {
		t.Errorf("one that says so itself: %+v, want %+v", got, s.it)
	}
}
