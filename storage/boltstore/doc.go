// Package boltstore keeps records in one file of this machine, with bbolt: they
// outlive the process. It is what shelve and diskcache are to Python. Import it,
// and storage.Open knows:
//
//	bolt:///var/cache/service.db?capacity=268435456&timeout=1s&sync=true
//	bolt://relative/to/the/working/directory.db
//
// capacity is the most bytes that keys and values may take (default 256 MiB),
// timeout how long to wait for another process to let go of the file (default
// 1 s), sync whether writes wait for the disk (default true). The directory must
// exist; the file is made, readable for its owner alone. One that is there and has
// another mode keeps it, with a warning of slog. [Open] does the same without a URL.
//
// A file that no store has written is [ErrForeign] and is not touched; nor is one
// that is empty, or so damaged that nothing in it tells that it was a store's. A
// process that is killed just when it makes its file may leave such a one: delete
// it.
//
// # What is atomic
//
// Every method but Keys and Clear is one transaction: SetMany, DeleteMany, Touch
// and Fill are done for all of their keys or, where they return an error that is
// not about single items, for none. Readers see the file as it was when they
// began, and neither wait for writers nor hold them up, but while the file grows.
// A write alone takes as long as the disk needs for two flushes. Those that come
// meanwhile share the next two, so that a hundred writers wait for the disk as
// long as one.
//
// A context that is done before a write has begun leaves the file as it was. One
// that is done later only ends the wait: the write can't be interrupted, and
// whether it took effect is open.
//
// # What is lost when
//
// What a method that returned nil has written survives the death of the process
// at any moment, kill -9 included, and with sync=true the loss of power as well.
// With sync=false the loss of power before Close may cost the latest writes, or
// the file.
//
// Where room is needed for a write, what was written first goes first. Expired
// records go with the writes that follow, a few with each. Both leave pages that
// bbolt uses again: the file grows to a small multiple of the capacity and stays
// there, it never shrinks.
//
// The clock is that of the machine, since the file outlives the process: when it
// is set, records live longer or shorter by as much.
//
// # Claims
//
// One process has the file, so claims live in its memory: those of a process
// that ended are refused, as they must be.
//
// # Damage
//
// A record that does not match its checksum is an error of the method that read
// it and is overwritten by the next Set. The file's structure is checked when it
// is opened, all of it, before bbolt maps it: a file that is cut short or
// overwritten would crash the process otherwise. That reads the whole file
// once. A store's file that does not hold is renamed to FILE.damaged-TIME, a new one
// takes its place, and that is reported: to Options.OnDamage, by a warning of
// slog where there is none, and by [Store.Damage]. Damage that is met later is
// reported in the same way, and renames the file; this Store then fails, and the
// next Open begins with a new file. (A file that is cut down to nothing under a
// running process is beyond help.)
//
// # How it is run
//
// One process at a time, on a local file system: locks of network file systems
// can't be trusted. A second Open of the same file fails within the timeout. To
// empty the store, delete the file while no process has it. To look into it use
// go.etcd.io/bbolt/cmd/bbolt; its writes are not this package's.
package boltstore
