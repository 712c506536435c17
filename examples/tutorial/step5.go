package main

import (
	"context"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func step5(ctx context.Context) error {
	slow := newShop()
	prices, err := memoize.New(slow.price, config.Name("prices"),
		config.ExpireAfter(time.Second), config.StaleIfError(time.Hour),
		config.SoftTimeout(300*time.Millisecond), // for calls that can get an old value
		config.MethodTimeout(time.Second))        // for all calls
	if err != nil {
		return err
	}
	ask(ctx, prices.Call, "tea")

	slow.change(func(s *shop) { s.takes = 2 * time.Second })
	time.Sleep(1500 * time.Millisecond)
	ask(ctx, prices.Call, "tea")    // expired, and the shop is slow: the old price
	ask(ctx, prices.Call, "coffee") // never known

	hurried, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	ask(hurried, prices.Call, "coffee") // leaves, and the load goes on
	return prices.Close(ctx)
}
