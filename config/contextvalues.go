package config

import "context"

// ContextValues says which values of a call's context the load sees that the call
// starts. A load serves everybody who asks for its key, and a background refresh runs on
// after the call has returned; so a value that is one caller's alone does not belong
// there: what a load reads within the caller's transaction is given to others before it
// is committed, and a refresh finds the transaction closed. Deadlines and cancellation
// are never passed on.
//
// keep is given the call's context and returns one with the values that the load may
// see, whose end does not matter: NoValues, what OnlyValues returns, or a function of
// your own. It is called once for each load, on the caller's goroutine, with no lock
// held; if it panics or returns nil, the load sees no values. It can be changed by Apply.
// Direct, and calls while the function is bypassed, run for their caller alone and see
// all values. Default: all, so that traces and loggers that travel by the context are
// there.
func ContextValues(keep func(call context.Context) context.Context) Option {
	return setting("ContextValues", func(dr *draft) { dr.contextValues = part(keep) })
}

// NoValues is for ContextValues: a load sees no values of the call's context.
func NoValues(context.Context) context.Context { return context.Background() }

// AllValues is for ContextValues: a load sees all values of the call's context, as it
// does by default.
func AllValues(call context.Context) context.Context { return call }

// OnlyValues is for ContextValues: a load sees the values of these keys. Keys are as
// those of context.WithValue.
func OnlyValues(keys ...any) func(call context.Context) context.Context {
	return func(call context.Context) context.Context { return onlyValues{context.Background(), call, keys} }
}

type onlyValues struct {
	context.Context
	call context.Context
	keys []any
}

func (c onlyValues) Value(key any) any {
	for _, k := range c.keys {
		if k == key {
			return c.call.Value(key)
		}
	}
	return nil
}
