package memoize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe"
)

// What errors say is what people read: which function, which key, how and why. A load's
// error matches what it is and its cause.
func TestTextsOfErrors(t *testing.T) {
	for reason, want := range map[memoize.Reason]string{
		memoize.Failed: "failed", memoize.TimedOut: "timed out", memoize.JoinedFailed: "failed for the call that led it",
		memoize.Refused: "was refused", 0: "unknown reason", memoize.Refused + 1: "unknown reason", 200: "unknown reason",
	} {
		if got := reason.String(); got != want {
			t.Errorf("reason %d is %q, want %q", reason, got, want)
		}
		err := &memoize.LoadError{Func: "f", Key: `"k"`, Reason: reason, Err: errOutage}
		if got := err.Error(); got != `memoize: load of f for key "k" `+want+": outage" {
			t.Errorf("the error of a load says %q", got)
		}
		late := reason == memoize.TimedOut
		if !errors.Is(err, memoize.ErrLoadFailed) || errors.Is(err, memoize.ErrLoadTimeout) != late || err.Timeout() != late || !errors.Is(err, errOutage) || errors.Is(err, errBad) {
			t.Errorf("%v matches what it should not, or does not what it should", err)
		}
	}
	p := &memoize.PanicError{Value: "oops", Stack: []byte("here")}
	if p.Error() != "panic in user code: oops" || p.Unwrap() != nil || p.LogValue().String() != "[panic=oops stack=here]" {
		t.Errorf("a panic: %q, %v, %v", p.Error(), p.Unwrap(), p.LogValue())
	}
	if p := (&memoize.PanicError{Value: errBad}); !errors.Is(p, errBad) {
		t.Errorf("%v does not match what was given to panic", p)
	}
	c := &memoize.CloseError{Func: "f", Running: 2, Err: context.Canceled}
	if c.Error() != "memoize: f is closed, 2 of its loads were cancelled and still run: context canceled" || !errors.Is(c, context.Canceled) {
		t.Errorf("the error of Close says %q", c.Error())
	}
}

// The error of many keys counts them and says three, and what a storage says of many is
// told as short. Both match all the errors that they are of.
func TestTextsOfManyErrors(t *testing.T) {
	faults := make([]error, 6)
	for i := range faults {
		faults[i] = fmt.Errorf("fault %d", i)
	}
	for n, want := range map[int]string{
		1: "fault 0", 2: "fault 0; fault 1", 3: "fault 0; fault 1; fault 2", 4: "fault 0; fault 1; fault 2; ...", 6: "fault 0; fault 1; fault 2; ...",
	} {
		var told error
		s := new(mockStorage[string, int])
		f := memoize.Must(memoize.New(func(_ context.Context, key string) (int, error) {
			if i := int(key[0] - '0'); i < n {
				return 0, faults[i]
			}
			return 1, nil
		}, config.Storage[string, int](s), config.PlainErrors(), config.Observe(observe.Func(func(_ context.Context, e observe.Event) {
			if e.Kind == observe.StoreFault {
				told = e.Err
			}
		}))))
		_, err := f.CallMany(t.Context(), []string{"0", "1", "2", "3", "4", "5", "6"})
		if err == nil || err.Error() != fmt.Sprintf("memoize: %d of 7 keys failed; %s", n, want) {
			t.Errorf("of %d: %v", n, err)
		}
		noError(t, f.Wait(t.Context()))
		s.get = func(context.Context, string) error { return errors.Join(faults[:n]...) }
		f.Peek(t.Context(), "7")
		shown := strings.ReplaceAll(want, "; ", "\n")
		if n > 3 {
			shown = fmt.Sprintf("%d errors; %s", n, want)
		}
		if told == nil || told.Error() != shown {
			t.Errorf("of %d faults it is told %v", n, told)
		}
		for i, fault := range faults {
			if is := i < n; errors.Is(err, fault) != is || errors.Is(told, fault) != is {
				t.Errorf("of %d the fault %d is matched, or is not: %v, %v", n, i, err, told)
			}
		}
		noError(t, f.Close(t.Context()))
	}
}
