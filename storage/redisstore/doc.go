// Package redisstore keeps records in Redis, over github.com/redis/go-redis/v9. Importing
// it makes its URLs available to storage.Open:
//
//	import _ "github.com/perennial-go/perennial/storage/redisstore"
//
//	store, err := storage.Open(ctx, "redis://localhost:6379/0?prefix=svc:")
//
// Use a client that you have configured with storage.Share:
//
//	store, err := storage.Share(redisstore.New(client), storage.Prefix("svc:"))
//
// # Layouts
//
// [Entries], the layout entry, is the default: a hash for each key. It supports all that a
// function needs of a store. Above all it is a storage.FencedBytes: it refuses, across
// processes, values that were loaded before the record was deleted or set. It is a
// storage.SwapperBytes too, for Update. The fields of the hash are
//
//	v  the value
//	g  its generation: random, made anew by every set and, after a deletion, by
//	   the first claim
//	k  for how long it is kept, in ms; -1 without end
//	e  the instant at which it ends, in ms of the server's clock; none without end
//	h  until when there are claims, in ms of the server's clock
//	x  by how many ms the key outlives its value, because of a claim
//
// A key that is claimed and has no value has g and h, and is not found.
//
// [Strings], the layout string, uses SET and GET: for entries that are shared with other
// programs, and for servers without scripts. It has no fence.
//
// [Fields], the layout field, is one hash with a field for each key, like ring's
// redis_hash. Its records have no time to live of their own: the instants in the value
// count. It has no fence, and no Touch.
//
// [Values], the layout value, is for state that processes share: a hash for each key, with
// a version that every change replaces. It is a storage.VersionedBytes and a
// storage.WatcherBytes. The fields of the hash are
//
//	v  the value; none in what is known of a record that is no more
//	k  for how long it is kept, in ms; -1 without end
//	i  its version, or that of its deletion
//	p  this version and those before it that are known, each with its maker
//
// The key outlives its value by a minute: a change that is sent again is recognized, and
// changes nothing, even if the record was deleted since. Data of another layout under a
// key is never changed: see [ErrForeign]. Every change is published on the channel
// perennial:value:DATABASE:KEY, with the version that it makes, or nothing for a deletion.
// Evictions are not published: a server of shared state needs maxmemory-policy noeviction,
// or one that evicts only keys with an end, and no end on keys that matter.
//
// # What is atomic
//
// Every write of a key, value and time, is one step: no reader sees a value with the time
// of another, a key without its end, or a part of a value. In a bulk each key is one step,
// the bulk as a whole is not. A bulk is one round trip; in a cluster, one to each node that
// has some of the keys, at the same time. The first call after a server has started takes
// another one, because the server does not know the scripts yet.
//
// The layouts entry and value use the server's clock alone, and no client's. A claim's hold
// and a record's end are instants of the server's clock: setting that clock moves both.
//
// A read of the layouts string and value, and of the layout entry in a cluster, is
// two or three commands in one round trip, which others may come between: what is
// found then has its own time or less. (In the layout string, a value that is replaced
// twice within one read can be given the time of a neighbour.)
//
// # What is lost when
//
// A deletion keeps out whatever was claimed before it as soon as the server has
// acknowledged it, and for as long as the server remembers it:
//
//   - A record that the server evicts, or loses in a restart, takes its claims
//     with it: their fills are refused. That errs on the safe side.
//   - A server that is restarted from an older state, as with appendfsync everysec
//     or a snapshot, or a replica that becomes master before it has heard of a
//     deletion, has the record again that was deleted, and its claims too. With
//     appendonly yes and appendfsync always a restart loses nothing. Against a
//     failover helps min-replicas-to-write, in part; Redis replicates after it
//     acknowledges.
//   - In the layout value, a change that the server has acknowledged and loses so
//     is gone, and the record has its older version again, on which others may
//     build.
//   - Reads must come from masters: a client that reads from replicas (ReadOnly,
//     RouteByLatency, RouteRandomly), or keeps answers on its own side, sees
//     deletions late.
//
// Where a connection breaks before an answer comes, go-redis sends the commands
// again. That changes nothing but what is told: Delete may say that there was no
// record; Add, in the layouts string and field, that there was one; CompareAndSwap, that
// it can't be known whether it was done, where others have changed the record since. The layout
// value knows what is sent again, and tells the truth; in the others a Set or
// Delete that is sent again may undo what came between.
//
// # URLs
//
//	redis://user:password@host:6379/0                a server, and the number of its database
//	redis+unix://:password@/run/redis.sock?db=0      the same on a Unix socket
//	redis+cluster://host:6379,host:6379              some of the nodes of a cluster
//	redis+sentinel://host:26379,host:26379/NAME/0    sentinels, the name of the master that they watch, and its database
//
// With rediss for redis, all but the Unix socket are under TLS; a server that
// does not prove who it is is refused. User, password, port and database can be
// left out; what is special in a password is escaped, as %40 for @. The
// parameters, beside those that storage.Open knows:
//
//	layout             entry, string, field or value; default entry
//	hash               the name of the hash; for the layout field, which needs it
//	timeout            for connecting, for reading, and for writing, each; default 1s. A context that ends sooner has its way
//	pool               how many connections there are at most, to each server; default 10 for each CPU
//	retries            how often commands are sent again after a connection broke or could not be had; default 1.
//	                   In a cluster it is 3, at least 1, and counts being sent to another node too
//	max-value          the largest value in bytes; default 67108864, 64 MiB
//	db                 redis+unix: the number of the database
//	sentinel-user      redis+sentinel, rediss+sentinel: what the sentinels want, if anything
//	sentinel-password
//	tls-ca             rediss: a PEM file of those who certify the server; default: those the system trusts
//	tls-name           rediss: the name in the server's certificate; default: the host
//	tls-cert, tls-key  rediss: PEM files by which the client proves who it is
//
// A parameter that is unknown is an error before anything connects. A server that
// is away does not keep a store from being opened: what is asked of it fails. With
// the defaults that takes 10 to 30 ms where the server's machine refuses, and to
// the end of the context where it does not answer.
//
// # Contexts and goroutines
//
// The deadline of a context is kept to while a call waits for the server; that a
// context is cancelled without a deadline is noticed before and after, and so
// within timeout. A client that is handed in needs ContextTimeoutEnabled for it,
// and a version of go-redis other than v9.14.0, which tells the error of a bulk's
// first key of all its keys.
//
// A Watch of the layout value runs on its caller's goroutine, over a connection of
// its own.
//
// Nothing runs while nobody calls, but for what go-redis runs: in a client of
// sentinels, three goroutines that listen to them; and where a server is
// away, one that tries to reach it once a second. Both end with Close.
//
// # Servers
//
// It is run against Redis 7.0.15, alone, as a cluster and with sentinels, with
// go-redis v9.7.3, which is the lowest that is supported, and v9.23.0. By what it
// asks of a server, Redis 5 should do. The commands that a user must be allowed
// besides those that connect (HELLO or AUTH, SELECT, and CLUSTER in a cluster):
//
//	entry   PTTL HMGET EVALSHA EVAL TIME HGET HSET HDEL DEL PEXPIREAT PERSIST SCAN UNLINK
//	string  GET SET PTTL DEL EXISTS PEXPIRE PERSIST SCAN UNLINK
//	field   HGET HMGET HSET HSETNX HDEL HEXISTS HSCAN
//	value   PTTL HMGET EVALSHA EVAL EXISTS PUBLISH HSET HSTRLEN HDEL PEXPIRE PERSIST SCAN, and the channels
//	        perennial:*; PSUBSCRIBE and PING to watch; TIME, GET and SET of the key
//	        perennial:state to tell whether the server has lost its data
//
// # What answers that is no Redis server
//
// A value over max-value is refused once it has come, for to ask for its length first
// would be another round trip, or another command in each. What says that far more is
// to come, or is no answer, costs a connection that storage.Open has made: see [Guard].
// A client that is handed in believes what it is told. Whatever makes it panic is an
// error of the call; but an array of a million million elements ends the program, for
// want of memory, and so does a panic on the goroutines that a client of a cluster or of
// sentinels has of its own. Give it Guard.
package redisstore
