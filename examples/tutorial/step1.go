package main

import (
	"context"

	"github.com/perennial-go/perennial/memoize"
)

func step1(ctx context.Context) error {
	slow := newShop()
	prices, err := memoize.New(slow.price)
	if err != nil {
		return err
	}
	ask(ctx, slow.price, "tea")
	ask(ctx, prices.Call, "tea")
	ask(ctx, prices.Call, "tea")
	return prices.Close(ctx)
}
