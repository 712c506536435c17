package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// shop is the slow service: it knows what things cost.
type shop struct {
	mu     sync.Mutex
	prices map[string]string
	takes  time.Duration // how long an answer takes
	down   bool
	asked  int
}

var (
	errNoItem = errors.New("no such item")
	errDown   = errors.New("the shop is closed")
)

func newShop() *shop {
	return &shop{prices: map[string]string{"tea": "250", "coffee": "400"}, takes: 200 * time.Millisecond}
}

// price is what is to become fast. It looks the price up and is slow to tell it.
func (s *shop) price(_ context.Context, item string) (string, error) {
	s.mu.Lock()
	s.asked++
	price, known := s.prices[item]
	takes, down := s.takes, s.down
	s.mu.Unlock()

	time.Sleep(takes)
	switch {
	case down:
		return "", errDown
	case !known:
		return "", errNoItem
	}
	return price, nil
}

// change changes the shop.
func (s *shop) change(f func(s *shop)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

// ask calls price, and prints what it says and how long that took.
func ask(ctx context.Context, price func(context.Context, string) (string, error), item string) {
	start := time.Now()
	answer, err := price(ctx, item)
	took := time.Since(start).Round(100 * time.Millisecond)
	if err != nil {
		answer = "error: " + err.Error()
	}
	fmt.Printf("%s: %s (after %v)\n", item, answer, took)
}
