package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/internal/redisask"
	"github.com/perennial-go/perennial/storage"
)

// A Set that is given up may be on its way, and arrive after a deletion that was
// acknowledged over another connection: what was deleted would be back. So it has an
// end, an instant of the server's clock, and is refused from then on; and it does not
// return before, unless it is known that nothing of it is under way. Where the
// server's time is not known, it is two trips: the first takes the key's generation,
// and the second stores where that is still the same, as a fill does. Where others have
// changed the key between the two it goes by the clock of the server that has the key,
// which the first has told. In a cluster, whose nodes have clocks of their own, it is
// always so.
//
//	what comes late        changes
//	set, add               nothing: it is refused by its end, or by the generation that it has seen
//	claim                  nothing that is found; nobody has its token
//	fill                   nothing, once the key was deleted or set
//	compare and swap       nothing, once the record has another value, or was deleted or set
//	touch                  the time of what is there, whoever has stored it
//	delete, clear          drops what is there, which may be newer
//
// go-redis sends commands again when a connection breaks. A Set that is sent a second
// time is not done, unless it finds what it has stored itself: it can't know whether
// it was done before, and deleted since.

// patience is how long a Set has whose context has no deadline.
const patience = 5 * time.Second

// KeepsOrder makes it storage.Ordered.
func (e *Entries) KeepsOrder() bool { return true }

// deadlineOf is until when what is sent under a context may be done.
func deadlineOf(ctx context.Context) time.Time {
	if d, ok := ctx.Deadline(); ok {
		return d
	}
	return time.Now().Add(patience)
}

// attempts counts how often a command was written to a connection: it is an argument
// of the command, and says so to the script.
type attempts struct{ n atomic.Int32 }

// MarshalBinary is called by go-redis whenever it writes the command.
func (a *attempts) MarshalBinary() ([]byte, error) {
	return strconv.AppendInt(nil, int64(a.n.Add(1)), 10), nil
}

// notDone is called for the arguments of a command that the server has answered with
// that it knows no such script: if it was sent once, it was not done.
func notDone(args []any) {
	for _, arg := range args {
		if a, ok := arg.(*attempts); ok {
			a.n.CompareAndSwap(1, 0)
		}
	}
}

// sent is a command that is refused if it comes late.
type sent struct {
	*redis.Cmd
	attempts *attempts
}

// underWay reports whether the command may be, or a copy of it.
func (s sent) underWay() bool {
	n, err := s.attempts.n.Load(), s.Err()
	var answer redis.Error
	switch {
	case n == 0, n == 1 && (err == nil || errors.As(err, &answer)):
		return false
	case err == nil:
		said, err := s.Int64()
		return err != nil || said == 0 || said == sentTwice
	}
	return true
}

// sentTwice is what addScript says where setScript says 0.
const sentTwice = -2

// inTime makes a command that is refused from an instant of the server's clock on.
func inTime(ctx context.Context, sha string, item storage.Item, end int64) sent {
	a := &attempts{}
	return sent{script(ctx, sha, item.Key, rand.Text(), item.Value, redisask.Milliseconds(item.Keep), end, a), a}
}

// runSent sends commands, and returns once nothing of them is under way.
func (e *Entries) runSent(ctx context.Context, all []sent, deadline time.Time) {
	cmds := make([]*redis.Cmd, len(all))
	for i, s := range all {
		cmds[i] = s.Cmd
	}
	e.run(ctx, cmds)
	wait := false
	for i, cmd := range cmds {
		all[i].Cmd = cmd
		wait = wait || all[i].underWay()
	}
	if wait {
		time.Sleep(time.Until(deadline))
	}
}

// end is an instant of the server's clock that it says at the deadline at the latest,
// where that is known.
func (e *Entries) end(deadline time.Time) (ms int64, ok bool) {
	if _, single := e.redis.(*redis.Client); !single {
		return 0, false
	}
	return e.clock.by(deadline)
}

var (
	errSentTwice     = errors.New("the connection broke and it was sent again, so that it can't be known whether it was done, and undone since: do it again")
	errSwapSentTwice = errors.New("the connection broke and it was sent again, and others have changed the record meanwhile, so that it can't be known whether it was done: look at the record before you do it again")
	errLate          = errors.New("it came too late to be done: do it again, with more time")
)

// setAll sets items, of different keys, and puts down what failed of each.
func (e *Entries) setAll(ctx context.Context, items []storage.Item, errs []error) {
	which := make([]int, len(items))
	for i := range which {
		which[i] = i
	}
	deadline := deadlineOf(ctx)
	if end, ok := e.end(deadline); ok {
		which = e.setBy(ctx, items, which, func(int) int64 { return end }, deadline, errs)
	}
	if len(which) > 0 {
		e.setOpened(ctx, items, which, deadline, errs)
	}
}

