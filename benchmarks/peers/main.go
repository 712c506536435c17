// Peers puts the same questions to perennial, otter and sturdyc: what a
// sceptical user would try in the first hour. It prints what happened.
//
//	go run ./peers
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/viccon/sturdyc"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// source is what is memoized.
type source func(ctx context.Context) (string, error)

// peer is a memoized source of one key that is fresh for fresh and served for
// lasts.
type peer struct {
	get        func(ctx context.Context) (string, error)
	invalidate func()
}

var peers = []struct {
	name string
	make func(load source, fresh, lasts time.Duration) peer
}{
	{"perennial", func(load source, fresh, lasts time.Duration) peer {
		f := memoize.Must(memoize.New(func(ctx context.Context, _ string) (string, error) { return load(ctx) },
			config.UpdateAfter(fresh), config.ExpireAfter(lasts), config.MethodTimeout(time.Second), config.Logger(slog.New(slog.DiscardHandler))))
		return peer{
			get:        func(ctx context.Context) (string, error) { return f.Call(ctx, "k") },
			invalidate: func() { _ = f.Invalidate(context.Background(), "k") },
		}
	}},
	{"otter v2.4.0", func(load source, fresh, lasts time.Duration) peer {
		c := otter.Must(&otter.Options[string, string]{
			MaximumSize:       1000,
			ExpiryCalculator:  otter.ExpiryWriting[string, string](lasts),
			RefreshCalculator: otter.RefreshWriting[string, string](fresh),
			Logger:            &otter.NoopLogger{},
		})
		loader := otter.LoaderFunc[string, string](func(ctx context.Context, _ string) (string, error) { return load(ctx) })
		return peer{
			get:        func(ctx context.Context) (string, error) { return c.Get(ctx, "k", loader) },
			invalidate: func() { c.Invalidate("k") },
		}
	}},
	{"sturdyc v1.1.5", func(load source, fresh, lasts time.Duration) peer {
		c := sturdyc.New[string](1000, 10, lasts, 10, sturdyc.WithEarlyRefreshes(fresh, fresh, lasts, time.Millisecond), sturdyc.WithLog(slog.New(slog.DiscardHandler)))
		return peer{
			get: func(ctx context.Context) (string, error) {
				return c.GetOrFetch(ctx, "k", sturdyc.FetchFn[string](load))
			},
			invalidate: func() { c.Delete("k") },
		}
	}},
}

var questions = []struct {
	text string
	ask  func(build func(source, time.Duration, time.Duration) peer) string
}{
	{"a stale key is read for 250 ms while its refresh takes 300 ms", staleReads},
	{"the first caller leaves, a second one waits", leaderLeaves},
	{"a caller with a deadline of 20 ms joins a load of 300 ms", waiterDeadline},
	{"the key is invalidated during a load", invalidateDuringLoad},
	{"the key is invalidated during a refresh", invalidateDuringRefresh},
	{"the source panics while two wait", panics},
	{"the source hangs and ignores its context", hangs},
	{"refreshes fail in 5 ms, during 200 ms of staleness", failing},
}

func main() {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, q := range questions {
		fmt.Fprintf(w, "%s\t\n", q.text)
		for _, p := range peers {
			fmt.Fprintf(w, "  %s\t%s\n", p.name, q.ask(p.make))
		}
	}
	w.Flush()
}

func staleReads(build func(source, time.Duration, time.Duration) peer) string {
	var loads, running, most atomic.Int64
	first := true
	p := build(func(context.Context) (string, error) {
		loads.Add(1)
		n := running.Add(1)
		most.Store(max(most.Load(), n))
		defer running.Add(-1)
		if !first {
			time.Sleep(300 * time.Millisecond)
		}
		return "v", nil
	}, 10*time.Millisecond, time.Hour)
	_, _ = p.get(context.Background())
	first = false
	time.Sleep(20 * time.Millisecond)
	before, goroutines, reads := time.Now(), 0, 0
	slowest := time.Duration(0)
	for time.Since(before) < 250*time.Millisecond {
		began := time.Now()
		_, _ = p.get(context.Background())
		slowest = max(slowest, time.Since(began))
		if reads++; reads%100 == 0 {
			goroutines = max(goroutines, runtime.NumGoroutine())
		}
	}
	result := fmt.Sprintf("%d loads at once; slowest read %v", most.Load(), slowest.Round(time.Millisecond))
	time.Sleep(350 * time.Millisecond)
	return result
}

