package memoize

import (
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/eviction"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/internal/bind"
	"github.com/perennial-go/perennial/internal/breaker"
	"github.com/perennial-go/perennial/internal/doubts"
	"github.com/perennial-go/perennial/internal/module"
	"github.com/perennial-go/perennial/storage"
)

// plan is a snapshot of the configuration with what the path needs to know of it
// worked out. It does not change once it is in force, but for its lease.
type plan[A any, K comparable, V any] struct {
	settings *config.Settings[A, K, V]
	off      error // why calls are refused

	bypass   bool
	timeout  time.Duration
	gather   time.Duration            // how long calls for single keys wait for others, zero if they don't
	identity bool                     // keys are the arguments, as they are
	post     config.Postprocessing[V] // nil if it changes nothing
	local    bool                     // the storage answers at once
	memory   *storage.InMemory[K, V]  // and is ours
	fenced   storage.Fenced[K, V]     // or claims are needed to fill it
	swapper  storage.Swapper[K, V]    // or can be changed by Update
	reader   storage.BulkReader[K, V] // or reads many at once
	bulk     storage.Bulk[K, V]       // or does whatever it does for many at once
	clearer  storage.Clearer          // or can be emptied
	prompt   bool                     // or keeps to deadlines itself
	ordered  bool                     // or has no write overtaken by one that was given up
	blind    bool                     // the strategy ignores reads
	marker   eviction.Marker          // or learns of them through the mark word
	weigher  eviction.Weigher[K]      // or goes by weights
	coster   eviction.Coster[K]       // or by what loads take
	costs    bool                     // what entries cost matters to it
	over     eviction.Over[K]         // and may have more than one too many
	limits   config.Limits
	guard    *guard.Guard        // stands before the source, or nil
	doubt    *doubts.Keys[K]     // of what the storage holds
	breaker  *breaker.Breaker    // before the storage, nil if that is in memory
	reported *lastReported[K]    // by the storage for the strategy, nil where it need not be known
	span     entry.Spanner[K, V] // the builder, if it only gives lives
	keep     *entry.Keep         // of what is stored, for rescues
	sweeps   bool                // expired entries are swept from the storage
	bound    []bind.Binder       // parts that serve this function

	order uint64 // of changes of a config.Live: later ones have a greater one

	lease lease // what keeps it alive
}

func newPlan[A any, K comparable, V any](s *config.Settings[A, K, V], dynamicKeys bool) *plan[A, K, V] {
	p := &plan[A, K, V]{settings: s, bypass: s.Bypass, timeout: s.MethodTimeout, limits: s.Limits.WithDefaults(), guard: s.Guard}
	if _, same := s.Keys.(module.Identity); same && !dynamicKeys {
		p.identity = true
	}
	if _, same := s.Postprocessing.(module.Unchanging); !same {
		p.post = s.Postprocessing
	}
	if p.limits.MaxBatch > 1 {
		p.gather = s.Gather
	}
	_, p.local = s.Storage.(storage.Local)
	_, ranges := s.Storage.(storage.Ranger[K, V])
	p.sweeps = p.local && ranges
	p.memory, _ = s.Storage.(*storage.InMemory[K, V])
	if s.Storage != nil {
		can := storage.AbilitiesOf(s.Storage)
		p.fenced, p.swapper, p.reader, p.bulk, p.clearer, p.prompt, p.ordered = can.Fenced, can.Swapper, can.BulkReader, can.Bulk, can.Clearer, can.Prompt, can.Ordered
	}
	p.breaker = breakerOf(s.Storage, p.local)
	_, p.blind = s.Eviction.(eviction.Blind)
	p.marker, _ = s.Eviction.(eviction.Marker)
	p.coster, _ = s.Eviction.(eviction.Coster[K])
	p.over, _ = s.Eviction.(eviction.Over[K])
	p.weigher, _ = s.Eviction.(eviction.Weigher[K])
	p.costs = p.coster != nil || p.weigher != nil && s.Weigh != nil
	if _, none := s.Eviction.(module.Unbounded); p.memory == nil && s.Eviction != nil && !none {
		p.reported = new(lastReported[K])
	}
	p.span, _ = s.Builder.(entry.Spanner[K, V])
	p.keep = entry.NewKeep(s.StaleIfError)
	if !s.Configured {
		p.off = ErrNotConfigured
	}
	return p
}

func (p *plan[A, K, V]) sameStorage(q *plan[A, K, V]) bool {
	return p.settings.Storage == q.settings.Storage
}

func (p *plan[A, K, V]) sameStrategy(q *plan[A, K, V]) bool {
	return p.settings.Eviction == q.settings.Eviction
}
