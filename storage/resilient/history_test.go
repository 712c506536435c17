package resilient_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/resilient"
)

// op is a change by a client. A Set stores "=id;", an Update appends "id;".
type op struct {
	id       int
	client   int
	key      string
	kind     byte // 'p', 'r' or 'u'
	outcome  outcome
	seen     int    // how much of the key's history the client had seen
	view     string // what the client had seen there
	from     int    // from where on others' changes are in its way
	life     int    // of the server, then
	asked    int    // the life of the server in which it was asked for
	waits    bool   // behind another one
	replaced bool   // by a later one of the same client, perhaps
}

func (o *op) String() string { return fmt.Sprintf("%c%d of %q", o.kind, o.id, o.key) }

// version is a version that a change has made for the first time.
type version struct {
	number, life int
	value        string
}

// step is a change of a record in the server.
type step struct {
	client int
	value  string // "" where it was deleted
}

// history is a server with everything that it has done. It checks that
//
//   - an update keeps the value before: no acknowledged change is lost,
//   - no change is made twice, and no deleted value comes back,
//   - a change that has waited is made only on a version that its client had seen or made,
//   - a change that is reported as committed was made,
//   - a change that has waited was made, or reported, or replaced by its own client.
//
// A restart without data starts a new life of the server: then a client may write again
// what it had made before, over no record or an older one.
type history struct {
	mu        sync.Mutex
	memory    *storage.Memory
	life      int
	emptied   time.Time
	versions  map[string]version
	rewrites  uint64
	steps     map[string][]step
	added     map[string]bool        // what was ever added to a record, in this life
	done      map[string]bool        // in any life
	seen      map[int]map[string]int // by client and key
	ops       map[int]*op
	calling   map[int]*op // by client
	removing  map[string]*op
	latest    map[string]*op // by client and key
	views     map[string]string
	told      map[int]int  // by client, the first life of the server whose state it was told
	forgets   map[int]bool // clients with small copies: what these have forgotten counts as not there
	committed uint64
	faults    []string
	noting    sync.Mutex
	trace     []string // what happened, for who replays it
}

func (h *history) note(format string, args ...any) {
	h.noting.Lock()
	defer h.noting.Unlock()
	h.trace = append(h.trace, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func newHistory() *history {
	return &history{
		memory: storage.NewMemory(), emptied: time.Now(), versions: map[string]version{}, steps: map[string][]step{}, added: map[string]bool{}, done: map[string]bool{},
		seen: map[int]map[string]int{}, ops: map[int]*op{}, calling: map[int]*op{}, removing: map[string]*op{}, latest: map[string]*op{}, views: map[string]string{}, told: map[int]int{}, forgets: map[int]bool{},
	}
}

func (h *history) wrong(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fault(format, args...)
}

func (h *history) fault(format string, args ...any) {
	h.faults = append(h.faults, fmt.Sprintf(format, args...))
}

func (h *history) value(key string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last(key)
}

func (h *history) last(key string) string {
	if all := h.steps[key]; len(all) > 0 {
		return all[len(all)-1].value
	}
	return ""
}

// empty restarts the server without its data.
func (h *history) empty() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.memory.Close()
	h.memory = storage.NewMemory()
	h.life++
	h.emptied = time.Now()
	h.note("server: empty")
	clear(h.steps)
	clear(h.added)
	clear(h.seen)
}

// calls notes that a client begins a change. If the server has answered up to now, the
// change is made on what is there, whatever it is. If changes of the key wait, it is made
// on what the last of them was made on.
func (h *history) calls(o *op, up, waits bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o.seen, o.life, o.view = h.seen[o.client][o.key], h.life, h.views[fmt.Sprint(o.client, o.key)]
	o.asked = h.life
	last := h.latest[fmt.Sprint(o.client, o.key)]
	o.waits = waits
	switch o.from = o.seen; {
	case up:
		o.from = len(h.steps[o.key])
	case waits && last != nil:
		o.seen, o.from, o.life, o.view = last.seen, last.from, last.life, last.view
	}
	h.latest[fmt.Sprint(o.client, o.key)] = o
	h.ops[o.id], h.calling[o.client] = o, o
}

func (h *history) returns(o *op, outcome outcome, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !o.waits && o.life == h.life {
		o.seen = h.seen[o.client][o.key] // also while it was tried
		o.from = max(o.from, o.seen)
		o.view = h.views[fmt.Sprint(o.client, o.key)]
	}
	o.outcome = outcome
	h.note("client %d: %v: %v, %v (had seen %d)", o.client, o, outcome, err, o.seen)
	delete(h.calling, o.client)
	switch {
	case (outcome == 0) == (err == nil):
		h.fault("%v returns %v and %v", o, outcome, err)
	case outcome == committed:
		h.committed++
		if o.kind != 'r' && !h.done[token(o)] {
			h.fault("%v is told as committed and was not done", o)
		}
	case outcome == queued && o.kind != 'u':
		for _, other := range h.ops {
			if other != o && other.client == o.client && other.key == o.key {
				other.replaced = true
			}
		}
	}
	if o.kind == 'r' && outcome != committed {
		h.removing[fmt.Sprint(o.client, o.key)] = o
	}
}

func token(o *op) string {
	if o.kind == 'p' {
		return fmt.Sprintf("=%d", o.id)
	}
	return fmt.Sprint(o.id)
}

func tokens(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ';' })
}

