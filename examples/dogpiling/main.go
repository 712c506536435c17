// Dogpiling calls one function from many places at a time, while its value goes
// stale again and again. The source runs once each time the value is due, however
// many ask, and nobody but the first callers waits.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

const (
	updateAfter = 200 * time.Millisecond
	took        = 10 * time.Millisecond
	batches     = 50
	concurrency = 5
	pause       = 70 * time.Millisecond
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	var runs atomic.Int64
	source := func(context.Context) (int64, error) {
		time.Sleep(took)
		return runs.Add(1), nil
	}
	value, err := memoize.New0(source, config.UpdateAfter(updateAfter))
	if err != nil {
		return err
	}
	for range batches {
		var batch errgroup.Group
		for range concurrency {
			batch.Go(func() error {
				_, err := value.Call(ctx)
				return err
			})
		}
		if err := batch.Wait(); err != nil {
			return err
		}
		time.Sleep(pause)
	}
	if err := value.Close(ctx); err != nil { // waits for a refresh that runs
		return err
	}
	fmt.Fprintf(w, "calls of the memoized function: %d\n", batches*concurrency)
	fmt.Fprintf(w, "predicted runs of the source:   %d\n", batches*pause/updateAfter)
	fmt.Fprintf(w, "actual runs of the source:      %d\n", runs.Load())
	return nil
}
