// Tour shows, one small function each, how the library is used.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/memoize"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) error {
	for _, stop := range []struct {
		name  string
		visit func(context.Context, io.Writer) error
	}{
		{"least", least},
		{"drop-in", dropIn},
		{"how fresh", howFresh},
		{"no argument", noArgument},
		{"several arguments", severalArguments},
		{"no key", noKey},
		{"pooled argument", pooledArgument},
		{"package level", packageLevel},
		{"many keys", manyKeys},
		{"tenants", tenants},
		{"tenants and settings", tenantsAndSettings},
		{"object", object},
		{"verbs", verbs},
		{"why", why},
		{"by hand", byHand},
		{"handles", handles},
	} {
		fmt.Fprintf(w, "# %s\n", stop.name)
		if err := stop.visit(ctx, w); err != nil {
			return fmt.Errorf("%s: %w", stop.name, err)
		}
	}
	return nil
}

// least binds a function once; the result has its shape.
func least(ctx context.Context, w io.Writer) error {
	// region least
	users, err := memoize.New(db.LoadUser) // func(context.Context, int64) (*user, error)
	if err != nil {
		return err
	}
	u, err := users.Call(ctx, 42)
	// endregion
	if err != nil {
		return err
	}
	fmt.Fprintln(w, u.Name)
	return users.Close(ctx)
}

// server keeps a memoized function: argument and value, and no third parameter.
type server struct {
	users *memoize.Func[int64, *user]
}

// service has a function that anything of its shape can take the place of.
type service struct {
	LoadUser func(ctx context.Context, id int64) (*user, error)
}

func dropIn(ctx context.Context, w io.Writer) error {
	users, err := memoize.New(db.LoadUser)
	if err != nil {
		return err
	}
	s := server{users}
	// region dropin
	svc := service{LoadUser: db.LoadUser}
	svc.LoadUser = s.users.Call
	// endregion
	u, err := svc.LoadUser(ctx, 7)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, u.Name)
	return users.Close(ctx)
}

func howFresh(ctx context.Context, w io.Writer) error {
	// region fresh
	users, err := memoize.New(db.LoadUser,
		config.UpdateAfter(time.Minute), config.ExpireAfter(time.Hour), config.Jitter(0.1),
		config.Capacity(100_000), config.MethodTimeout(10*time.Second))
	// endregion
	if err != nil {
		return err
	}
	u, err := users.Call(ctx, 42)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, u.Name)
	return users.Close(ctx)
}

func noArgument(ctx context.Context, w io.Writer) error {
	// region none
	token, err := memoize.New0(auth.FetchToken)
	// endregion
	if err != nil {
		return err
	}
	t, err := token.Call(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, t)
	return token.Close(ctx)
}

func severalArguments(ctx context.Context, w io.Writer) error {
	// region several
	prices, err := memoize.New2(quotes.Price, config.Capacity(10_000)) // func(ctx, symbol string, d date) (cent, error)
	// endregion
	if err != nil {
		return err
	}
	price, err := prices.Call(ctx, "ACME", date{2030, 1, 2})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, price)
	return prices.Close(ctx)
}

// noKey memoizes a function whose argument is no key itself.
func noKey(ctx context.Context, w io.Writer) error {
	// region keyed
	found, err := memoize.NewKeyed(api.Search, func(q *searchRequest) string { return q.canonical() })
	// endregion
	if err != nil {
		return err
	}
	for _, words := range [][]string{{"slow", "query"}, {"query", "slow", "slow"}} {
		r, err := found.Result(ctx, &searchRequest{words})
		if err != nil {
			return err
		}
		fmt.Fprintln(w, r.Value, r.Why)
	}
	return found.Close(ctx)
}

