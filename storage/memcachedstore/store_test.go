package memcachedstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
)

func TestForeignData(t *testing.T) {
	ctx := context.Background()
	addr := servers.Memcached(t).Addr()
	s, other := at(t, addr), raw(t, addr)
	for _, value := range []string{"", "of another program", strings.Repeat("\xA7\x50\x72\x01", 20)} {
		spoil := func() {
			if err := other.Set(&memcache.Item{Key: "a", Value: []byte(value)}); err != nil {
				t.Fatal(err)
			}
		}
		spoil()
		if r, err := s.Get(ctx, "a"); !errors.Is(err, ErrForeign) || r.Found || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("Get returns %v, %v", r, err)
		}
		set(t, s, "b", "1", time.Hour)
		records, err := s.GetMany(ctx, []string{"a", "b"})
		if !errors.Is(err, ErrForeign) || records[0].Found || !records[1].Found {
			t.Errorf("GetMany returns %v, %v", records, err)
		}
		if added, err := s.Add(ctx, "a", nil, time.Hour); !errors.Is(err, ErrForeign) || added {
			t.Errorf("Add returns %v, %v", added, err)
		}
		set(t, s, "a", "1", time.Hour)
		if r := get(t, s, "a"); string(r.Value) != "1" {
			t.Errorf("after a Set there is %q", r.Value)
		}

		claims, err := s.Claim(ctx, time.Hour, "a")
		if err != nil {
			t.Fatal(err)
		}
		spoil()
		stored, err := s.Fill(ctx, storage.Filling{Item: storage.Item{Key: "a", Keep: time.Hour}, Token: claims[0].Token})
		if err != nil || stored[0] {
			t.Errorf("Fill over what another has set says %v, %v", stored, err)
		}
		claims, err = s.Claim(ctx, time.Hour, "a")
		if err != nil || claims[0].Found {
			t.Fatalf("Claim returns %v, %v", claims, err)
		}
		stored, err = s.Fill(ctx, storage.Filling{Item: storage.Item{Key: "a", Value: []byte("2"), Keep: time.Hour}, Token: claims[0].Token})
		if err != nil || !stored[0] {
			t.Errorf("Fill says %v, %v", stored, err)
		}
		spoil()
		if existed, err := s.Delete(ctx, "a"); err != nil || existed {
			t.Errorf("Delete says %v, %v", existed, err)
		}
		if r := get(t, s, "a"); r.Found {
			t.Error("it is there after a Delete")
		}
	}
}

func TestTooLarge(t *testing.T) {
	ctx := context.Background()
	small, large := at(t, servers.Memcached(t).Addr()), at(t, servers.Memcached(t, "-I", "4m", "-m", "64").Addr())
	value := strings.Repeat("v", 2<<20)
	set(t, large, "a", value, time.Hour)
	if r := get(t, large, "a"); string(r.Value) != value {
		t.Errorf("it returns %d bytes", len(r.Value))
	}
	set(t, small, "a", "old", time.Hour)
	claims, err := small.Claim(ctx, time.Hour, "a", "b")
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "-I") || len(err.Error()) > 1000 {
			t.Errorf("%s returns %v", what, err)
		}
	}
	stored, err := small.Fill(ctx,
		storage.Filling{Item: storage.Item{Key: "a", Value: []byte(value), Keep: time.Hour}, Token: claims[0].Token},
		storage.Filling{Item: storage.Item{Key: "b", Value: []byte("1"), Keep: time.Hour}, Token: claims[1].Token})
	check("Fill", err)
	if stored[0] || !stored[1] {
		t.Errorf("Fill says %v", stored)
	}
	_, err = small.Add(ctx, "c", []byte(value), time.Hour)
	check("Add", err)
	check("Set", small.Set(ctx, "a", []byte(value), time.Hour))
	if r := get(t, small, "a"); r.Found {
		t.Errorf("after a Set that failed there is %.20q", r.Value)
	}
	if r := get(t, small, "b"); string(r.Value) != "1" {
		t.Errorf("b holds %q", r.Value)
	}
}