func leaderLeaves(build func(source, time.Duration, time.Duration) peer) string {
	var loads atomic.Int64
	p := build(func(ctx context.Context) (string, error) {
		loads.Add(1)
		select {
		case <-time.After(100 * time.Millisecond):
			return "v", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}, time.Hour, time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _, _ = p.get(ctx) }()
	time.Sleep(20 * time.Millisecond)
	done := inBackground(func() string { return show(p.get(context.Background())) })
	time.Sleep(20 * time.Millisecond)
	cancel()
	return fmt.Sprintf("the second got %s, after %d loads", <-done, loads.Load())
}

func waiterDeadline(build func(source, time.Duration, time.Duration) peer) string {
	p := build(func(context.Context) (string, error) { time.Sleep(300 * time.Millisecond); return "v", nil }, time.Hour, time.Hour)
	go func() { _, _ = p.get(context.Background()) }()
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, _ = p.get(ctx)
	return fmt.Sprintf("it left after %v", time.Since(began).Round(10*time.Millisecond))
}

func invalidateDuringLoad(build func(source, time.Duration, time.Duration) peer) string {
	var truth atomic.Value
	truth.Store("old")
	p := build(func(context.Context) (string, error) {
		v := truth.Load().(string)
		time.Sleep(100 * time.Millisecond)
		return v, nil
	}, time.Hour, time.Hour)
	go func() { _, _ = p.get(context.Background()) }()
	time.Sleep(20 * time.Millisecond)
	truth.Store("new")
	p.invalidate()
	time.Sleep(200 * time.Millisecond)
	v, _ := p.get(context.Background())
	return "afterwards the " + v + " value is served"
}

func invalidateDuringRefresh(build func(source, time.Duration, time.Duration) peer) string {
	var truth atomic.Value
	truth.Store("old")
	var slow atomic.Bool
	p := build(func(context.Context) (string, error) {
		v := truth.Load().(string)
		if slow.Load() {
			time.Sleep(100 * time.Millisecond)
		}
		return v, nil
	}, 10*time.Millisecond, time.Hour)
	_, _ = p.get(context.Background())
	time.Sleep(20 * time.Millisecond)
	slow.Store(true)
	_, _ = p.get(context.Background())
	time.Sleep(20 * time.Millisecond)
	truth.Store("new")
	p.invalidate()
	time.Sleep(105 * time.Millisecond)
	v, _ := p.get(context.Background())
	return "afterwards the " + v + " value is served"
}

func panics(build func(source, time.Duration, time.Duration) peer) string {
	p := build(func(context.Context) (string, error) { time.Sleep(50 * time.Millisecond); panic("boom") }, time.Hour, time.Hour)
	var mu sync.Mutex
	var got []string
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, "a panic")
				}
			}()
			_, err := p.get(context.Background())
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				got = append(got, "an error")
			} else {
				got = append(got, "a value")
			}
		})
		time.Sleep(10 * time.Millisecond)
	}
	done := inBackground(func() string { wg.Wait(); return "" })
	select {
	case <-done:
		return fmt.Sprintf("they get %v", got)
	case <-time.After(2 * time.Second):
		return fmt.Sprintf("they get %v and the other hangs", got)
	}
}

func hangs(build func(source, time.Duration, time.Duration) peer) string {
	hang := inBackground(func() string { select {} })
	p := build(func(context.Context) (string, error) { return <-hang, nil }, time.Hour, time.Hour)
	done := inBackground(func() string {
		began := time.Now()
		_, err := p.get(context.Background())
		return fmt.Sprintf("the caller is released after %v with %s", time.Since(began).Round(100*time.Millisecond), brief(err))
	})
	select {
	case s := <-done:
		return s
	case <-time.After(3 * time.Second):
		return "the caller still waits after 3 s"
	}
}

func failing(build func(source, time.Duration, time.Duration) peer) string {
	var loads, errs int64
	var fail atomic.Bool
	p := build(func(context.Context) (string, error) {
		if !fail.Load() {
			return "v", nil
		}
		atomic.AddInt64(&loads, 1)
		time.Sleep(5 * time.Millisecond)
		return "", errors.New("down")
	}, 100*time.Millisecond, 300*time.Millisecond)
	_, _ = p.get(context.Background())
	fail.Store(true)
	for began := time.Now(); time.Since(began) < 290*time.Millisecond; time.Sleep(time.Millisecond) {
		if _, err := p.get(context.Background()); err != nil {
			errs++
		}
	}
	return fmt.Sprintf("%d tries of the source, %d calls failed", atomic.LoadInt64(&loads), errs)
}

func inBackground(f func() string) <-chan string {
	c := make(chan string, 1)
	go func() { c <- f() }()
	return c
}

func show(v string, err error) string {
	if err != nil {
		return brief(err)
	}
	return "the value"
}

func brief(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the first one's context canceled"
	case errors.Is(err, memoize.ErrLoadTimeout):
		return "a typed error"
	}
	return err.Error()
}
