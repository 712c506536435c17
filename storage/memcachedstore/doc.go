// Package memcachedstore keeps records in memcached, with the client
// github.com/bradfitz/gomemcache. Import it, and storage.Open knows:
//
//	memcached://host:11211
//	memcached://host1:11211,host2:11211,host3?timeout=250ms&pool=16
//	memcached:///run/memcached.sock
//
// timeout is how long a server may take to answer in full, and as long to be
// connected to (default 250 ms), pool how many trips to each server may be under way
// at a time, and how many connections are kept (default 16), max-value the largest
// value in bytes, and the most of all values of one answer (default 67108864). Nothing
// connects before it is needed, and names are resolved whenever something connects. [New]
// takes a client that you have set up yourself, say for TLS.
//
// # What is atomic
//
// Set is one step, value and time. Add is one, or a few that are compared and
// swapped where an expired record or a claim is in the way. Delete reads first, for
// memcached does not say whether what it dropped was expired. Claim and Fill are
// atomic for each key. Nothing is atomic over several keys.
//
// The store can't list its keys, nor give records another time or set many in one
// round trip, so it is no storage.ListerBytes, ToucherBytes and BulkBytes. It has
// the part of the last that is one round trip to each server, [Store.GetMany].
//
// # What is lost when
//
// memcached drops what was not used for longest whenever it needs room, and
// everything when it restarts. A claim that is lost in this way can't be filled,
// nothing worse. A server that is away is an error of all that has its keys there;
// the other servers work on. Which server has a key is told by rendezvous hashing
// (Thaler and Ravishankar, 1998) of the names in the URL: when a server is added
// or taken away, the keys of all others stay where they are. Give all processes
// the same names. A server that comes back after it was cut off has what it had:
// restart it before it joins.
//
// # Time
//
// memcached counts whole seconds and does not tell what is left, so records carry
// their end, by the wall clock of the process that wrote them. Between machines
// whose clocks differ, records live longer or shorter by as much; claims are held
// longer or shorter too, so let holds exceed the difference. memcached's own time
// is rounded up, and only frees memory; beyond the year 2038 it has none.
//
// # Keys and values
//
// Keys are those of ring (Python): one of fewer than 250 bytes, all of them between
// '!' and '~', is kept as it is, any other is hashed to ring-sha1:HEX. So that no
// two keys meet, what begins with ring-sha1: is hashed too. The values are not
// ring's: before each stand 32 bytes with its end, its generation for claims, and a
// checksum. What has no such header is an error ([ErrForeign]) and is overwritten by
// the next Set.
//
// A server takes values up to 1 MiB, unless it was started with, say, -I 8m: larger
// ones are [ErrTooLarge].
//
// # Contexts
//
// The client knows no contexts: a call whose context ends returns at once, while
// its trip goes on until it ends or its timeout does, and keeps its place in the
// pool. A write that was left so may take effect until then, or not at all. A
// connection that was cut is replaced, and what was asked on it asked once more.
//
// # What a server can do
//
// A server is not trusted. A trip ends with the timeout, counted once from the
// request to the last byte of the answer, however slowly that comes. Values that
// were not asked for, and that have more than max-value bytes together, are
// [ErrAnswer]: they are not read, nor is memory taken for what they only promise.
// So a server can cost pool times max-value bytes at most. Panics of a client are
// errors. [Store.Close] returns whatever goes on. A client of your own gets the same
// bounds by [New], as far as it says there.
//
// # How it is run
//
//	memcached -m 1024 -c 1024
//
// It has no password here and no encryption: let nobody reach it but the service.
package memcachedstore
