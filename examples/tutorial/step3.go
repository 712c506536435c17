package main

import (
	"context"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
)

func step3(ctx context.Context) error {
	slow := newShop()
	prices, err := memoize.New(slow.price,
		config.UpdateAfter(time.Second),   // fresh until then
		config.ExpireAfter(3*time.Second)) // served until then
	if err != nil {
		return err
	}
	ask(ctx, prices.Call, "tea")
	slow.change(func(s *shop) { s.prices["tea"] = "275" })

	time.Sleep(1500 * time.Millisecond)
	ask(ctx, prices.Call, "tea") // stale: the old price at once, and a refresh starts
	time.Sleep(500 * time.Millisecond)
	ask(ctx, prices.Call, "tea") // fresh

	time.Sleep(4 * time.Second)
	ask(ctx, prices.Call, "tea") // expired: waits
	return prices.Close(ctx)
}
