// Package otelobserve shows memoized functions to OpenTelemetry: spans of their loads,
// and metrics. It is a module of its own, so that nobody else requires OpenTelemetry.
//
//	tracing, err := otelobserve.Observer(nil, nil) // the global providers
//	users, err := memoize.New(db.LoadUser, config.Observe(tracing))
//	_, err = otelobserve.Register(nil, users)
//
// Each load is a span, and those that its source starts are its children. A load that a
// call waits for is a child of the span of the call that started it; a refresh in the
// background is the root of a trace of its own, with a link to that span, for it may
// begin when the call is over. Hits make no spans.
//
// RegisterGuards has the metrics of guards, which stand before sources (package guard).
//
// docs/metrics.md of the repository has the table of names.
package otelobserve
