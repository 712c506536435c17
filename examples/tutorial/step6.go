package main

import (
	"context"
	"time"

	"github.com/perennial-go/perennial/memoize"
)

func step6(ctx context.Context) error {
	slow := newShop()
	prices, err := memoize.New(slow.price)
	if err != nil {
		return err
	}
	// Somebody asks, and the load has seen the old price already,
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(ctx, prices.Call, "tea")
	}()
	time.Sleep(100 * time.Millisecond)

	// when the price changes: first the shop, then the cache.
	slow.change(func(s *shop) { s.prices["tea"] = "275" })
	if err := prices.Invalidate(ctx, "tea"); err != nil {
		return err
	}
	<-done
	ask(ctx, prices.Call, "tea") // the old price was not stored
	ask(ctx, prices.Call, "tea")
	return prices.Close(ctx)
}
