package redisstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// Values is a store in the layout value: a hash for each key, with a version that every
// change replaces. It is a storage.VersionedBytes and a storage.WatcherBytes, for state
// that processes share. For values that can be loaded again use New.
//
// Values never changes data of another layout under its keys: see ErrForeign.
type Values struct {
	client
	who string // tells this store's changes from those of others
}

// NewValues makes a store in the layout value: see New for the client. Make one for each
// process, and share it: see Swap.
func NewValues(rdb redis.UniversalClient, opts ...Option) *Values {
	return newValues(newClient(rdb, layoutValue, opts))
}

func newValues(c client) *Values { return &Values{c, rand.Text()[:10]} }

// ErrForeign says that the key of a value holds data of another layout: a string, a list, a
// hash of another kind. Nothing is changed. It is a storage.ErrRefused too.
var ErrForeign = storage.Refused(errors.New("redisstore: something else is stored under the key"))

// explain is the package's explain, for a layout that replaces nothing foreign.
func (v *Values) explain(ctx context.Context, verb, key string, err error) error {
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		return foreign(verb, key)
	}
	return explain(ctx, verb, key, err)
}

func foreign(verb, key string) error {
	return fmt.Errorf("%w: %s %q: use a prefix that nobody else has, or delete it", ErrForeign, verb, key)
}

// glimpse is two commands that see a record of the layout value: how long its key
// has to live, and then what is stored. Others may change it between the two;
// what is found is then what was there at one instant or the other, and is never
// given more time than its own:
//
//	p                then           read                        found
//	of any record    nothing        p - kept, at most k         what is left of it
//	of none, over    a record       none; k if it has no end    as before it, or after
//	of a record      a record       k, at most p - kept         the later, with its time or less
//	of a record      a deletion     no k                        nothing
type glimpse struct {
	time   *redis.IntCmd
	fields *redis.StringSliceCmd // i, k and, unless it is only asked whether there is one, v
	check  *redis.Cmd            // whether the key is ours, where that is not clear
}

func glimpseAt(ctx context.Context, key string, fields ...any) *glimpse {
	return &glimpse{time: redis.NewIntCmd(ctx, "pttl", key), fields: redis.NewStringSliceCmd(ctx, append([]any{"hmget", key, "i", "k"}, fields...)...)}
}

// glimpses looks at keys in one round trip. One more is needed only where
// something is seen that may not be ours.
func (v *Values) glimpses(ctx context.Context, keys []string, fields ...any) []*glimpse {
	if len(keys) == 0 {
		return nil
	}
	all := make([]*glimpse, len(keys))
	cmds := make([]redis.Cmder, 0, 2*len(keys))
	for i, key := range keys {
		all[i] = glimpseAt(ctx, key, fields...)
		cmds = append(cmds, all[i].time, all[i].fields)
	}
	v.send(ctx, cmds...)
	var checks []*redis.Cmd
	var unclear []*glimpse
	for i, g := range all {
		if g.err() == nil && g.field(0) == "" && g.time.Val() != absent {
			checks, unclear = append(checks, script(ctx, valueCheckScript, keys[i])), append(unclear, g)
		}
	}
	if len(checks) > 0 {
		v.run(ctx, checks)
	}
	for i, g := range unclear {
		g.check = checks[i]
	}
	return all
}

// absent is the time to live of a key that is not there.
const absent = -2

func (g *glimpse) err() error { return cmp.Or(g.time.Err(), g.fields.Err()) }

func (g *glimpse) field(i int) string {
	if fields := g.fields.Val(); i < len(fields) {
		return fields[i]
	}
	return ""
}

// left is how long the value has to live, in ms: 0 where there is none.
func (v *Values) left(ctx context.Context, verb, key string, g *glimpse) (int64, error) {
	err := g.err()
	if err == nil && g.check != nil {
		err = g.check.Err()
	}
	if err != nil {
		return 0, v.explain(ctx, verb, key, err)
	}
	if len(g.fields.Val()) != len(g.fields.Args())-2 {
		return 0, fmt.Errorf("redisstore: %s %q: %w", verb, key, redisask.ErrAnswer)
	}
	if g.field(0) == "" || g.field(1) == "" {
		return 0, nil // nothing, or what is known of a record that is no more
	}
	k, err := strconv.ParseInt(g.field(1), 10, 64)
	if err != nil || k < redisask.Forever {
		return 0, foreign(verb, key)
	}
	p := g.time.Val()
	switch {
	case p < absent:
		return 0, fmt.Errorf("redisstore: %s %q: %w", verb, key, redisask.ErrAnswer)
	case k == redisask.Forever:
		return redisask.Forever, nil
	case p == redisask.Forever || p == absent:
		return k, nil // it is just set
	}
	return max(min(p-valueKept, k), 0), nil
}

// versioned is what is found.
func (v *Values) versioned(ctx context.Context, verb, key string, g *glimpse) (found storage.Versioned, err error) {
	ms, err := v.left(ctx, verb, key, g)
	if ms == 0 || err != nil {
		return found, err
	}
	value, err := v.read(key, g.field(2))
	if err != nil {
		return found, err
	}
	return storage.Versioned{Record: storage.Record{Value: value, Left: redisask.Duration(ms), Found: true}, Version: g.field(0)}, nil
}