// made notes a change of a record by a client. What others have written again may be
// older than what it replaces.
func (h *history) made(client int, key, value string, again bool) {
	before := h.last(key)
	h.note("server: client %d makes %q %q, which was %q", client, key, value, before)
	h.steps[key] = append(h.steps[key], step{client, value})
	had := map[string]bool{}
	for _, one := range tokens(before) {
		had[one] = true
	}
	fresh := tokens(value)
	replaces := value == "" || !strings.HasPrefix(value, before) && h.startsAnew(client, key, value)
	if !replaces && strings.HasPrefix(value, before) {
		fresh, had = tokens(value[len(before):]), nil
	}
	for _, one := range fresh {
		if had[one] && !replaces {
			continue
		}
		if h.added[one] && !h.unaware(client, one) {
			h.fault("client %d stores %s in %q again: %q becomes %q", client, one, key, before, value)
		}
		h.added[one], h.done[one] = true, true
		if strings.HasPrefix(one, "=") {
			replaces = true
		}
	}
	if again {
		return
	}
	if !replaces && !strings.HasPrefix(value, before) {
		h.fault("client %d loses what was in %q: %q becomes %q", client, key, before, value)
	}
	if replaces {
		h.newer(client, key, value)
	}
}

// becomes notes what a record has become, for the first time or again.
func (h *history) becomes(client int, key, before string, after storage.Versioned) {
	value := string(after.Value)
	was, old := h.versions[before], h.versions[after.Version]
	again := before == "" || was.life < h.life // what was there was written again itself
	if old.number == 0 {
		if after.Found {
			h.versions[after.Version] = version{len(h.versions) + 1, h.life, value}
		}
		h.made(client, key, value, before != "" && again)
		return
	}
	h.note("server: client %d makes %q %q again", client, key, value)
	h.rewrites++
	if old.life == h.life || !again || was.number > old.number || value != old.value {
		h.fault("client %d makes %q %q again, which was %q then, in place of %q", client, key, value, old.value, was.value)
	}
	h.steps[key] = append(h.steps[key], step{client, value})
	for _, one := range tokens(value) {
		h.added[one] = true
	}
}

// unaware reports whether a client repeats an Update that it began before the server lost
// its data, and that others have written again since. A client that had not been told the
// server's state by then, which without WriteAgain it never is, can't tell that data was
// lost, and takes a change that is not known any more for one that was never made. The
// package's documentation promises no more.
func (h *history) unaware(client int, added string) bool {
	id, err := strconv.Atoi(added)
	if err != nil || h.ops[id].client != client {
		return false
	}
	first, told := h.told[client]
	return h.ops[id].asked < h.life && (!told || first > h.ops[id].asked)
}

// startsAnew reports whether a value may be what a client has added after it had deleted
// the record, while both waited.
func (h *history) startsAnew(client int, key, value string) bool {
	first := math.MaxInt
	for _, one := range tokens(value) {
		id, err := strconv.Atoi(one)
		if err != nil || h.ops[id].client != client {
			return false
		}
		first = min(first, id)
	}
	for _, o := range h.ops {
		if o.client == client && o.key == key && o.kind == 'r' && o.outcome != committed && o.id < first {
			return true
		}
	}
	return false
}

