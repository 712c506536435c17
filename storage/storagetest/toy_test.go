package storagetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/benbjohnson/clock"

	"github.com/perennial-go/perennial/entry"
	"github.com/perennial-go/perennial/storage"
)

// toy is the plainest store of bytes that can do everything, with one thing
// wrong with it, or nothing.
type toy struct {
	clock clock.Clock
	fault fault

	mu         sync.Mutex
	records    map[string]*toyRecord
	generation int
	sets       int
	calls      atomic.Int64
}

type fault string

type toyRecord struct {
	value      []byte
	has        bool
	end        time.Time // zero where there is none
	kept       time.Duration
	generation int
	held       time.Time
	claims     int // of the generation
	filled     int // the number of the claim whose value it is
}

func newToy(c clock.Clock, f fault) *toy {
	return &toy{clock: c, fault: f, records: map[string]*toyRecord{}}
}

var errToy = errors.New("toy: no such key")

func (s *toy) is(f fault) bool { return s.fault == f }

func (s *toy) lock() {
	s.mu.Lock()
	s.calls.Add(1)
}

// apart lets others in between two steps that ought to be one, if there are any.
func (s *toy) apart() {
	before := s.calls.Load()
	s.mu.Unlock()
	for range 1000 {
		if runtime.Gosched(); s.calls.Load() > before+5 {
			break
		}
	}
	s.mu.Lock()
}

func (s *toy) key(key string) string {
	switch {
	case s.is("keys end at a zero byte"):
		key, _, _ = strings.Cut(key, "\x00")
	case s.is("keys are lower case"):
		key = strings.ToLower(key)
	case s.is("keys are trimmed"):
		key = strings.TrimSpace(key)
	case s.is("keys are made valid UTF-8"):
		key = strings.ToValidUTF8(key, "?")
	case s.is("keys are cut at 250"):
		key = key[:min(250, len(key))]
	case s.is("one key for all"):
		key = ""
	}
	return key
}

func (s *toy) value(value []byte) []byte {
	switch {
	case s.is("values are made valid UTF-8"):
		return bytes.ToValidUTF8(value, []byte("?"))
	case s.is("values are trimmed"):
		return bytes.TrimSpace(value)
	case s.is("values are cut at 64 KiB"):
		value = value[:min(1<<16, len(value))]
	case s.is("values are not copied in"):
		return value
	}
	return bytes.Clone(value)
}

// end is the end of what is kept so long from now on.
func (s *toy) end(keep time.Duration) time.Time {
	const day = 24 * time.Hour
	now := s.clock.Now()
	switch {
	case s.is("Forever is a year") && keep == storage.Forever:
		return now.Add(365 * day)
	case s.is("times are cut to milliseconds"):
		return now.Add(keep.Truncate(time.Millisecond))
	case s.is("short times are forever") && keep < time.Millisecond:
		return time.Time{}
	case s.is("more than 30 days is a date") && keep > 30*day && keep != storage.Forever:
		return time.Unix(0, int64(keep))
	case s.is("long times overflow") && keep != storage.Forever:
		return time.Unix(0, now.UnixNano()+int64(keep))
	case s.is("nothing expires"), keep == storage.Forever:
		return time.Time{}
	}
	return now.Add(keep)
}

// live is the key's record if it has not ended.
func (s *toy) live(key string) *toyRecord {
	r := s.records[key]
	if r == nil || !r.has || !r.end.IsZero() && s.over(r.end) {
		return nil
	}
	if s.is("empty values are nothing") && len(r.value) == 0 {
		return nil
	}
	return r
}

func (s *toy) over(end time.Time) bool {
	if s.is("records live at the instant of their end") {
		return end.Before(s.clock.Now())
	}
	return !s.clock.Now().Before(end)
}

func (s *toy) done(ctx context.Context) error {
	if s.is("contexts are ignored") {
		return nil
	}
	return ctx.Err()
}

