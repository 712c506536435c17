package promobserve_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/memoize"
	"github.com/perennial-go/perennial/observe/promobserve"
	"github.com/perennial-go/perennial/storage"
)

// patience is how long Prometheus may take for what takes it a second. Its clock is the
// world's, so this test alone waits in real time.
const patience = 30 * time.Second

// A real Prometheus scrapes a program: it understands what it gets, native histograms too,
// every query of the dashboard and the rules has an answer, and when sources and a store
// fail their alerts fire, and no others.
func TestPrometheus(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for an alert in real time")
	}
	var down atomic.Bool
	source := func(_ context.Context, n int) (int, error) {
		if down.Load() {
			return 0, errDown
		}
		return n, nil
	}
	users := must[int, int](t)(memoize.New(source, config.Name("users"), config.UpdateAfter(0), config.Logger(nil)))
	orders := newGuard(t, "orders", guard.Logger(nil))
	guarded := must[int, int](t)(memoize.New(source, config.Name("guarded"), config.Guard(orders), config.Logger(nil)))
	store, err := storage.Share(&failing{storage.NewMemory(), &down})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	lists := must[int, int](t)(memoize.New(func(_ context.Context, n int) (int, error) { return n, nil }, config.Name("lists"), config.Store(store), config.Logger(nil)))

	registry := prometheus.NewRegistry()
	registry.MustRegister(promobserve.Collector(users, lists, guarded), promobserve.GuardCollector(orders))
	program := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(program.Close)
	p := api{t, "http://" + servers.Prometheus(t, configured(t, program.URL)).Addr() + "/api/v1/"}

	n := 0
	busy := func() { // a service that is called, of which each call but one waits
		n++
		for range 3 {
			_, _ = users.Call(t.Context(), n)
			_, _ = lists.Call(t.Context(), n)
			_, _ = guarded.Call(t.Context(), n)
			_, _ = users.Call(t.Context(), 0)
		}
	}
	wantInTime(t, busy, func() error {
		for query, want := range map[string]float64{
			`up`: 1,
			`perennial_method_timeout_seconds{function="users"}`:                                                                         120,
			`sum(rate(perennial_calls_total{function="users"}[5s])) > bool 0`:                                                            1,
			`sum(rate(perennial_loads_total{function="users",cause="miss"}[5s])) > bool 0`:                                               1,
			`histogram_count(rate(perennial_load_duration_seconds{function="users"}[5s])) > bool 0`:                                      1,
			`histogram_quantile(0.99, rate(perennial_load_duration_seconds{function="users"}[5s])) < bool 1`:                             1,
			`histogram_count(perennial_store_read_duration_seconds{function="lists"}) > bool 0`:                                          1,
			`sum(rate(perennial_guard_admitted_total{guard="orders",class="miss"}[5s])) > bool 0`:                                        1,
			`perennial_guard_norm_seconds{guard="orders"} < bool 1`:                                                                      1,
			`perennial_served_age_seconds_bucket{function="users",le="+Inf"} > bool 0`:                                                   1,
			`sum(perennial_served_age_seconds_bucket{le="+Inf"}) == bool sum(perennial_calls_fresh_total + perennial_calls_stale_total)`: 1,
		} {
			if err := p.value(query, want); err != nil {
				return err
			}
		}
		return nil
	})
	for _, query := range dashboardQueries(t) {
		if answer, err := p.query(query); err != nil || len(answer) == 0 {
			t.Errorf("the dashboard's query %s: %v, %v", query, answer, err)
		}
	}
	if firing := p.firing(); len(firing) != 0 {
		t.Errorf("while nothing is wrong the alerts %q fire", firing)
	}

	down.Store(true)
	wantInTime(t, busy, func() error {
		firing := map[string]bool{}
		for _, alert := range p.firing() {
			firing[alert] = true
		}
		for _, want := range []string{
			"PerennialCallsFail users", "PerennialLoadsFail users", "PerennialServesStale users",
			"PerennialCallsFail guarded", "PerennialLoadsFail guarded", "PerennialSourceDown orders", "PerennialStoreDown lists",
		} {
			if !firing[want] {
				return fmt.Errorf("of %s nothing is heard: %v", want, firing)
			}
			delete(firing, want)
		}
		delete(firing, "PerennialStoreFaults lists") // minutes are tenths of seconds, but not until a store counts as down
		if len(firing) > 0 {
			t.Fatalf("besides, there fire %v", firing)
		}
		marked, err := p.query(filled.Replace(dashboardOf(t).Annotations.List[0].Expr))
		if err != nil || len(marked) < 7 {
			return fmt.Errorf("the dashboard marks %v, %v", marked, err)
		}
		return nil
	})
}

