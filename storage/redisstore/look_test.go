package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// apart is a hook that sends the commands of a pipeline one by one, and lets
// others in between.
type apart struct{ between func(i int) }

func (apart) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (apart) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (a apart) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		var first error
		for i := range cmds {
			if i > 0 {
				a.between(i)
			}
			if err := next(ctx, cmds[i:i+1]); first == nil {
				first = err
			}
		}
		return first
	}
}

// layout is what Entries and Strings can both do.
type layout interface {
	storage.Bytes
	storage.AdderBytes
	storage.ToucherBytes
}

// step is something that happens to a record.
type step struct {
	name string
	do   func(b layout, key string) error
}

func set(value string, keep time.Duration) step {
	return step{fmt.Sprintf("set %s for %v", value, keep), func(b layout, key string) error {
		return b.Set(context.Background(), key, []byte(value), keep)
	}}
}

func touch(keep time.Duration) step {
	return step{fmt.Sprintf("touch for %v", keep), func(b layout, key string) error {
		_, err := b.Touch(context.Background(), keep, key)
		return err
	}}
}

func claim(hold time.Duration) step {
	return step{fmt.Sprintf("claim for %v", hold), func(b layout, key string) error {
		if fenced, ok := b.(storage.FencedBytes); ok {
			_, err := fenced.Claim(context.Background(), hold, key)
			return err
		}
		return nil
	}}
}

func fill(value string, keep time.Duration) step {
	return step{fmt.Sprintf("fill %s for %v", value, keep), func(b layout, key string) error {
		fenced, ok := b.(storage.FencedBytes)
		if !ok {
			return nil
		}
		claims, err := fenced.Claim(context.Background(), 10*time.Minute, key)
		if err != nil {
			return err
		}
		_, err = fenced.Fill(context.Background(), storage.Filling{Item: storage.Item{Key: key, Value: []byte(value), Keep: keep}, Token: claims[0].Token})
		return err
	}}
}

func all(steps ...step) step {
	name := ""
	for _, s := range steps {
		name += s.name + ", "
	}
	return step{name[:len(name)-2], func(b layout, key string) error {
		for _, s := range steps {
			if err := s.do(b, key); err != nil {
				return err
			}
		}
		return nil
	}}
}

const (
	short = time.Minute
	long  = time.Hour
)

var (
	nothing = step{"nothing", func(layout, string) error { return nil }}
	del     = step{"delete", func(b layout, key string) error {
		_, err := b.Delete(context.Background(), key)
		return err
	}}
	befores = []step{
		nothing, claim(long), set("old", short), set("old", long), set("old", storage.Forever),
		all(set("old", short), claim(long)), all(set("old", short), claim(2*long)), all(set("old", long), claim(short)),
		all(set("old", storage.Forever), claim(long)), all(claim(long), fill("old", short)),
	}
	changes = []step{
		nothing, set("new", short), set("new", long), set("new", storage.Forever), set("new", 0), del, touch(short), touch(long), touch(storage.Forever),
		claim(short), claim(2 * long), claim(4 * long), fill("new", short), fill("new", long), fill("new", storage.Forever), fill("new", 0),
		all(touch(short), claim(4*long)), all(set("new", short), claim(4*long)), all(del, claim(long)), all(claim(4*long), set("new", short)),
	}
)

