package memoize_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// BenchmarkGather measures a hundred callers whose keys are gathered into a batch, a
// CallMany of the same keys, and a hundred callers who each have a load, in turn in one
// run, by their medians. The batch goes when it is full, so the window does not count.
func BenchmarkGather(b *testing.B) {
	const keys = 100
	load := func(_ context.Context, keys []int) (map[int]int, error) {
		values := make(map[int]int, len(keys))
		for _, k := range keys {
			values[k] = k
		}
		return values, nil
	}
	gathers := memoize.Must(memoize.NewBatched(load, config.Gather(time.Minute), config.MaxBatch(keys)))
	const wait = 2 * time.Millisecond
	waits := memoize.Must(memoize.NewBatched(load, config.Gather(wait)))
	alone := memoize.Must(memoize.NewBatched(load, config.MaxBatch(keys)))
	ctx := context.Background()
	args := make([]int, keys)
	callers := func(call func(arg int) (int, error)) time.Duration {
		var ready, all sync.WaitGroup
		start := make(chan struct{})
		ready.Add(keys)
		for _, arg := range args {
			all.Go(func() {
				ready.Done()
				<-start
				if v, err := call(arg); v != arg || err != nil {
					b.Error(v, err)
				}
			})
		}
		ready.Wait()
		began := time.Now()
		close(start)
		all.Wait()
		return time.Since(began)
	}
	of := func(f *memoize.Func[int, int]) func(arg int) (int, error) {
		return func(arg int) (int, error) { return f.Call(ctx, arg) }
	}
	var mu sync.Mutex
	var parked []chan struct{}
	meets := func(arg int) (int, error) { // what callers cost who only wait for the last of them
		wake := make(chan struct{}, 1)
		mu.Lock()
		parked = append(parked, wake)
		if len(parked) == keys {
			for _, other := range parked {
				other <- struct{}{}
			}
			parked = nil
		}
		mu.Unlock()
		<-wake
		return arg, nil
	}
	var gathered, waited, many, each, meeting, late []time.Duration
	n := 0
	for b.Loop() {
		for i := range args {
			args[i] = n*keys + i
		}
		n++
		gathered, each = append(gathered, callers(of(gathers))), append(each, callers(of(alone)))
		meeting, waited = append(meeting, callers(meets)), append(waited, callers(of(waits))-wait)
		slept := time.Now()
		time.Sleep(wait)
		late = append(late, time.Since(slept)-wait)
		for i := range args {
			args[i] = -args[i] - 1
		}
		began := time.Now()
		if _, err := alone.CallMany(ctx, args); err != nil {
			b.Fatal(err)
		}
		many = append(many, time.Since(began))
	}
	if s := gathers.Stats(); s.Loads != uint64(n) {
		b.Errorf("%d loads for %d batches", s.Loads, n)
	}
	median := func(all []time.Duration) float64 {
		slices.Sort(all)
		return float64(all[len(all)/2].Nanoseconds()) / 1000
	}
	b.ReportMetric(median(gathered), "gathered-µs")
	b.ReportMetric(median(each), "each-µs")
	b.ReportMetric(median(many), "many-µs")
	b.ReportMetric(median(meeting), "meeting-µs")
	b.ReportMetric(median(waited), "past-the-window-µs")
	b.ReportMetric(median(late), "timer-late-µs")
	b.ReportMetric(median(gathered)/median(many), "x")
}