func (s *toy) record(r *toyRecord) (out storage.Record) {
	if r == nil {
		return out
	}
	out = storage.Record{Value: bytes.Clone(r.value), Left: storage.Forever, Found: true}
	if s.is("values are not copied out") {
		out.Value = r.value
	}
	if !r.end.IsZero() {
		out.Left = r.end.Sub(s.clock.Now())
		switch {
		case s.is("what was given is left"):
			out.Left = r.kept
		case s.is("what is left is counted in seconds"):
			out.Left /= time.Second
		}
	}
	return out
}

func (s *toy) Get(ctx context.Context, key string) (storage.Record, error) {
	if err := s.done(ctx); err != nil {
		return storage.Record{}, err
	}
	s.lock()
	defer s.mu.Unlock()
	r := s.live(s.key(key))
	if r == nil && s.is("what is missing is an error") {
		return storage.Record{}, errToy
	}
	if r == nil && s.is("what is missing is found") {
		return storage.Record{Found: true}, nil
	}
	return s.record(r), nil
}

func (s *toy) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := s.done(ctx); err != nil {
		if s.is("what is cancelled is done") {
			s.set(key, value, keep)
		}
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	s.set(key, value, keep)
	return nil
}

func (s *toy) set(key string, value []byte, keep time.Duration) {
	key = s.key(key)
	r := s.live(key)
	s.sets++
	switch {
	case s.is("nothing is stored"),
		s.is("the first value stays") && r != nil,
		s.is("now and then a Set is lost") && s.sets%50 == 0:
		return
	case s.is("zero is forever") && keep == 0:
		keep = storage.Forever
	case s.is("zero does nothing") && keep <= 0:
		return
	case s.is("negative is forever") && keep < 0:
		keep = storage.Forever
	}
	if keep <= 0 {
		s.drop(key)
		return
	}
	end := s.end(keep)
	if r != nil && s.is("a Set keeps the time") {
		end = r.end
	}
	next := &toyRecord{value: s.value(value), has: true, end: end, kept: keep}
	if old := s.records[key]; old != nil && s.is("a Set leaves claims good") {
		next.generation, next.held = old.generation, old.held
	}
	if s.is("value and time are stored one after the other") && r != nil {
		r.value = next.value
		s.apart()
	}
	if s.is("writers copy everything") {
		all := map[string]*toyRecord{}
		for k, r := range s.records {
			all[k] = r
		}
		s.apart()
		s.records = all
	}
	s.records[key] = next
}

func (s *toy) drop(key string) {
	r := s.records[key]
	if r != nil && s.is("a Delete of nothing leaves claims good") && s.live(key) == nil {
		return
	}
	delete(s.records, key)
	if s.is("a Delete leaves claims good") && r != nil {
		s.records[key] = &toyRecord{generation: r.generation, held: r.held}
	}
}

func (s *toy) Delete(ctx context.Context, key string) (bool, error) {
	if s.is("a Delete looks at its context too late") {
		defer s.drop(key)
	}
	if err := s.done(ctx); err != nil {
		return false, err
	}
	s.lock()
	defer s.mu.Unlock()
	key = s.key(key)
	existed := s.live(key) != nil
	switch {
	case s.is("nothing is deleted"):
		return existed, nil
	case s.is("a Delete says true"):
		existed = true
	case s.is("a Delete of what is missing is an error") && !existed:
		return false, errToy
	case s.is("a Delete of what is expired says true"):
		existed = s.records[key] != nil && s.records[key].has
	case s.is("a Delete looks and deletes one after the other"):
		s.apart()
	}
	s.drop(key)
	return existed, nil
}