// Whatever happens to a record between the commands that read it, the value that
// is read has no more time than it has.
func TestReadWhileRecordChanges(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	for name, c := range map[string]struct {
		make  func(rdb redis.UniversalClient) layout
		truth func(t *testing.T, s *servers.Server, key string) (string, time.Duration)
		gaps  []int // between the commands of a read
		first bool  // the first command reads the record as a whole
	}{
		"entry":                  {func(rdb redis.UniversalClient) layout { return redisstore.New(rdb) }, truthOfEntry, []int{1}, true},
		"entry, as in a cluster": {func(rdb redis.UniversalClient) layout { return redisstore.New(someClient{rdb}) }, truthOfEntry, []int{1}, false},
		"string":                 {func(rdb redis.UniversalClient) layout { return redisstore.NewStrings(rdb) }, truthOfString, []int{1, 2}, false},
	} {
		t.Run(name, func(t *testing.T) {
			split := newClient(t, s)
			var between func(i int)
			split.AddHook(apart{func(i int) { between(i) }})
			reader, other := c.make(split), c.make(newClient(t, s))
			found := 0
			for _, gap := range c.gaps {
				for _, before := range befores {
					for _, change := range changes {
						name := fmt.Sprintf("%s: %s, then at %d %s", name, before.name, gap, change.name)
						if err := before.do(other, name); err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						var value string
						var most time.Duration
						between = func(i int) {
							if c.first {
								value, most = c.truth(t, s, name)
							}
							if i == gap {
								if err := change.do(other, name); err != nil {
									t.Fatalf("%s: %v", name, err)
								}
							}
						}
						got, err := reader.Get(t.Context(), name)
						if err != nil {
							t.Fatalf("%s: %v", name, err)
						}
						if !got.Found {
							continue
						}
						found++
						const slow = 30 * time.Second // between the two reads
						if !c.first {
							value, most = c.truth(t, s, name)
						}
						if string(got.Value) != value { // it was replaced after it was read
							most = keepsOf[before.name]
						}
						if got.Left > most && (most == storage.Forever || got.Left > most+slow) {
							t.Errorf("%s: %q is read with %v left, and has %v", name, got.Value, got.Left, most)
						}
					}
				}
			}
			if least := len(c.gaps) * len(befores) * len(changes) / 4; found < least {
				t.Errorf("a value is found %d times, want %d at least: the test sees too little", found, least)
			}
		})
	}
}

// someClient is a client that may be one of a cluster.
type someClient struct{ redis.UniversalClient }

// keepsOf is what the values had that are replaced after they are read.
var keepsOf = map[string]time.Duration{
	set("old", short).name: short, set("old", long).name: long, set("old", storage.Forever).name: storage.Forever,
	all(set("old", short), claim(long)).name: short, all(set("old", short), claim(2*long)).name: short, all(set("old", long), claim(short)).name: long,
	all(set("old", storage.Forever), claim(long)).name: storage.Forever,
}

// truthOfEntry is a value and what it has left, without the help of what is
// tested: by the instant of its end, of which there is none where it has none.
func truthOfEntry(t *testing.T, s *servers.Server, key string) (string, time.Duration) {
	end := s.Command("HGET", key, "e")
	if end == "" {
		return s.Command("HGET", key, "v"), storage.Forever
	}
	ms, err := strconv.ParseInt(end, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return s.Command("HGET", key, "v"), time.Until(time.UnixMilli(ms))
}

func truthOfString(t *testing.T, s *servers.Server, key string) (string, time.Duration) {
	ms, err := strconv.ParseInt(s.Command("PTTL", key), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if ms == -1 {
		return s.Command("GET", key), storage.Forever
	}
	return s.Command("GET", key), time.Duration(ms) * time.Millisecond
}

// A record is read while others replace it all the time by one of shorter life,
// and back.
func TestReadUnderHammer(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	split := newClient(t, s)
	split.AddHook(apart{func(int) {}})
	e := redisstore.New(newClient(t, s))
	readers := []*redisstore.Entries{redisstore.New(split), redisstore.New(someClient{split}), e}
	var writing, reading sync.WaitGroup
	var over atomic.Bool
	var shorts, longs, mixed atomic.Int64
	for _, change := range []step{set("S", short), set("L", long), all(set("L", long), claim(2*long)), fill("S", short), all(set("S", short), claim(2*long))} {
		writing.Go(func() {
			for range 400 {
				if err := change.do(e, "key"); err != nil {
					t.Errorf("%s: %v", change.name, err)
					return
				}
			}
		})
	}
	for _, reader := range readers {
		reading.Go(func() {
			for !over.Load() {
				r, err := reader.Get(t.Context(), "key")
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				switch {
				case !r.Found:
				case string(r.Value) == "S" && r.Left > short, string(r.Value) == "L" && r.Left > long:
					t.Errorf("%s is read with %v left", r.Value, r.Left)
					return
				case string(r.Value) == "S":
					shorts.Add(1)
				case r.Left <= short:
					mixed.Add(1) // a long one with the time of a short one
				default:
					longs.Add(1)
				}
			}
		})
	}
	writing.Wait()
	over.Store(true)
	reading.Wait()
	t.Logf("%d short ones, %d long ones, %d long ones with too little left", shorts.Load(), longs.Load(), mixed.Load())
	if shorts.Load() == 0 || longs.Load() == 0 {
		t.Error("the readers saw only one kind: the test sees too little")
	}
}