// TestServersTime asks memcached itself how long it keeps things.
func TestServersTime(t *testing.T) {
	ctx := context.Background()
	addr := servers.Memcached(t).Addr()
	s := at(t, addr)
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	left := func(key string) (seconds int) {
		t.Helper()
		fmt.Fprintf(conn, "mg %s t\r\n", key)
		line, err := answers.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "ERROR\r\n" {
			t.Skip("this memcached has no meta commands: it takes 1.6")
		}
		if _, err := fmt.Sscanf(line, "HD t%d", &seconds); err != nil {
			t.Fatalf("memcached says %q of %s: %v", line, key, err)
		}
		return seconds
	}
	near := func(what, key string, keep time.Duration) {
		t.Helper()
		want := -1
		if keep != storage.Forever {
			want = int(keep/time.Second) + 2
		}
		if got := left(key); got > want+1 || got < want-10 || want == -1 && got != -1 {
			t.Errorf("%s: memcached keeps it for %d s, want %d", what, got, want)
		}
	}
	const day = 24 * time.Hour
	for _, keep := range []time.Duration{time.Minute, time.Hour, 29 * day, 31 * day, 400 * day, storage.Forever} {
		key := keep.String()
		set(t, s, key, "1", keep)
		near("Set for "+key, key, keep)
		if added, err := s.Add(ctx, "add"+key, nil, keep); err != nil || !added {
			t.Fatal(err)
		}
		near("Add for "+key, "add"+key, keep)
		for _, hold := range []time.Duration{time.Minute, 2 * time.Hour} {
			claims, err := s.Claim(ctx, hold, key, key+"none"+hold.String())
			if err != nil {
				t.Fatal(err)
			}
			near(fmt.Sprint("Claim for ", hold, " over ", keep), key, max(keep, hold))
			near(fmt.Sprint("Claim for ", hold), key+"none"+hold.String(), hold)
			_, err = s.Fill(ctx, storage.Filling{Item: storage.Item{Key: key + "none" + hold.String(), Keep: keep}, Token: claims[1].Token})
			if err != nil {
				t.Fatal(err)
			}
			near(fmt.Sprint("Fill for ", keep, " after Claim for ", hold), key+"none"+hold.String(), max(keep, hold))
		}
	}
}

func TestGetManyIsOneTripToEachServer(t *testing.T) {
	a, b := wireTo(t, servers.Memcached(t).Addr(), ""), wireTo(t, servers.Memcached(t).Addr(), "")
	s := at(t, a.addr, b.addr)
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprint("key ", i))
		set(t, s, keys[i], fmt.Sprint(i), time.Hour)
	}
	a.trips.Store(0)
	b.trips.Store(0)
	keys = append(keys, "none", keys[0])
	records, err := s.GetMany(t.Context(), keys)
	if err != nil || len(records) != len(keys) {
		t.Fatalf("%d records, %v", len(records), err)
	}
	for i, r := range records[:100] {
		if string(r.Value) != fmt.Sprint(i) || r.Left <= 0 {
			t.Errorf("%s: %q, %v left", keys[i], r.Value, r.Left)
		}
	}
	if records[100].Found || string(records[101].Value) != "0" {
		t.Errorf("the last two are %v", records[100:])
	}
	if x, y := a.trips.Load(), b.trips.Load(); x != 1 || y != 1 {
		t.Errorf("%d and %d trips", x, y)
	}
}

func TestClose(t *testing.T) {
	ctx := context.Background()
	s := at(t, servers.Memcached(t).Addr())
	set(t, s, "a", "1", time.Hour)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err := s.Get(ctx, "a")
	if !errors.Is(err, ErrClosed) {
		t.Errorf("Get returns %v", err)
	}
	if err := s.Set(ctx, "a", nil, time.Hour); !errors.Is(err, ErrClosed) {
		t.Errorf("Set returns %v", err)
	}
	if _, err := s.GetMany(ctx, []string{"a"}); !errors.Is(err, ErrClosed) {
		t.Errorf("GetMany returns %v", err)
	}
}

// TestWaitingForAPlace has the only place taken: a caller leaves with its
// context, and with the store.
func TestWaitingForAPlace(t *testing.T) {
	server := servers.Memcached(t)
	client := memcache.New(server.Addr())
	client.MaxIdleConns = 1
	s := closed(t, New(client))
	set(t, s, "a", "1", time.Hour)
	places := s.nodes[0].places
	places <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, "a"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "connections") {
		t.Errorf("Get returns %v", err)
	}
	gone := make(chan error)
	go func() {
		_, err := s.Get(t.Context(), "a")
		gone <- err
	}()
	ended := make(chan error)
	go func() { ended <- s.Close() }()
	if err := <-gone; !errors.Is(err, ErrClosed) {
		t.Errorf("Get returns %v", err)
	}
	<-places
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestCloseWaits has a trip under way that its caller has left.
func TestCloseWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore([]*node{newNode(serverOf("nowhere"), time.Second, 2)}, nil)
		arrives := make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			_, err := call(ctx, s, s.nodes[0], func(*memcache.Client) (int, error) {
				<-arrives
				return 0, nil
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("call returns %v", err)
			}
		}()
		synctest.Wait()
		leave()
		synctest.Wait()
		ended := false
		go func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			ended = true
		}()
		synctest.Wait()
		if ended {
			t.Error("Close returns while a trip is under way")
		}
		close(arrives)
		synctest.Wait()
		if !ended {
			t.Error("Close does not return")
		}
	})
}
