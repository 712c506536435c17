package memoize_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/invalidation"
	"github.com/perennial-go/perennial/memoize"
)

// teams are the tags of a list: those of the users on it.
func teams(p *Page) (tags []string) {
	for _, u := range p.Users {
		tags = append(tags, "team:"+u.Team)
	}
	return tags
}

// A list that no longer holds for one team goes, whatever its key.
func ExampleFunc_InvalidateTag() {
	ctx := context.Background()
	db := map[string][]User{"a-b": {{"ann", "red"}, {"bob", "blue"}}, "c-d": {{"cid", "blue"}}}
	var loads atomic.Int64
	list := func(_ context.Context, initials string) (*Page, error) {
		loads.Add(1)
		return &Page{Users: db[initials]}, nil
	}
	lists, err := memoize.New(list, config.Tags(func(_ string, p *Page) []string { return teams(p) }))
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = lists.CallMany(ctx, []string{"a-b", "c-d"})

	db["a-b"] = db["a-b"][1:] // ann leaves the red team
	err = lists.InvalidateTag(ctx, "team:red")

	p, _ := lists.Call(ctx, "a-b")
	fmt.Println(err, p.Users, lists.Has(ctx, "c-d"), loads.Load())
	// Output: <nil> [{bob blue}] true 3
}

// Code that does not hold the function invalidates by a Support.
func ExampleFunc_InvalidateTag_support() {
	ctx := context.Background()
	var changed invalidation.Support[string]
	lists := memoize.Must(memoize.New(func(context.Context, string) (*Page, error) { return &Page{Users: []User{{"ann", "red"}}}, nil },
		config.Tags(func(_ string, p *Page) []string { return teams(p) }), config.InvalidatedBy(&changed)))
	_, _ = lists.Call(ctx, "a-b")
	err := changed.InvalidateTag(ctx, "team:red")
	fmt.Println(err, lists.Has(ctx, "a-b"))
	// Output: <nil> false
}

// What is told by the key alone needs no tags.
func ExampleInvalidateWhere() {
	ctx := context.Background()
	lists := memoize.Must(memoize.New(func(context.Context, string) (*Page, error) { return new(Page), nil }))
	_, _ = lists.CallMany(ctx, []string{"red, page 1", "red, page 2", "blue, page 1"})
	n, err := memoize.InvalidateWhere(ctx, lists, func(query string) bool { return strings.HasPrefix(query, "red,") })
	fmt.Println(n, err, lists.Len())
	// Output: 2 <nil> 1
}

type byTenant struct{}

// All that is stored for one tenant goes.
func ExampleFunc_InvalidateScope() {
	tenant := func(ctx context.Context) (string, error) { return ctx.Value(byTenant{}).(string), nil }
	orders := memoize.Must(memoize.NewScoped(func(_ context.Context, customer string) (*user, error) { return &user{Name: customer}, nil }, tenant))
	a, b := context.WithValue(context.Background(), byTenant{}, "tenant-a"), context.WithValue(context.Background(), byTenant{}, "tenant-b")
	_, _ = orders.Call(a, "ann")
	_, _ = orders.Call(b, "ann")
	err := orders.InvalidateScope(context.Background(), "tenant-a")
	fmt.Println(err, orders.Has(a, "ann"), orders.Has(b, "ann"))
	// Output: <nil> false true
}