func (s *toy) GetMany(ctx context.Context, keys []string) (rs []storage.Record, err error) {
	if len(keys) == 0 && s.is("empty bulks are errors") {
		return nil, errToy
	}
	if s.is("GetMany sorts") {
		keys = slices.Sorted(slices.Values(keys))
	}
	var buffer []byte
	for _, key := range keys {
		r, err := s.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if s.is("GetMany leaves out what is missing") && !r.Found {
			continue
		}
		if s.is("GetMany returns one buffer in pieces") {
			buffer = append(buffer, r.Value...)
		}
		rs = append(rs, r)
	}
	if s.is("GetMany returns one buffer in pieces") {
		for i := range rs {
			n := len(rs[i].Value)
			rs[i].Value, buffer = buffer[:n], buffer[n:]
		}
	}
	return rs, nil
}

func (s *toy) SetMany(ctx context.Context, items []storage.Item) error {
	if err := s.done(ctx); err != nil {
		return err
	}
	s.lock()
	defer s.mu.Unlock()
	if s.is("of two of one key the first holds") {
		items = slices.Clone(items)
		slices.Reverse(items)
	}
	if s.is("a bulk is cut at 512") {
		items = items[:min(512, len(items))]
	}
	for _, item := range items {
		if s.is("bulks have no times") && item.Keep > 0 {
			item.Keep = storage.Forever
		}
		if s.is("a bulk ends at what is not to be stored") && item.Keep <= 0 {
			return nil
		}
		s.set(item.Key, item.Value, item.Keep)
	}
	return nil
}

func (s *toy) DeleteMany(ctx context.Context, keys []string) (existed []bool, err error) {
	for _, key := range keys {
		if s.is("DeleteMany does nothing") {
			existed = append(existed, s.live(key) != nil)
			continue
		}
		was, err := s.Delete(ctx, key)
		if err != nil {
			return nil, err
		}
		existed = append(existed, was)
	}
	return existed, nil
}

func (s *toy) Add(ctx context.Context, key string, value []byte, keep time.Duration) (bool, error) {
	if err := s.done(ctx); err != nil {
		return false, err
	}
	s.lock()
	defer s.mu.Unlock()
	r := s.live(s.key(key))
	switch {
	case s.is("an Add stores over what is there"):
		r = nil
	case s.is("an Add gives its time to what is there") && r != nil:
		r.end = s.end(keep)
	case s.is("expired records keep an Add out") && s.records[key] != nil && s.records[key].has:
		return false, nil
	case s.is("claims keep an Add out") && s.records[key] != nil:
		return false, nil
	case s.is("an Add for zero is forever") && r == nil && keep <= 0:
		keep = storage.Forever
	case s.is("an Add looks and stores one after the other"):
		s.apart()
	}
	if r != nil {
		return false, nil
	}
	s.set(key, value, keep)
	return true, nil
}

func (s *toy) Touch(ctx context.Context, keep time.Duration, keys ...string) (touched []bool, err error) {
	if err := s.done(ctx); err != nil {
		return nil, err
	}
	s.lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		r := s.live(key)
		switch {
		case s.is("a touch revives") && s.records[key] != nil && s.records[key].has:
			r = s.records[key]
		case s.is("a touch makes a record") && r == nil:
			r = &toyRecord{has: true}
			s.records[key] = r
		case s.is("a touch for zero is forever") && r != nil && keep == 0:
			r.end = time.Time{}
			touched = append(touched, true)
			continue
		case s.is("a touch takes claims away") && r != nil:
			r.generation = 0
		case s.is("a touch forgets which claim it is of") && r != nil:
			r.filled = 0
		}
		touched = append(touched, r != nil)
		switch {
		case r != nil && keep <= 0:
			s.drop(key)
		case r != nil && !s.is("a touch does nothing"):
			r.end, r.kept = s.end(keep), keep
		}
	}
	return touched, nil
}

func (s *toy) begins(key, prefix string) bool {
	if s.is("a prefix is a pattern") {
		ok, _ := path.Match(prefix+"*", key)
		return ok
	}
	if s.is("a prefix is of whole parts") {
		return key == prefix || strings.HasPrefix(key, strings.TrimSuffix(prefix, ":")+":")
	}
	return strings.HasPrefix(key, prefix)
}