// newer checks that a client that sets or deletes after waiting had seen the changes of
// all others.
func (h *history) newer(client int, key, value string) {
	if now := h.calling[client]; now != nil && now.key == key && now.kind != 'u' {
		return // it did not wait
	}
	o := h.removing[fmt.Sprint(client, key)]
	if strings.HasPrefix(value, "=") {
		var id int
		if _, err := fmt.Sscanf(tokens(value)[0], "=%d", &id); err != nil {
			h.fault("client %d stores %q in %q", client, value, key)
			return
		}
		o = h.ops[id]
	}
	if o == nil {
		return // of one who has left
	}
	from, seen := 0, 0
	if o.life == h.life {
		from, seen = o.from, o.seen
	}
	all := h.steps[key]
	if o.outcome == 0 {
		return // of one who has left
	}
	had, has := "", ""
	if seen > 0 {
		had = all[seen-1].value
	}
	for _, other := range all[seen:] {
		if other.client != client {
			has = other.value
		}
	}
	for _, other := range h.ops { // its own deletion, in doubt
		if other.client == client && other.key == key && other.kind == 'r' && other.id < o.id && other.seen == o.seen && other.outcome != committed {
			had = ""
		}
	}
	if has == "" && (had == "" || h.forgets[client]) {
		return // a record that came and went meanwhile was none and is none
	}
	if has == o.view {
		return // it was lost with all others, and made again by the same change
	}
	for i, own := range all[:len(all)-1] { // what it made itself it has seen, and what was there then
		if own.client == client {
			from = max(from, i+1)
		}
	}
	for _, other := range all[from : len(all)-1] {
		if other.client != client {
			h.fault("%v of client %d, which had waited, overwrites %q of client %d", o, client, other.value, other.client)
		}
	}
}

// saw notes that a client knows what is there now.
func (h *history) saw(client int, key string, life, upTo int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if life != h.life {
		return
	}
	if h.seen[client] == nil {
		h.seen[client] = map[string]int{}
	}
	if h.seen[client][key] = max(h.seen[client][key], upTo); upTo > 0 {
		h.views[fmt.Sprint(client, key)] = h.steps[key][upTo-1].value
	}
}

// accounts checks that each change that has waited was made or reported.
func (h *history) accounts(p *place) {
	h.mu.Lock()
	defer h.mu.Unlock()
	reported := map[string]int{}
	for _, e := range append(p.seen.of(resilient.Conflict), p.seen.of(resilient.Dropped)...) {
		reported[e.Key] += e.Changes
	}
	missing := map[string][]*op{}
	for _, o := range h.ops {
		if o.client == p.id && o.outcome == queued && o.kind != 'r' && !o.replaced && !h.done[token(o)] {
			missing[o.key] = append(missing[o.key], o)
		}
	}
	for key, ops := range missing {
		if len(ops) > reported[key] {
			h.fault("client %d: %v were accepted, and neither done nor reported", p.id, ops)
		}
	}
}

// faults are the faults of a road.
type faults struct {
	away    bool
	hangs   bool
	unsaid  float64 // so many requests of one are lost
	unheard float64 // so many answers
	stalls  bool    // requests come once it does not stall any more, when nobody waits for the answer
}

// road is a client's way to the server, with faults of its own.
type road struct {
	random  *rand.Rand // of what is broken; used under the history's lock
	weather *rand.Rand // of faults; used under the road's lock
	history *history
	client  int

	mu  sync.Mutex
	cut chan struct{}
	faults
	stalled []func() // requests

	// what is broken
	careless, forgetful, amnesia bool
	lying                        float64
}

// fail sets other faults. Connections break, and what has stalled arrives first.
func (r *road) fail(f faults) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, do := range r.stalled {
		do()
	}
	r.stalled = nil
	r.faults = f
	r.history.note("client %d: faults %+v", r.client, f)
	close(r.cut)
	r.cut = make(chan struct{})
}

func (r *road) calm() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.faults == faults{}
}

