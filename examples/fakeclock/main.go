// Fakeclock lets a memoized function live on a clock that the program drives by
// hand: hours pass in no time. The point of it is the test beside this file.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	version := 0
	load := func(_ context.Context, id int64) (string, error) {
		version++
		return fmt.Sprintf("user %d, version %d", id, version), nil
	}
	mock := clock.NewMock()
	users, err := memoize.New(load, config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Clock(mock))
	if err != nil {
		return err
	}
	for _, step := range []time.Duration{0, 59 * time.Second, time.Second, 0, 59 * time.Minute, time.Hour} {
		mock.Add(step)
		user, err := users.Result(ctx, 42)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s  %s, %-7v (%v)\n", mock.Now().Format(time.TimeOnly), user.Value, user.Age, user.Why)
		if err := users.Wait(ctx); err != nil { // for a refresh in the background
			return err
		}
	}
	return users.Close(ctx)
}
