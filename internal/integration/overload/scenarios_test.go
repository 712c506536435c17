package overload

import (
	"context"
	"time"
)

// scenarios are what triggers an overload.
var scenarios = []scenario{
	{name: "flush", capacity: 1, begin: func(at *running) { _ = at.f.InvalidateAll(context.Background()) }},
	{
		name: "a quarter of the capacity", capacity: 0.25, lasts: time.Minute,
		begin: func(at *running) { at.source.set(func(s *source) { s.service *= 4 }) },
		end:   func(at *running) { at.source.set(func(s *source) { s.service /= 4 }) },
	},
	{
		name: "a tenth hangs", capacity: 1, lasts: time.Minute,
		begin: func(at *running) { at.source.set(func(s *source) { s.hangs = 0.1 }) },
		end:   func(at *running) { at.source.set(func(s *source) { s.hangs = 0 }) },
	},
	{
		name: "all hang", capacity: 1, lasts: time.Minute,
		begin: func(at *running) { at.source.set(func(s *source) { s.deaf = make(chan struct{}) }) },
		end: func(at *running) {
			at.source.set(func(s *source) {
				close(s.deaf)
				s.deaf = nil
			})
		},
	},
	{
		name: "outage", capacity: 1, lasts: time.Minute,
		begin: func(at *running) { at.source.set(func(s *source) { s.down = true }) },
		end:   func(at *running) { at.source.set(func(s *source) { s.down = false }) },
	},
	{
		name: "the store is away", capacity: 1, lasts: time.Minute, store: true,
		begin: func(at *running) { at.memory.set(true) },
		end:   func(at *running) { at.memory.set(false) },
	},
	{
		name: "sleep", capacity: 1, sleeps: true, // and all that is stored has expired
		begin: func(at *running) {
			at.sleep(true)
			time.Sleep(at.life)
			at.sleep(false)
		},
	},
}