// goes calls do in the server, if the request arrives.
func (r *road) goes(ctx context.Context, do func() func()) error {
	r.mu.Lock()
	now, unsaid, unheard := r.faults, false, false
	switch {
	case now.away, now.hangs:
	case now.stalls:
		r.stalled = append(r.stalled, func() { do() })
	default:
		unsaid = r.weather.Float64() < r.unsaid
		unheard = !unsaid && r.weather.Float64() < r.unheard
	}
	r.mu.Unlock()
	switch {
	case now.away:
		return errRefusedConnection
	case now.hangs, now.stalls:
		<-ctx.Done()
		return ctx.Err()
	case unsaid:
		return errReset
	}
	told := do()
	if unheard {
		return errReset
	}
	told()
	return nil
}

func (r *road) Look(ctx context.Context, keys ...string) (found []storage.Versioned, _ error) {
	err := r.goes(ctx, func() func() {
		h := r.history
		h.mu.Lock()
		defer h.mu.Unlock()
		all, err := h.memory.Look(context.Background(), keys...)
		if err != nil {
			panic(err)
		}
		life, upTo := h.life, make([]int, len(keys))
		for i, key := range keys {
			upTo[i] = len(h.steps[key])
			h.note("client %d: looks at %q: %.4q", r.client, key, all[i].Version)
		}
		return func() {
			found = all
			for i, key := range keys {
				h.saw(r.client, key, life, upTo[i])
			}
		}
	})
	return found, err
}

func (r *road) Swap(ctx context.Context, changes ...storage.Change) (made []bool, _ error) {
	err := r.goes(ctx, func() func() {
		h := r.history
		h.mu.Lock()
		defer h.mu.Unlock()
		is := r.swap(changes[0])
		h.note("client %d: swaps %q, %.4q to %.4q: %v", r.client, changes[0].Key, changes[0].Was, changes[0].Becomes, is)
		life, upTo := h.life, len(h.steps[changes[0].Key])
		return func() {
			made = []bool{is}
			if is {
				h.saw(r.client, changes[0].Key, life, upTo)
			}
		}
	})
	return made, err
}

// tells notes that a client is told the server's state.
func (h *history) tells(client, life int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, told := h.told[client]; !told {
		h.told[client] = life
	}
}

func (r *road) State(ctx context.Context) (id string, age time.Duration, _ error) {
	err := r.goes(ctx, func() func() {
		r.history.mu.Lock()
		defer r.history.mu.Unlock()
		life, since := r.history.life, time.Since(r.history.emptied)
		return func() {
			id, age = fmt.Sprint("life ", life), since
			r.history.tells(r.client, life)
		}
	})
	return id, age, err
}

// swap makes the change in the server, which may be broken.
func (r *road) swap(c storage.Change) bool {
	h := r.history
	ctx := context.Background()
	look := func() storage.Versioned {
		found, err := h.memory.Look(ctx, c.Key)
		if err != nil {
			panic(err)
		}
		return found[0]
	}
	before := look()
	chance, other := r.random.Float64(), fmt.Sprint("#", r.random.Uint64())
	switch {
	case chance < r.lying:
		return true
	case r.careless:
		c.Was = before.Version
	case r.forgetful:
		c.Becomes += other // which it has never seen
	case r.amnesia && before.Version == "" && c.Was == "":
		c.Becomes += other
	}
	made, err := h.memory.Swap(ctx, c)
	if err != nil {
		panic(err)
	}
	if after := look(); after.Version != before.Version {
		h.becomes(r.client, c.Key, before.Version, after)
	}
	return made[0]
}

// The methods of a store with versions that the Store does not use.

func (r *road) Get(context.Context, string) (storage.Record, error) { panic("Get") }
func (r *road) Set(context.Context, string, []byte, time.Duration) error {
	panic("Set")
}
func (r *road) Delete(context.Context, string) (bool, error) { panic("Delete") }
func (r *road) Keys(context.Context, string) iter.Seq2[string, error] {
	panic("Keys")
}

// Watch ends when the connection breaks.
func (r *road) Watch(ctx context.Context, prefix string, changed func(storage.Changed)) error {
	r.mu.Lock()
	cut, fails := r.cut, r.away || r.hangs
	r.mu.Unlock()
	if fails {
		return errRefusedConnection
	}
	r.history.mu.Lock()
	m := r.history.memory
	r.history.mu.Unlock()
	return watchUntil(ctx, cut, m, prefix, changed)
}
