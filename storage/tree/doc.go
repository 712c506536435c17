// Package tree keeps nested values in Redis, which processes share and address by path:
// settings, counters, the state of jobs.
//
//	t, err := tree.New(client, tree.Prefix("cfg:"))
//
//	err = t.Set(ctx, tree.Path("db.pool"), map[string]any{"size": 10, "idle": "5m"})
//	size, err := tree.Get[int](ctx, t, tree.Path("db.pool.size"))      // 10
//	all, err := t.Get(ctx, tree.Path("db"))                            // map[pool:map[idle:5m size:10]]
//	n, err := t.Add(ctx, []string{"hits", "www.example.org"}, 1)       // an element is any text
//	err = t.Set(ctx, tree.Path("job.7"), state, tree.For(time.Minute)) // expires
//
// It does what redicts does for Python; the locks of redicts are in storage/lock.
// docs/seeds.md lists the differences.
//
// # What a tree is
//
// A tree is a nested map. At a path there is a value, or a node with elements below it, or
// nothing. Setting a value replaces a whole node, and setting something below a value
// replaces that value. A node exists as long as something is below it: it goes when its
// last element is deleted or expires. An empty map is a value.
//
// Every call but Children and Leaves is one atomic step. Get returns what was there at one
// instant, also while others write, and others see all of a Set or nothing. If two set at
// once, the last one wins: to avoid that, hold a lock, or use storage/synced.
//
// # Expiry
//
// For and Expire give a leaf a time to live, by the server's clock and no client's. No call
// finds a leaf that has expired. It takes memory until the tree is written to: each write
// deletes 64 expired leaves and as many more as it adds. If all leaves of a tree expire, so
// do its keys.
//
// # What is stored
//
// {PREFIX}leaves is a sorted set with a member for each leaf: path, end, and JSON. A subtree
// is one range of it, and no call reads more than its subtree. {PREFIX}ends has the leaves
// that expire, by time, and {PREFIX}adds the last additions, so that none is made twice. In
// a cluster a tree is on one node, and trees of other prefixes may be on others. Use a
// server that evicts nothing: it would evict a whole tree.
//
// A call is one script on the server, or one transaction, and blocks the server meanwhile:
// for some µs, and for each leaf of the subtree less than 1 µs to read and 1 to 7 µs to
// write. MaxLeaves bounds every call. Children and Leaves are for larger subtrees, and read
// 500 leaves at a time.
//
// # Large subtrees
//
// A subtree of more leaves than MaxLeaves can't be read, replaced, deleted or given an end
// at once: that is ErrTooLarge. Delete it branch by branch, which is not atomic:
//
//	func deleteAll(ctx context.Context, t *tree.Tree, path []string) error {
//		if _, err := t.Delete(ctx, path); !errors.Is(err, tree.ErrTooLarge) {
//			return err
//		}
//		for child, err := range t.Children(ctx, path) {
//			if err != nil {
//				return err
//			}
//			if err := deleteAll(ctx, t, append(slices.Clip(path), child)); err != nil {
//				return err
//			}
//		}
//		_, err := t.Delete(ctx, path) // expired leaves
//		return err
//	}
//
// The same goes for Expire. Clear deletes a whole tree at once, of any size.
//
// # What is lost when
//
// Acknowledged writes are as durable as the server: with appendonly yes and appendfsync
// always a restart loses nothing; a replica that becomes master may lack the last writes.
// While the server is away every call is an error. If a connection breaks before the answer
// comes, go-redis sends the command again: Delete and Expire may then report what the first
// one left, and a Set may be repeated after somebody else's. Add is made once. A client
// that reads from replicas (ReadOnly, RouteByLatency, RouteRandomly) sees old values.
//
// # Servers
//
// It is run against Redis 7.0.15, alone and as a cluster. By what it asks of a
// server, Redis 5 should do. The commands that a user must be allowed, besides those
// that connect (HELLO or AUTH, SELECT, and CLUSTER in a cluster), and the keys
// {PREFIX}*:
//
//	EVALSHA EVAL MULTI EXEC UNLINK
//	TIME ZCARD ZLEXCOUNT ZRANGEBYLEX ZRANGEBYSCORE ZREVRANGE ZADD ZREM ZREMRANGEBYLEX
//	HGET HSET HDEL HINCRBY DEL PEXPIRE PEXPIREAT PERSIST
//
// An answer that no Redis server gives is an error of the call. But go-redis allocates as
// much as a server announces, and some clients panic on goroutines of their own: use
// redisstore.Guard if that matters.
package tree
