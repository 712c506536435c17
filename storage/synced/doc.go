// Package synced has named values that processes share over a Redis server, and that they
// can use while the server is away:
//
//	memory, err := synced.Open(ctx, synced.Prefix("svc:"))     // REDIS_HOST, REDIS_PORT, REDIS_PREFIX
//	flags := memory.Scope("flags")                              // names of its own
//	dark, err := synced.NewVar[bool](flags, "dark-mode")
//
//	v, err := dark.Get(ctx)
//	err = dark.Set(ctx, true)
//	v, err = dark.Update(ctx, func(now bool) (bool, error) { return !now, nil })
//
//	jobs, err := synced.NewList[string](memory, "jobs")         // Append, Insert, Remove, Pop, PopAt, All
//	counts, err := synced.NewDict[int](memory, "counts")        // Put, Merge, Update, Remove, Pop, PopOr, All
//
// It is synced-memory's Memory without its defects. A value is typed, and is read and
// changed by methods, which return the caller's own copy.
//
// # While the server is away
//
// Reads return what this process saw last: what there was when the memory was made,
// and what it has read or changed since, of all of which the 10,000 records, of 64 MiB,
// that were used last (see resilient.Copy). That more are forgotten is told by a
// resilient.Forgot, which is logged, with how many. With resilient.FailAway, which
// Open sets, what was never seen, or is forgotten, is resilient.ErrAway; it is
// ErrMissing without.
//
// Changes wait. Each returns an error that matches ErrQueued, is seen by this
// process at once, and is sent when the server is back:
//
//   - Set and Delete are done if nobody else has changed the value since this
//     process saw it last; else they are dropped, which is a conflict. So no old
//     value replaces a newer one, and nothing that was deleted comes back. Of
//     several of one name the last counts.
//   - Update, and what changes a part of a list or a dict, is done to the value
//     that is found then, so that nothing that anybody has changed is lost.
//
// A change that was under way when the server went away, and of whose value there
// is none a minute later, is dropped too. So is an Update that was, if the server has
// lost its data and the value is not what it was made on: see resilient.ErrInDoubt.
//
// A server that comes back without its data gets back what each process that
// watches was the last to change, as often as that happens, and as far as it has
// copies: see resilient.WriteAgain, which Open sets. How many it makes again, and how
// many it has forgotten, is told by a resilient.Emptied.
//
// What is dropped is logged, counted in Stats, and told to resilient.Observe with
// its key. Changes that wait are in memory: they are gone with the process, unless
// Close could send them.
//
// # What is stored
//
// A value is one record in the layout value of redisstore: a hash with the field
// v, which is what the codec makes of the value, by default JSON. A List is its
// elements as one value and a Dict is its keys and values, so that a Var of a
// slice or a map, of the same name and codec, has the same value. They are made
// for hundreds of elements and not for millions: each change sends the whole.
//
// The key is the prefix, the names of the scopes with a colon each, and the name,
// in which % and : are escaped: svc:flags:dark-mode.
//
// # Servers
//
// It is run against Redis 7.0.15. These are the commands in use, besides those
// that connect (HELLO or AUTH, SELECT):
//
//	commands  EVAL EVALSHA EXISTS GET HDEL HMGET HSET HSTRLEN PERSIST PEXPIRE PING PSUBSCRIBE PTTL PUBLISH SCAN SET TIME
//
// GET, SET and TIME see to the key perennial:state, by which a server that has lost
// its data is known.
//
// JSON is read and written in the process and never by the server, whose cjson
// makes {} of [] and a float of a large number. Text that is no UTF-8, which JSON would
// change, is refused with ErrValue: keep it as []byte, or give a
// Codec, such as that of serde.Gob. Where another program has written such text, or an
// escape of half a letter, such as \ud800, reading it is ErrForeign.
//
// To delete a value by hand, use what tells those who watch: Delete, or a Remove. A DEL
// on the server tells nobody: a process that watches serves the value for up to a minute
// more (resilient.RecheckAfter), and writes it again if the server loses its data before
// that. The same goes for what the server evicts.
package synced
