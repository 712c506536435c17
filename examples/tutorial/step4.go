package main

import (
	"context"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func step4(ctx context.Context) error {
	slow := newShop()
	prices, err := memoize.New(slow.price, config.Name("prices"), // in errors and the log
		config.ExpireAfter(time.Second),
		config.StaleIfError(time.Hour),          // kept that much longer, for failures
		config.Remember(time.Minute, errNoItem)) // an answer, and no failure
	if err != nil {
		return err
	}
	ask(ctx, prices.Call, "gold")
	ask(ctx, prices.Call, "gold") // remembered
	ask(ctx, prices.Call, "tea")

	slow.change(func(s *shop) { s.down = true })
	time.Sleep(2 * time.Second)
	ask(ctx, prices.Call, "tea")    // expired, and the shop fails: the old price
	ask(ctx, prices.Call, "coffee") // never known: the error
	return prices.Close(ctx)
}
