// Ttl takes the life of each entry from its value: a token says itself how long
// it may be used.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

type token struct {
	text      string
	expiresIn time.Duration
}

// life lets a token be replaced in the background in the last fifth of its time.
func life(t token) entry.Life {
	return entry.Life{UpdateAfter: t.expiresIn * 4 / 5, ExpireAfter: t.expiresIn}
}

func run(ctx context.Context, w io.Writer) error {
	issued := 0
	issue := func(_ context.Context, user string) (token, error) {
		issued++
		return token{text: fmt.Sprintf("%s-%d", user, issued), expiresIn: time.Duration(issued) * time.Second}, nil
	}
	// region ttl
	tokens, err := memoize.New(issue, config.Builder(entry.LifeOf[string](life)))
	// endregion
	if err != nil {
		return err
	}
	for range 10 {
		t, err := tokens.Result(ctx, "ann")
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%-5v %s, %v of %v old\n", t.Why, t.Value.text, t.Age.Round(50*time.Millisecond), t.Value.expiresIn)
		time.Sleep(450 * time.Millisecond)
	}
	return tokens.Close(ctx)
}
