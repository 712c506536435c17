package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/perennial-go/perennial/memoize"
)

func step2(ctx context.Context) error {
	slow := newShop()
	prices, err := memoize.New(slow.price)
	if err != nil {
		return err
	}
	var callers sync.WaitGroup
	for range 100 {
		callers.Go(func() { _, _ = prices.Call(ctx, "tea") })
	}
	callers.Wait()
	fmt.Println("100 callers; times the shop was asked:", slow.asked)
	return prices.Close(ctx)
}