// listed is the keys of the live records, or of all, sorted.
func (s *toy) listed(prefix string, all bool) (keys []string) {
	s.lock()
	defer s.mu.Unlock()
	for key, r := range s.records {
		if s.begins(key, prefix) && (all || s.live(key) != nil || s.is("Keys yields what is expired") && r.has || s.is("Keys yields claims")) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if s.is("1,000 keys are listed") {
		keys = keys[:min(1000, len(keys))]
	}
	return keys
}

func (s *toy) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := s.done(ctx); err != nil {
			if !s.is("Keys hides errors") {
				yield("", err)
			}
			return
		}
		if s.is("Keys goes by a number") {
			for i := 0; i < len(s.listed(prefix, false)); i++ {
				if !yield(s.listed(prefix, false)[i], nil) {
					return
				}
			}
			return
		}
		for _, key := range s.listed(prefix, false) {
			if !yield(key, nil) && !s.is("Keys goes on") {
				return
			}
		}
	}
}

func (s *toy) Clear(ctx context.Context, prefix string) error {
	if err := s.done(ctx); err != nil {
		return err
	}
	if s.is("Clear clears everything") {
		prefix = ""
	}
	for _, key := range s.listed(prefix, !s.is("Clear leaves claims good")) {
		if s.is("Clear leaves the prefix itself") && key == prefix {
			continue
		}
		s.lock()
		s.drop(key)
		s.mu.Unlock()
	}
	return nil
}

func (s *toy) Claim(ctx context.Context, hold time.Duration, keys ...string) (claims []storage.Claimed, err error) {
	if err := s.done(ctx); err != nil {
		return nil, err
	}
	s.lock()
	defer s.mu.Unlock()
	until := s.clock.Now().Add(hold)
	if s.is("long holds overflow") {
		until = time.Unix(0, s.clock.Now().UnixNano()+int64(hold))
	}
	for _, key := range keys {
		found := s.record(s.live(key))
		r := s.records[key]
		switch {
		case r == nil:
			r = &toyRecord{}
		case s.live(key) == nil && !s.clock.Now().Before(r.held):
			r = &toyRecord{}
		case s.live(key) == nil:
			r.has = false
		}
		s.records[key] = r
		switch {
		case s.is("generations begin anew with the record"):
			r.generation = 1
		case s.is("claims keep each other out") && r.generation != 0:
			s.generation++
			r.generation = s.generation
		case r.generation == 0:
			s.generation++
			r.generation = s.generation
		}
		if until.After(r.held) || s.is("a short hold shortens a long one") {
			r.held = until
		}
		switch {
		case s.is("claims are found") && !r.has:
			r.has, r.end = true, until
		case s.is("a claim lengthens the time") && r.has && !r.end.IsZero() && r.end.Before(until):
			r.end = until
		case s.is("a claim takes the record away"):
			r.has = false
		}
		r.claims++
		token := binary.BigEndian.AppendUint64(nil, uint64(r.generation))
		token = binary.BigEndian.AppendUint64(token, uint64(entry.At(until)))
		token = binary.BigEndian.AppendUint64(token, uint64(r.claims))
		token = binary.BigEndian.AppendUint64(token, uint64(r.filled))
		claims = append(claims, storage.Claimed{Record: found, Token: string(token)})
	}
	return claims, nil
}

