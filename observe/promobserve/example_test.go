package promobserve_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe/promobserve"
)

// A service shows its functions to Prometheus in two lines.
func ExampleCollector() {
	loadUser := func(_ context.Context, id int) (string, error) { return fmt.Sprint("user ", id), nil }
	loadList := func(_ context.Context, name string) ([]int, error) { return []int{1, 2}, nil }
	users := memoize.Must(memoize.New(loadUser, config.Name("users")))
	lists := memoize.Must(memoize.New(loadList, config.Name("lists")))

	// region register
	prometheus.MustRegister(promobserve.Collector(users, lists))
	http.Handle("/metrics", promhttp.Handler())
	// endregion

	_, _ = users.Call(context.Background(), 7)
	answer := httptest.NewRecorder()
	http.DefaultServeMux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(answer.Body.String()) {
		if strings.HasPrefix(line, "perennial_calls_loaded_total") {
			fmt.Print(line)
		}
	}
	// Output:
	// perennial_calls_loaded_total{function="lists"} 0
	// perennial_calls_loaded_total{function="users"} 1
}

// A registry of one's own, and what is in it.
func Example() {
	users := memoize.Must(memoize.New(func(_ context.Context, id int) (string, error) { return fmt.Sprint("user ", id), nil }, config.Name("users")))
	registry := prometheus.NewRegistry()
	registry.MustRegister(promobserve.Collector(users))

	for range 3 {
		_, _ = users.Call(context.Background(), 7)
	}
	const want = `
# HELP perennial_calls_fresh_total Calls answered at once with a fresh value.
# TYPE perennial_calls_fresh_total counter
perennial_calls_fresh_total{function="users"} 2
# HELP perennial_loads_total Runs of the source that began.
# TYPE perennial_loads_total counter
perennial_loads_total{cause="direct",function="users"} 0
perennial_loads_total{cause="forced",function="users"} 0
perennial_loads_total{cause="miss",function="users"} 1
perennial_loads_total{cause="refresh",function="users"} 0
perennial_loads_total{cause="warm",function="users"} 0
`
	fmt.Println(testutil.GatherAndCompare(registry, strings.NewReader(want), "perennial_calls_fresh_total", "perennial_loads_total"))
	// Output: <nil>
}

// A guard beside the function whose source it stands before.
func ExampleGuardCollector() {
	loadUser := func(_ context.Context, id int) (string, error) { return fmt.Sprint("user ", id), nil }
	registry := prometheus.NewRegistry()
	program := func() error {
		// region guards
		orders, err := guard.New("orders-db")
		if err != nil {
			return err
		}
		users, err := memoize.New(loadUser, config.Name("users"), config.Guard(orders))
		if err != nil {
			return err
		}
		registry.MustRegister(promobserve.Collector(users), promobserve.GuardCollector(orders))
		// endregion

		_, err = users.Call(context.Background(), 7)
		return err
	}
	if err := program(); err != nil {
		fmt.Println(err)
	}
	const want = `
# HELP perennial_guard_admitted_total Loads that were let in.
# TYPE perennial_guard_admitted_total counter
perennial_guard_admitted_total{class="forced",guard="orders-db"} 0
perennial_guard_admitted_total{class="miss",guard="orders-db"} 1
perennial_guard_admitted_total{class="refresh",guard="orders-db"} 0
perennial_guard_admitted_total{class="rescuable",guard="orders-db"} 0
perennial_guard_admitted_total{class="warm",guard="orders-db"} 0
# HELP perennial_guard_down 1 while nothing of the source succeeds and it is asked by probes only, else 0.
# TYPE perennial_guard_down gauge
perennial_guard_down{guard="orders-db"} 0
`
	fmt.Println(testutil.GatherAndCompare(registry, strings.NewReader(want), "perennial_guard_admitted_total", "perennial_guard_down"))
	// Output: <nil>
}