// Get implements storage.Bytes.
func (v *Values) Get(ctx context.Context, key string) (storage.Record, error) {
	found, err := v.versioned(ctx, "get", key, v.glimpses(ctx, []string{key}, "v")[0])
	return found.Record, err
}

// Look implements storage.VersionedBytes.
func (v *Values) Look(ctx context.Context, keys ...string) ([]storage.Versioned, error) {
	found := make([]storage.Versioned, len(keys))
	var f faults
	for i, g := range v.glimpses(ctx, keys, "v") {
		var err error
		if found[i], err = v.versioned(ctx, "look at", keys[i], g); err != nil {
			f.add(ofItem(i, err))
		}
	}
	return found, f.err()
}

// ofItem is the fault of one of many, where it is that one's own matter.
func ofItem(i int, err error) error {
	if errors.Is(err, ErrForeign) || errors.Is(err, ErrTooLarge) {
		return &storage.ItemError{Item: i, Err: err}
	}
	return err
}

// channel is what the changes of a key are told on, without the key. Channels are
// those of a server, and not of a database of it.
func (v *Values) channel() string {
	db := 0
	if rdb, ok := v.redis.(*redis.Client); ok {
		db = rdb.Options().DB
	}
	return fmt.Sprintf("perennial:value:%d:", db)
}

// Set implements storage.Bytes. A value over the limit is ErrTooLarge. It is
// told from what others set even where the connection is lost before the answer
// comes, and it is sent again: it takes the place of nothing that came between.
func (v *Values) Set(ctx context.Context, key string, value []byte, keep time.Duration) error {
	if err := v.fits(key, value); err != nil {
		return err
	}
	_, err := v.yes(ctx, "set", script(ctx, valueSetScript, key, v.channel(), v.who, rand.Text(), value, redisask.Milliseconds(keep)))
	return err
}

// Delete implements storage.Bytes. It knows itself again as Set does.
func (v *Values) Delete(ctx context.Context, key string) (existed bool, err error) {
	return v.yes(ctx, "delete", script(ctx, valueDeleteScript, key, v.channel(), v.who, rand.Text()))
}

// yes runs a script that says yes or no.
func (v *Values) yes(ctx context.Context, verb string, cmd *redis.Cmd) (bool, error) {
	cmds := []*redis.Cmd{cmd}
	v.run(ctx, cmds)
	n, err := cmds[0].Int64()
	if err != nil {
		return false, v.explain(ctx, verb, keyOf(cmd), err)
	}
	return n == 1, nil
}

// Swap implements storage.VersionedBytes. The 16 changes before the last are
// known again, and beyond these the last one of each of 47 other stores, however
// many others have made since; those of a record that was deleted, or is over,
// for a minute.
func (v *Values) Swap(ctx context.Context, changes ...storage.Change) ([]bool, error) {
	made := make([]bool, len(changes))
	cmds, at := make([]*redis.Cmd, 0, len(changes)), make([]int, 0, len(changes))
	var f faults
	channel := v.channel()
	for i, c := range changes {
		if err := cmp.Or(c.Check(), v.fits(c.Key, c.Value)); err != nil {
			f.add(&storage.ItemError{Item: i, Err: err})
			continue
		}
		cmds, at = append(cmds, script(ctx, valueSwapScript, c.Key, channel, v.who, c.Becomes, c.Value, redisask.Milliseconds(c.Keep), c.Was)), append(at, i)
	}
	if len(cmds) == 0 {
		return made, f.err()
	}
	v.run(ctx, cmds)
	for j, cmd := range cmds {
		n, err := cmd.Int64()
		if err != nil {
			f.add(ofItem(at[j], v.explain(ctx, "swap", keyOf(cmd), err)))
		}
		made[at[j]] = n == 1
	}
	return made, f.err()
}

// Keys implements storage.ListerBytes. What is not of this layout is left out.
// While a cluster moves slots from one node to another, keys that are moved may
// be missed.
func (v *Values) Keys(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for keys, err := range v.scan(ctx, "keys", prefix) {
			if err != nil {
				yield("", err)
				return
			}
			keys = records(keys)
			for i, g := range v.glimpses(ctx, keys) {
				ms, err := v.left(ctx, "keys", keys[i], g)
				if errors.Is(err, ErrForeign) {
					continue
				}
				if err != nil {
					yield("", err)
					return
				}
				if ms != 0 && !yield(keys[i], nil) {
					return
				}
			}
		}
	}
}

// Clear implements storage.ListerBytes: each record is deleted as Delete does
// it. What is not of this layout stays, and is an ErrForeign once the rest is
// gone. While a cluster moves slots from one node to another, keys that are
// moved may be missed.
func (v *Values) Clear(ctx context.Context, prefix string) error {
	var f faults
	for keys, err := range v.scan(ctx, "clear", prefix) {
		if err != nil {
			f.add(err)
			break
		}
		keys = records(keys)
		cmds := make([]*redis.Cmd, len(keys))
		for i, key := range keys {
			cmds[i] = script(ctx, valueDeleteScript, key, v.channel(), v.who, rand.Text())
		}
		v.run(ctx, cmds)
		for i, cmd := range cmds {
			if _, err := cmd.Int64(); err != nil {
				f.add(v.explain(ctx, "clear", keys[i], err))
			}
		}
	}
	return f.err()
}