func (s *toy) Fill(ctx context.Context, fills ...storage.Filling) ([]bool, error) {
	if err := s.done(ctx); err != nil {
		return nil, err
	}
	s.lock()
	defer s.mu.Unlock()
	stored := make([]bool, len(fills))
	for i, f := range fills {
		if len(f.Token) != 32 {
			stored[i] = s.is("any token is good")
			continue
		}
		generation, until := int(binary.BigEndian.Uint64([]byte(f.Token))), time.Unix(0, int64(binary.BigEndian.Uint64([]byte(f.Token[8:]))))
		r := s.records[f.Key]
		number := int(binary.BigEndian.Uint64([]byte(f.Token[16:])))
		if f.Touch && !s.is("a touching fill makes the value younger") {
			number = int(binary.BigEndian.Uint64([]byte(f.Token[24:])))
		}
		switch {
		case r != nil && s.live(f.Key) != nil && number < r.filled && !s.is("of two who fill the last holds"),
			s.is("a claim takes the fills of earlier ones away") && r != nil && number < r.claims && !f.Touch,
			s.is("a claim ends with the record") && r != nil && r.has && s.live(f.Key) == nil,
			r == nil, r.generation != generation,
			!s.clock.Now().Before(r.held) && !s.is("claims are good for ever"),
			!s.clock.Now().Before(until) && !s.is("claims are good for ever"):
			if s.is("a refused fill ends the bulk") {
				return stored, nil
			}
			continue
		}
		if s.is("a fill looks and stores one after the other") {
			s.apart()
		}
		end := s.end(f.Keep)
		if s.is("a fill keeps the time") && s.live(f.Key) != nil {
			end = r.end
		}
		next := &toyRecord{value: s.value(f.Value), has: true, end: end, kept: f.Keep, generation: r.generation, held: r.held, claims: r.claims, filled: number}
		if s.is("a fill takes other claims away") {
			s.generation++
			next.generation = s.generation
		}
		s.records[f.Key], stored[i] = next, true
	}
	return stored, nil
}

func (s *toy) CompareAndSwap(ctx context.Context, was storage.Claimed, item storage.Item) (bool, error) {
	if err := s.done(ctx); err != nil {
		return false, err
	}
	s.lock()
	defer s.mu.Unlock()
	r, there, token := s.records[item.Key], s.live(item.Key), was.Token
	if len(token) != 32 {
		if !s.is("any token is good") || r == nil {
			return false, nil
		}
		token = strings.Repeat("\x00", 32)
	}
	generation, until := int(binary.BigEndian.Uint64([]byte(token))), time.Unix(0, int64(binary.BigEndian.Uint64([]byte(token[8:]))))
	if s.is("a swap takes what has ended for what is there") && r != nil && r.has {
		there = r
	}
	same := was.Found == (there != nil) && (there == nil || bytes.Equal(there.value, was.Value))
	good := r != nil && r.generation == generation && (s.clock.Now().Before(until) || s.is("claims are good for ever"))
	switch {
	case s.is("a swap looks at the claim alone"):
		same = true
	case s.is("a swap looks at the value alone"):
		good = r != nil && r.generation != 0
	case s.is("an empty value is none") && len(was.Value) == 0 && (there == nil || len(there.value) == 0):
		same = true
	case s.is("a touch keeps swaps out") && there != nil && there.kept != 0 && there.kept != long:
		same = false
	case s.is("any token is good") && same:
		good = true
	}
	if !same || !good {
		return false, nil
	}
	if s.is("a swap looks and stores one after the other") {
		s.apart()
	}
	if item.Keep <= 0 && s.is("a swap for zero is forever") {
		item.Keep = storage.Forever
	}
	if s.is("a swap stores nothing") {
		return true, nil
	}
	s.set(item.Key, item.Value, item.Keep)
	if next := s.records[item.Key]; next != nil && s.is("a swap leaves other claims good") {
		next.generation, next.held = r.generation, r.held
	}
	return true, nil
}

func (s *toy) String() string { return fmt.Sprintf("toy in which %s", s.fault) }

// seconds is a toy that rounds times up.
type seconds struct {
	*toy
	to time.Duration
}

func (s seconds) up(keep time.Duration) time.Duration {
	return (&bytesSubject{Store: Store{Resolution: max(1, s.to)}}).rounded(keep)
}

func (s seconds) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	return s.toy.Set(ctx, key, value, s.up(keep))
}

func (s seconds) SetMany(ctx context.Context, items []storage.Item) error {
	items = slices.Clone(items)
	for i := range items {
		items[i].Keep = s.up(items[i].Keep)
	}
	return s.toy.SetMany(ctx, items)
}
