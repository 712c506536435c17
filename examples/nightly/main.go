// Nightly runs a job once a night, though three machines start it at the same
// time, and shows why the job's database looks at fencing tokens. It needs a
// Redis server:
//
//	go run ./examples/nightly -redis localhost:6379
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/perennial-go/perennial/storage/lock"
)

func main() {
	addr := flag.String("redis", "localhost:6379", "where the server is")
	flag.Parse()
	if err := run(context.Background(), os.Stdout, *addr); err != nil {
		log.Fatal(err)
	}
}

// run is three nights. Each machine has a client of its own, as processes have.
func run(ctx context.Context, w io.Writer, addr string) error {
	db := &reports{byDate: map[string]string{}}
	var machines []*machine
	for i := range 3 {
		m, err := newMachine(fmt.Sprintf("machine %d", i+1), addr, db)
		if err != nil {
			return err
		}
		defer m.redis.Close()
		machines = append(machines, m)
	}
	return errors.Join(together(ctx, w, machines), halted(ctx, w, machines[0], machines[1]))
}

// machine is one of those that have the job in their crontab.
type machine struct {
	name  string
	redis *redis.Client
	locks *lock.Locks
	db    *reports
}

func newMachine(name, addr string, db *reports) (*machine, error) {
	rdb := redis.NewClient(&redis.Options{Addr: addr, ContextTimeoutEnabled: true})
	// region new
	locks, err := lock.New(rdb, lock.Prefix("example:"), lock.Hold(500*time.Millisecond))
	// endregion
	return &machine{name: name, redis: rdb, locks: locks, db: db}, err
}

// nightly makes the report of a night, unless another machine has made it.
func (m *machine) nightly(ctx context.Context, date string) (made bool, err error) {
	// region do
	err = m.locks.Do(ctx, "jobs/nightly", func(ctx context.Context, token int64) error {
		if m.db.has(date) {
			return nil // another machine was first
		}
		report, err := compile(ctx, date)
		if err != nil {
			return err // also where the lock is lost: ctx ends then
		}
		made = true
		return m.db.put(date, report, token)
	})
	// endregion
	return made, err
}

// compile stands for what takes long.
func compile(ctx context.Context, date string) (string, error) {
	work := time.NewTimer(50 * time.Millisecond)
	defer work.Stop()
	select {
	case <-work.C:
		return "all is well on " + date, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// together is nights on which all start at once.
func together(ctx context.Context, w io.Writer, machines []*machine) error {
	for _, date := range []string{"2026-03-01", "2026-03-02"} {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var errs []error
		reports := 0
		for _, m := range machines {
			wg.Go(func() {
				made, err := m.nightly(ctx, date)
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
				if made {
					reports++
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		fmt.Fprintf(w, "%s: %d machines, %d report\n", date, len(machines), reports)
	}
	return nil
}

// halted is the night on which a machine is halted in the midst of its job.
func halted(ctx context.Context, w io.Writer, first, second *machine) error {
	const date = "2026-03-03"
	l, err := first.locks.Acquire(ctx, "jobs/nightly")
	if err != nil {
		return err
	}
	first.redis.Close() // as good as halted: its lock is not renewed
	if _, err := second.nightly(ctx, date); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s: %s was halted, and %s has made the report\n", date, first.name, second.name)
	<-l.Context().Done()
	fmt.Fprintln(w, "its lock was lost:", errors.Is(context.Cause(l.Context()), lock.ErrNotHeld))
	// It has looked at its lock before it was halted, and not since.
	err = first.db.put(date, "of a machine that was halted", l.Token())
	fmt.Fprintln(w, "what it writes when it goes on is", err)
	if !errors.Is(err, errFenced) {
		return fmt.Errorf("the report of a machine that was halted is taken")
	}
	return nil
}
