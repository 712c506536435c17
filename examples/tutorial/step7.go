package main

import (
	"context"
	"fmt"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/storage"
)

func step7(ctx context.Context) error {
	store, err := storage.Open(ctx, "memory://") // or redis://localhost:6379
	if err != nil {
		return err
	}
	defer store.Close()

	slow := newShop()
	prices, err := memoize.New(slow.price,
		config.Name("prices"), // in logs, metrics and the store's keys
		config.Store(store),   // shared by all processes that open it
		config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Jitter(0.1),
		config.StaleIfError(24*time.Hour), config.MethodTimeout(5*time.Second),
		config.MaxLoads(100)) // how many loads run at once
	if err != nil {
		return err
	}
	for _, item := range []string{"tea", "coffee", "tea", "tea"} {
		ask(ctx, prices.Call, item)
	}
	key, err := prices.Key("tea")
	if err != nil {
		return err
	}
	stats := prices.Stats()
	fmt.Println("key:", key)
	fmt.Println("calls:", stats.Calls, "fresh:", stats.Fresh, "loaded:", stats.Loaded, "failed:", stats.Failed)

	// At the end of the program: wait for what runs, but not for ever.
	closing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return prices.Close(closing)
}
