package config

import "time"

// Gather makes calls for single keys wait up to the time given for others, so that the
// source is asked for all of them together: for one that takes many keys, as
// memoize.NewBatched has it. A load that a call has to wait for stays open to other
// calls until the time has passed, or until MaxBatch keys are there. Loads that callers
// wait for, those of Refresh, and background refreshes gather apart. A hit waits for
// nothing, and CallMany, Direct and calls while the function is bypassed are batches of
// their own, which go at once.
//
// Each caller keeps its own deadline, and each key its own fate: one that fails, is
// invalidated or is set does so alone. The load sees the values of the context of the
// call that opened it, as far as ContextValues lets them pass. The method timeout counts
// from when the batch goes out, and a batch takes one place of MaxLoads, or of
// MaxBackground. Close sends what has gathered. In a testing/synctest bubble that the
// function was not made in, calls do not wait for others.
//
// A millisecond or two is plenty. Zero, the default, gathers nothing. It can be changed by
// Apply. For a source that takes one key it is refused.
func Gather(wait time.Duration) Option {
	return setting("Gather", func(dr *draft) { dr.gather = &wait })
}