// failing is a store that can be down.
type failing struct {
	*storage.Memory
	down *atomic.Bool
}

func (s *failing) err() error {
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *failing) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := s.err(); err != nil {
		return storage.Record{}, err
	}
	return s.Memory.Get(ctx, key)
}

func (s *failing) Claim(ctx context.Context, hold time.Duration, keys ...string) ([]storage.Claimed, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Memory.Claim(ctx, hold, keys...)
}

func (s *failing) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Memory.Fill(ctx, fills...)
}

// configured is a configuration of Prometheus that scrapes a program, and has the rules
// in less time: minutes are tenths of seconds, or a window of at least ten scrapes.
func configured(t *testing.T, program string) string {
	t.Helper()
	dir := t.TempDir()
	rules := read(t, "alerts.yml")
	rules = regexp.MustCompile(`\[\d+m\]`).ReplaceAllString(rules, "[2s]")
	rules = regexp.MustCompile(`for: \d+m`).ReplaceAllString(rules, "for: 500ms")
	target, err := url.Parse(program)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"alerts.yml": rules, "prometheus.yml": `
global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 200ms}
rule_files: [alerts.yml]
scrape_configs: [{job_name: test, static_configs: [{targets: ["` + target.Host + `"]}]}]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "prometheus.yml")
}

// filled fills in the dashboard's variables.
var filled = strings.NewReplacer("$__rate_interval", "5s", "$job", ".*", "$function", "users|lists|guarded", "$guard", ".+")

// dashboardQueries are the dashboard's.
func dashboardQueries(t *testing.T) (queries []string) {
	for _, p := range dashboardOf(t).Panels {
		for _, target := range p.Targets {
			queries = append(queries, filled.Replace(target.Expr))
		}
	}
	return queries
}

// wantInTime does something again and again until a check succeeds.
func wantInTime(t *testing.T, do func(), check func() error) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(patience); ; <-again.C {
		do()
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %v", patience, err)
		}
	}
}

// api is that of a Prometheus.
type api struct {
	t    *testing.T
	base string
}

// sample is one of an answer.
type sample struct {
	Metric map[string]string
	Value  [2]any // the time, and the value as text
}

func (p api) get(path string, data any) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	answer, err := client.Get(p.base + path)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", answer.Status, text)
	}
	return json.Unmarshal(text, &struct{ Data any }{data})
}

func (p api) query(query string) ([]sample, error) {
	var data struct{ Result []sample }
	err := p.get("query?query="+url.QueryEscape(query), &data)
	return data.Result, err
}

// value is an error unless a query has one answer, which is want.
func (p api) value(query string, want float64) error {
	got, err := p.query(query)
	if err != nil {
		return fmt.Errorf("%s: %w", query, err)
	}
	if len(got) != 1 || got[0].Value[1] != fmt.Sprint(want) {
		return fmt.Errorf("%s is %v, want %v", query, got, want)
	}
	return nil
}

// firing are the alerts that fire, each with its function or guard.
func (p api) firing() (alerts []string) {
	p.t.Helper()
	var data struct {
		Alerts []struct {
			State  string
			Labels map[string]string
		}
	}
	if err := p.get("alerts", &data); err != nil {
		p.t.Fatal(err)
	}
	for _, a := range data.Alerts {
		if a.State == "firing" {
			alerts = append(alerts, a.Labels["alertname"]+" "+a.Labels["function"]+a.Labels["guard"])
		}
	}
	return alerts
}