// setBy sets some of the items by their ends, and returns those that came too late.
func (e *Entries) setBy(ctx context.Context, items []storage.Item, which []int, end func(i int) int64, deadline time.Time, errs []error) (late []int) {
	began := time.Now()
	all := make([]sent, len(which))
	for j, i := range which {
		all[j] = inTime(ctx, setScript, items[i], end(i))
	}
	e.runSent(ctx, all, deadline)
	for j, i := range which {
		now, err := all[j].Int64()
		switch {
		case err != nil:
			errs[i] = explain(ctx, "set", items[i].Key, err)
		case now == 0:
			errs[i] = fmt.Errorf("redisstore: set %q: %w", items[i].Key, errSentTwice)
		case now < 0:
			late = append(late, i)
			e.clock.tells(began, -now)
		default:
			e.clock.tells(began, now)
		}
	}
	return late
}

// setOpened sets some of the items in two trips, and in one more where others have
// changed the key between the two.
func (e *Entries) setOpened(ctx context.Context, items []storage.Item, which []int, deadline time.Time, errs []error) {
	opened := e.open(ctx, "set", items, which, deadline, errs)
	which = slices.DeleteFunc(which, func(i int) bool { return errs[i] != nil })
	if len(which) == 0 {
		return
	}
	all := make([]sent, len(which))
	for j, i := range which {
		a := &attempts{}
		all[j] = sent{script(ctx, setOpenedScript, items[i].Key, rand.Text(), items[i].Value, redisask.Milliseconds(items[i].Keep), opened[i].g, a), a}
	}
	cmds := make([]*redis.Cmd, len(all))
	for j, s := range all {
		cmds[j] = s.Cmd
	}
	e.run(ctx, cmds)
	var changed []int
	for j, i := range which {
		n, err := cmds[j].Int64()
		switch {
		case err != nil:
			errs[i] = explain(ctx, "set", items[i].Key, err)
		case n == 1:
		case all[j].attempts.n.Load() > 1:
			errs[i] = fmt.Errorf("redisstore: set %q: %w", items[i].Key, errSentTwice)
		default:
			changed = append(changed, i)
		}
	}
	if len(changed) == 0 {
		return
	}
	for _, i := range e.setBy(ctx, items, changed, func(i int) int64 { return opened[i].end }, deadline, errs) {
		errs[i] = fmt.Errorf("redisstore: set %q: %w", items[i].Key, errLate)
	}
}

// opened is a key's generation, and what its server's clock says at the deadline at
// the latest.
type opened struct {
	g   string
	end int64
}

// open returns what it knows of the keys of some of the items, which keep their
// generations until the deadline.
func (e *Entries) open(ctx context.Context, verb string, items []storage.Item, which []int, deadline time.Time, errs []error) map[int]opened {
	began := time.Now()
	found, cmds := make(map[int]opened, len(which)), make([]*redis.Cmd, len(which))
	hold := time.Until(deadline) + time.Second
	for j, i := range which {
		cmds[j] = script(ctx, openScript, items[i].Key, rand.Text(), max(redisask.Milliseconds(hold), 1))
	}
	e.run(ctx, cmds)
	for j, i := range which {
		said, err := cmds[j].Slice()
		if err != nil {
			errs[i] = explain(ctx, verb, items[i].Key, err)
			continue
		}
		var g string
		var now int64
		if len(said) == 2 {
			g, _ = said[0].(string)
			now, _ = said[1].(int64)
		}
		if g == "" || now == 0 {
			errs[i] = fmt.Errorf("redisstore: %s %q: %w", verb, items[i].Key, redisask.ErrAnswer)
			continue
		}
		var there serverClock
		there.tells(began, now)
		end, _ := there.by(deadline)
		found[i] = opened{g, end}
		e.clock.tells(began, now)
	}
	return found
}

// addOne adds an item.
func (e *Entries) addOne(ctx context.Context, item storage.Item) (bool, error) {
	deadline := deadlineOf(ctx)
	const late = -1
	said := int64(late)
	if end, ok := e.end(deadline); ok {
		all := []sent{inTime(ctx, addScript, item, end)}
		e.runSent(ctx, all, deadline)
		var err error
		if said, err = all[0].Int64(); err != nil {
			return false, explain(ctx, "add", item.Key, err)
		}
	}
	if said == late {
		errs := make([]error, 1)
		found := e.open(ctx, "add", []storage.Item{item}, []int{0}, deadline, errs)
		if errs[0] != nil {
			return false, errs[0]
		}
		cmds := []*redis.Cmd{script(ctx, addOpenedScript, item.Key, rand.Text(), item.Value, redisask.Milliseconds(item.Keep), found[0].g)}
		e.run(ctx, cmds)
		var err error
		if said, err = cmds[0].Int64(); err != nil {
			return false, explain(ctx, "add", item.Key, err)
		}
	}
	if said == sentTwice {
		return false, fmt.Errorf("redisstore: add %q: %w", item.Key, errSentTwice)
	}
	return said == 1, nil
}
