package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What a service has that is worth memoizing: a database, a token, quotes, a
// search and a bank. Here they answer at once.

type (
	database struct{}
	identity struct{}
	exchange struct{}
	catalog  struct{}
	central  struct{}
)

var (
	db     database
	auth   identity
	quotes exchange
	api    catalog
	bank   central
)

type user struct {
	ID   int64
	Name string
}

func (database) LoadUser(_ context.Context, id int64) (*user, error) {
	return &user{ID: id, Name: fmt.Sprint("user ", id)}, nil
}

func (identity) FetchToken(context.Context) (string, error) { return "s3cret", nil }

type (
	date struct{ year, month, day int }
	cent int
)

func (exchange) Price(_ context.Context, symbol string, d date) (cent, error) {
	return cent(100*len(symbol) + d.day), nil
}

type searchRequest struct{ words []string }

// canonical is the same for requests that mean the same.
func (q *searchRequest) canonical() string {
	words := slices.Clone(q.words)
	slices.Sort(words)
	return strings.ToLower(strings.Join(slices.Compact(words), " "))
}

func (q *searchRequest) clone() *searchRequest { return &searchRequest{slices.Clone(q.words)} }

func (catalog) Search(_ context.Context, q *searchRequest) ([]string, error) {
	return []string{"about " + q.canonical()}, nil
}

func (catalog) Items(_ context.Context, ids []int) (map[int]string, error) {
	found := map[int]string{}
	for _, id := range ids {
		found[id] = fmt.Sprint("item ", id)
	}
	return found, nil
}

type tenantKey struct{}

// tenant is whom a call is made for.
func tenant(ctx context.Context) (string, error) {
	name, ok := ctx.Value(tenantKey{}).(string)
	if !ok {
		return "", errors.New("the request names no tenant")
	}
	return name, nil
}

func (catalog) Orders(ctx context.Context, which string) (string, error) {
	name, err := tenant(ctx)
	return which + " order of " + name, err
}

func (central) Rate(_ context.Context, currency string) (float64, error) {
	return map[string]float64{"EUR": 1.25, "JPY": 0.01}[currency], nil
}
