// Package tree keeps nested values in Redis that processes share, and reach by
// paths: settings, counters, the state of jobs.
//
//	t, err := tree.New(client, tree.Prefix("cfg:"))
//
//	err = t.Set(ctx, tree.Path("db.pool"), map[string]any{"size": 10, "idle": "5m"})
//	size, err := tree.Get[int](ctx, t, tree.Path("db.pool.size"))      // 10
//	all, err := t.Get(ctx, tree.Path("db"))                            // map[pool:map[idle:5m size:10]]
//	n, err := t.Add(ctx, []string{"hits", "www.example.org"}, 1)       // an element is any text
//	err = t.Set(ctx, tree.Path("job.7"), state, tree.For(time.Minute)) // ends by itself
//
// It does what redicts does for Python, but for its locks: those are in
// storage/lock. docs/seeds.md has what differs.
//
// # What a tree is
//
// A nested map. There is a value at a path, or a node with elements below it, or
// nothing; never two of them. So a value that is set takes the place of a whole
// node, and what is set below a value takes the place of that value. A node is
// there as long as something is below it: when its last element is deleted or
// ends, it is gone. An empty map is a value.
//
// Every call but Children and Leaves is one atomic step. What Get returns was
// there as a whole at one instant, also while others write, and a Set that others
// read is there as a whole or not at all. Of two who set at the same time the last
// holds; who must not overwrite what another has set meanwhile holds a lock, or uses
// storage/synced.
//
// # Lives
//
// A leaf can end: For and Expire give it so long to live by the server's clock,
// and no client's clock is looked at. What has ended is found by no call. It takes
// memory until the tree is written to, each write dropping 64 that have ended and as
// many as it brings; where all of a tree ends, its keys end with it.
//
// # What is stored
//
// Under {PREFIX}leaves a sorted set, a leaf a member: path, end, and JSON, so
// that a subtree is one range of it, and no call looks at more than its subtree.
// Under {PREFIX}ends the leaves that end, by when, and under {PREFIX}adds the last
// additions, so that none is made twice. In a cluster all of a tree is on one
// node; trees of other prefixes are on others. Use a server that evicts nothing:
// it would evict a whole tree.
//
// A call is one script on the server, or one transaction, and the server answers
// nobody else meanwhile. It takes some µs, and for each leaf of the subtree less than
// 1 µs to read and 1 to 7 µs to write. MaxLeaves keeps every call within bounds;
// Children and Leaves, for what is larger, go by 500 at a time.
//
// # Large subtrees
//
// What has more leaves than MaxLeaves is not got, replaced, deleted or given an end:
// that is ErrTooLarge. It is deleted branch by branch, which is no longer one step:
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
//		_, err := t.Delete(ctx, path) // what has ended
//		return err
//	}
//
// The same goes for Expire. Clear drops a whole tree at once, of whatever size.
//
// # What is lost when
//
// What the server has acknowledged is as durable as the server: with appendonly
// yes and appendfsync always a restart loses nothing; a replica that becomes master
// may lack the last writes. While the server is away every call is an error.
// Where a connection breaks before the answer comes, go-redis sends the command
// again: Delete and Expire may then tell of what the first one left, and a Set may
// come once more after somebody else's; Add knows itself again. A client that
// reads from replicas (ReadOnly, RouteByLatency, RouteRandomly) sees the past.
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
// What is no answer of a Redis server is an error of the call. But the client believes
// a server that says that far more is to come than memory holds, and some clients panic
// on goroutines of their own: give it redisstore.Guard where that matters.
package tree
