package overload

import (
	"context"
	"errors"
	"time"

	"github.com/failsafe-go/failsafe-go/adaptivelimiter"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/module"
)

type load = func(ctx context.Context, key int) (int, error)

// guarded is a guard with nothing else set, but for the options of the function and its own.
func guarded(name string, opts []config.Option, of ...guard.Option) way {
	return way{name, func(at *running) (load, []config.Option) {
		g, err := guard.New("source", append(of, guard.Logger(nil))...)
		if err != nil {
			at.t.Fatal(err)
		}
		at.guard = g
		return at.source.load, append([]config.Option{config.Guard(g)}, opts...)
	}}
}

// control is a guard from which rules are left out.
func control(name string, blind bool, probes int) way {
	whole := guarded(name, nil)
	return way{name, func(at *running) (load, []config.Option) {
		source, opts := whole.build(at)
		at.guard.Gate(module.Only{}).Control(blind, probes)
		return source, opts
	}}
}

var (
	withGuard = guarded("guard", nil)
	withStale = guarded("guard, StaleIfError", []config.Option{config.StaleIfError(time.Hour)})
	withFive  = guarded("guard.Fixed(5)", nil, guard.Fixed(5)) // which knows the source

	// Controls, each of which lacks something.
	blind = control("guard blind to time-outs", true, 1)
	flood = control("guard whose probes are many", false, 1000)
	bare  = way{"no guard", func(at *running) (load, []config.Option) { return at.source.load, nil }}
	ten   = way{"MaxLoads(10)", func(at *running) (load, []config.Option) {
		return at.source.load, []config.Option{config.MaxLoads(10)}
	}}
	dropping = way{"no guard, late results dropped", func(at *running) (load, []config.Option) {
		return func(ctx context.Context, key int) (int, error) {
			began := time.Now()
			v, err := at.source.load(ctx, key)
			if time.Since(began) > at.patience {
				return 0, errors.New("nobody waits any more")
			}
			return v, err
		}, nil
	}}
	failsafe = way{"failsafe-go's limiter", func(at *running) (load, []config.Option) {
		limiter := adaptivelimiter.NewWithDefaults[int]()
		return func(ctx context.Context, key int) (int, error) {
			permit, err := limiter.AcquirePermit(ctx)
			if err != nil {
				return 0, err
			}
			v, err := at.source.load(ctx, key)
			if ctx.Err() != nil {
				permit.Drop() // as its executor does
			} else {
				permit.Record()
			}
			return v, err
		}, nil
	}}
)
