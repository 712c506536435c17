package benchmarks

import "context"

// hotResident is how many keys are held where one is asked for.
const hotResident = 500

// hot is one fresh key, asked for again and again.
func hot() Scenario {
	return Scenario{
		Name: "hot", About: "a fresh hit, one string key of 500 that are held", Takes: everybody,
		New: func(c Contender, _ uint64) *Instance {
			var source counted
			cache := c.Strings(Lasting(2*hotResident), source.string)
			Fill(cache, StringKeys(hotResident), &source.loads)
			key := keyOf(hotResident / 2)
			return hits(cache, &source, func(_, n int) {
				ctx := context.Background()
				for range n {
					if cache.Get(ctx, key) == nil {
						failed()
					}
				}
			})
		},
	}
}

func zipfStrings() Scenario {
	return Scenario{
		Name: "zipf", About: "fresh hits, 100,000 string keys by a Zipf distribution", Takes: everybody,
		New: func(c Contender, seed uint64) *Instance {
			var source counted
			cache := c.Strings(Lasting(2*zipfKeys), source.string)
			return zipfHits(cache, &source, StringKeys(zipfKeys), StringKeys(zipfKeys), seed)
		},
	}
}

func zipfInts() Scenario {
	return Scenario{
		Name: "zipf-int", About: "fresh hits, 100,000 int keys by a Zipf distribution", Takes: everybody,
		New: func(c Contender, seed uint64) *Instance {
			var source counted
			cache := c.Ints(Lasting(2*zipfKeys), source.int)
			return zipfHits(cache, &source, intKeys(zipfKeys), intKeys(zipfKeys), seed)
		},
	}
}

// zipfHits asks with keys that are equal to those inserted and not the same.
func zipfHits[K Key](cache Cache[K], source *counted, inserted, asked []K, seed uint64) *Instance {
	Fill(cache, inserted, &source.loads)
	sequence := Zipf(seed, zipfKeys).Sequence(zipfSequence)
	return hits(cache, source, func(w, n int) {
		ctx := context.Background()
		at := w * (zipfSequence / 3) // workers walk apart
		for range n {
			at++
			if cache.Get(ctx, asked[sequence[at&(zipfSequence-1)]]) == nil {
				failed()
			}
		}
	})
}

func hits[K Key](cache Cache[K], source *counted, worker func(w, n int)) *Instance {
	return &Instance{
		Before: func(int) {},
		Run:    func(n, procs int) { Spread(n, procs, worker) },
		Loads:  source.loads.Load,
		Close:  cache.Close,
	}
}
