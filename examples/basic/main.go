// Basic calls a function whose answers differ, and gets the first one each
// time: the answer is kept.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"time"

	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout, func() int { return rand.IntN(100) }); err != nil {
		log.Fatal(err)
	}
}

// run asks an expensive computation three times; roll makes its answer.
func run(ctx context.Context, w io.Writer, roll func() int) error {
	expensive := func(context.Context) (string, error) {
		time.Sleep(500 * time.Millisecond)
		return fmt.Sprint("expensive-computation-", roll()), nil
	}
	computation, err := memoize.New0(expensive)
	if err != nil {
		return err
	}
	for range 3 {
		began := time.Now()
		answer, err := computation.Call(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s after %v\n", answer, time.Since(began).Round(100*time.Millisecond))
	}
	return computation.Close(ctx)
}
