package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

// crowd is readers who open one page after the other, some far more often than
// others.
type crowd struct {
	readers  int
	packages []string // the most popular first
	lasts    time.Duration
	pause    time.Duration // between two pages, on average
}

// report is what the demo found out.
type report struct {
	stats    memoize.Stats
	memoized *histogram
	direct   *histogram // the source without memoization
	sample   int        // that many calls of it
}

// runDemo serves at a free port, sends a crowd there, and prints what its calls
// cost, beside those of the source alone.
func runDemo(ctx context.Context, w io.Writer, tool goTool) (err error) {
	const updateAfter = 4 * time.Second // short, to see pages go stale
	c := crowd{readers: 16, lasts: 8 * time.Second, pause: 2 * time.Millisecond}
	if c.packages, err = tool.list(ctx); err != nil {
		return err
	}
	order := rand.New(rand.NewPCG(1, 2))
	order.Shuffle(len(c.packages), func(i, j int) { c.packages[i], c.packages[j] = c.packages[j], c.packages[i] })
	c.packages = c.packages[:min(100, len(c.packages))]

	s, err := newServer(c.packages, tool.doc, config.UpdateAfter(updateAfter), config.ExpireAfter(time.Minute), config.Jitter(0.3))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("the demo needs a free port of this machine: %w", err)
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serve(serving, listener, s) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served)
	}()

	fmt.Fprintf(w, "%d readers open %d pages at http://%v/ for %v; a page is refreshed after %v\n",
		c.readers, len(c.packages), listener.Addr(), c.lasts, updateAfter)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: c.readers}}
	defer client.CloseIdleConnections()
	fetch := func(ctx context.Context, pkg string) error {
		return get(ctx, client, fmt.Sprintf("http://%v/pkg/%s", listener.Addr(), pkg))
	}
	if err := c.read(ctx, w, s, fetch); err != nil {
		return err
	}
	found := report{stats: s.pages.Stats(), memoized: &s.latency, direct: new(histogram)}
	if found.sample, err = c.ask(ctx, tool.doc, found.direct); err != nil {
		return err
	}
	return found.write(w)
}

// get reads a page to its end.
func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %s", url, resp.Status))
	}
	return errors.Join(err, resp.Body.Close())
}

// read lets everybody read for as long as it lasts, and says each second how far
// they are.
func (c crowd) read(ctx context.Context, w io.Writer, s *server, fetch func(ctx context.Context, pkg string) error) error {
	end := time.Now().Add(c.lasts)
	group, ctx := errgroup.WithContext(ctx)
	for i := range c.readers {
		group.Go(func() error {
			random, next := c.taste(uint64(i))
			for time.Now().Before(end) {
				if err := fetch(ctx, next()); err != nil {
					return err
				}
				if err := sleep(ctx, time.Duration(random.ExpFloat64()*float64(c.pause))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for i := range int(c.lasts / time.Second) {
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
			st := s.pages.Stats()
			fmt.Fprintf(w, "%3d s  %6d calls, %d loads\n", i+1, st.Calls, st.Loads)
		}
		return nil
	})
	return group.Wait()
}

// ask asks the source itself for pages of the same popularity, one at a time, and
// not for long. It returns how many there were.
func (c crowd) ask(ctx context.Context, source func(ctx context.Context, pkg string) (string, error), took *histogram) (int, error) {
	const most, longest = 50, 3 * time.Second
	_, next := c.taste(uint64(c.readers))
	end := time.Now().Add(longest)
	n := 0
	for ; n < most && time.Now().Before(end); n++ {
		began := time.Now()
		if _, err := source(ctx, next()); err != nil {
			return n, err
		}
		took.add(time.Since(began))
	}
	return n, nil
}

// taste is what one reader opens next: the second page half as often as the
// first or less, and so on.
func (c crowd) taste(reader uint64) (*rand.Rand, func() string) {
	random := rand.New(rand.NewPCG(reader, 0))
	zipf := rand.NewZipf(random, 1.1, 1, uint64(len(c.packages)-1))
	return random, func() string { return c.packages[zipf.Uint64()] }
}

// sleep waits, or ends with the context.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r report) write(w io.Writer) error {
	st := r.stats
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tcalls\tloads\tjoined\tstale\tfresh\tfailed\tp50\tp99\t")
	fmt.Fprintf(t, "memoized\t%d\t%d\t%d\t%d\t%d\t%d\t%v\t%v\t\n", st.Calls, st.Loads, st.Joined, st.Stale, st.Fresh, st.Failed,
		short(r.memoized.quantile(0.5)), short(r.memoized.quantile(0.99)))
	fmt.Fprintf(t, "not memoized *\t%d\t%d\t\t\t\t\t%v\t%v\t\n", r.sample, r.sample,
		short(r.direct.quantile(0.5)), short(r.direct.quantile(0.99)))
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n* a sample: %d calls of the source itself, one at a time, nothing else running\n", r.sample)
	return err
}
