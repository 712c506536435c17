// Package promobserve shows memoized functions and guards to Prometheus. It is a module of its own,
// so that nobody else requires Prometheus's client.
//
//	prometheus.MustRegister(promobserve.Collector(users, lists), promobserve.GuardCollector(orders))
//
// The counters are those of Func.Stats and Guard.State, which are read when Prometheus scrapes: nothing
// is added to a call. docs/metrics.md of the repository has the table of names, what to
// look at when something is wrong, and how to use what is beside this package:
//
//	alerts.yml        rules for Prometheus's alerts
//	alerts_test.yml   their tests, for promtool test rules
//	dashboard.json    a dashboard for Grafana
package promobserve