// pooledArgument asks with requests that are used again. A load may read its argument
// when the call has returned, so it is given a copy.
func pooledArgument(ctx context.Context, w io.Writer) error {
	mock := clock.NewMock()
	found, err := memoize.NewKeyed(api.Search, func(q *searchRequest) string { return q.canonical() },
		config.UpdateAfter(time.Minute), config.Clock(mock))
	if err != nil {
		return err
	}
	var requests sync.Pool
	search := func(words ...string) ([]string, error) {
		// region pooled
		q, _ := requests.Get().(*searchRequest)
		if q == nil {
			q = new(searchRequest)
		}
		q.words = append(q.words[:0], words...)
		results, err := found.Call(ctx, q.clone()) // a refresh may read the copy later
		requests.Put(q)
		// endregion
		return results, err
	}
	if _, err := search("first"); err != nil {
		return err
	}
	mock.Add(61 * time.Second)
	for _, words := range []string{"first", "second"} { // stale, which starts a refresh; and another
		if _, err := search(words); err != nil {
			return err
		}
	}
	if err := found.Wait(ctx); err != nil {
		return err
	}
	for _, words := range []string{"first", "second"} {
		results, err := search(words)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, results)
	}
	return found.Close(ctx)
}

// region must
var rates = memoize.Must(memoize.New(bank.Rate))

// endregion

func packageLevel(ctx context.Context, w io.Writer) error {
	rate, err := rates.Call(ctx, "EUR")
	if err != nil {
		return err
	}
	fmt.Fprintln(w, rate)
	return nil
}

// manyKeys memoizes a source that takes many keys at once; Call is a batch of one.
func manyKeys(ctx context.Context, w io.Writer) error {
	// region batched
	items, err := memoize.NewBatched(api.Items) // func(ctx, []int) (map[int]string, error)
	// endregion
	if err != nil {
		return err
	}
	one, err := items.Call(ctx, 1)
	if err != nil {
		return err
	}
	many, err := items.CallMany(ctx, []int{3, 1, 2})
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s; %q; %d runs of the source\n", one, many, items.Stats().Loads)
	return items.Close(ctx)
}

// tenants keeps what one tenant is served from another, who asks for the same.
func tenants(ctx context.Context, w io.Writer) error {
	// region scoped
	orders, err := memoize.NewScoped(api.Orders, tenant) // tenant: func(ctx) (string, error)
	// endregion
	if err != nil {
		return err
	}
	for _, name := range []string{"acme", "initech", "acme"} {
		last, err := orders.Call(context.WithValue(ctx, tenantKey{}, name), "last")
		if err != nil {
			return err
		}
		fmt.Fprintln(w, last)
	}
	_, err = orders.Call(ctx, "last")
	fmt.Fprintln(w, "nobody's:", err)
	return orders.Close(ctx)
}

// tenantsAndSettings keeps tenants apart under settings that change.
func tenantsAndSettings(ctx context.Context, w io.Writer) error {
	// region live
	live := config.Mutable(config.InMemoryKeyed[string, config.Scoped[string], string](
		config.ScopedKeys(config.Identity[string](), tenant), // as memoize.NewScoped has it
		config.UpdateAfter(time.Minute), config.Capacity(10_000)))
	orders, err := memoize.Memoize(api.Orders, live, config.Name("orders"))
	// endregion
	if err != nil {
		return err
	}
	acme, initech := context.WithValue(ctx, tenantKey{}, "acme"), context.WithValue(ctx, tenantKey{}, "initech")
	for _, call := range []context.Context{acme, initech} {
		if _, err := orders.Call(call, "last"); err != nil {
			return err
		}
	}
	// region settings
	err = live.Apply(config.UpdateAfter(10*time.Second), config.MethodTimeout(time.Second))
	// endregion
	if err != nil {
		return err
	}
	// region forget
	err = orders.InvalidateScope(ctx, "acme")
	// endregion
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "acme's:", orders.Has(acme, "last"), "initech's:", orders.Has(initech, "last"))
	return orders.Close(ctx)
}

// object uses a configuration object, and changes several of its parts at once.
func object(ctx context.Context, w io.Writer) error {
	// region object
	live := config.Mutable(config.InMemory[int64, *user](config.UpdateAfter(time.Minute)))
	users, err := memoize.Memoize(db.LoadUser, live)
	// endregion
	if err != nil {
		return err
	}
	// region apply
	err = live.Apply(
		config.MethodTimeout(time.Second),
		config.Evict(eviction.LeastRecentlyUpdated[int64](50_000)),
		config.Postprocess(config.DeepCopy[*user]()))
	// endregion
	if err != nil {
		return err
	}
	for range 2 {
		u, err := users.Call(ctx, 42)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, u.Name)
		u.Name = "changed by its caller, for nobody else"
	}
	return users.Close(ctx)
}

// verbs is everything a memoized function can do.
func verbs(ctx context.Context, w io.Writer) error {
	users, err := memoize.New(db.LoadUser, config.Name("users"))
	if err != nil {
		return err
	}
	// region verbs
	u, err := users.Refresh(ctx, 42) // loads a new value and waits for it
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Refresh", u.Name)

	err = users.Set(ctx, 43, &user{ID: 43, Name: "set by hand"})
	if err != nil {
		return err
	}
	u, ok := users.Peek(ctx, 43) // loads nothing
	fmt.Fprintln(w, "Peek", u.Name, ok)

	ok, err = users.Touch(ctx, 43) // still true: a new life
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Touch", ok)

	err = users.Invalidate(ctx, 43) // calls from now on load
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Has", users.Has(ctx, 43))

	u, err = users.Direct(ctx, 43) // past the cache
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Direct", u.Name)

	all, err := users.CallMany(ctx, []int64{41, 42, 43})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "CallMany", all[0].Name, all[1].Name, all[2].Name)

	key, err := users.Key(42) // what a shared storage would call it
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Key", key)

	fmt.Fprintln(w, "Len", users.Len())
	err = users.InvalidateAll(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Len", users.Len())

	err = users.Wait(ctx) // for loads in the background
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "Stats", users.Stats().Loads, "loads")
	return users.Close(ctx)
	// endregion
}

// why tells how a call came by its value.
func why(ctx context.Context, w io.Writer) error {
	users, err := memoize.New(db.LoadUser, config.Clock(clock.NewMock()))
	if err != nil {
		return err
	}
	for range 2 {
		// region result
		r, err := users.Result(ctx, 42)
		if err != nil {
			return err
		}
		fmt.Fprintln(w, r.Value.Name, r.Age, r.State, r.Why)
		// endregion
	}
	return users.Close(ctx)
}

// byHand drives time by hand, as a test does.
func byHand(ctx context.Context, w io.Writer) error {
	// region clock
	mock := clock.NewMock() // github.com/benbjohnson/clock
	users, err := memoize.New(db.LoadUser, config.UpdateAfter(time.Minute), config.Clock(mock))
	if err != nil {
		return err
	}
	if _, err := users.Call(ctx, 42); err != nil {
		return err
	}
	mock.Add(61 * time.Second)
	if _, err := users.Call(ctx, 42); err != nil { // stale: answered at once
		return err
	}
	if err := users.Wait(ctx); err != nil {
		return err
	}
	fmt.Fprintln(w, "refreshes:", users.Stats().Refreshes)
	// endregion
	return users.Close(ctx)
}

// handles treats memoized functions of any type alike.
func handles(ctx context.Context, w io.Writer) error {
	users, err := memoize.New(db.LoadUser, config.Name("users"))
	if err != nil {
		return err
	}
	prices, err := memoize.New2(quotes.Price, config.Name("prices"))
	if err != nil {
		return err
	}
	if _, err := prices.Call(ctx, "ACME", date{2030, 1, 2}); err != nil {
		return err
	}
	// region handles
	for _, f := range []memoize.Handle{users, prices} {
		fmt.Fprintln(w, f.Name(), f.Stats().Calls)
		if err := f.Close(ctx); err != nil {
			return err
		}
	}
	// endregion
	return nil
}
