package overload

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/perennial-go/perennial/config"
	"github.com/perennial-go/perennial/guard"
	"github.com/perennial-go/perennial/memoize"
)

const (
	serve   = "PERENNIAL_OVERLOAD_SERVE"
	workers = 4
	work    = 20 * time.Millisecond
)

// server is a process of its own, whose workers take their time over each request, and that
// says how many were within it at most.
func server() {
	var within, most atomic.Int64
	free := make(chan struct{}, workers)
	http.HandleFunc("/key/", func(w http.ResponseWriter, r *http.Request) {
		n := within.Add(1)
		defer within.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		free <- struct{}{}
		time.Sleep(work) // which is what this process is for
		<-free
		_, _ = io.WriteString(w, strings.TrimPrefix(r.URL.Path, "/key/"))
	})
	http.HandleFunc("/most", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, most.Load()) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() { // it ends with the process that has started it
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Println(l.Addr())
	fmt.Println(http.Serve(l, nil))
	os.Exit(1)
}

func init() {
	if os.Getenv(serve) != "" {
		server()
	}
}

// start starts a server and returns its address.
func start(t *testing.T) string {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), serve+"=1")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = c.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return "http://" + strings.TrimSpace(addr)
}

// A real server, a process of its own, is asked for ten times what it bears, of keys none of
// which is stored. With a guard it never has a queue, and without one it has nothing else.
func TestG19ARealServer(t *testing.T) {
	const keys, calls = 300, 3000
	drown := func(t *testing.T, every time.Duration, opts ...config.Option) (most, loaded int) {
		at := start(t)
		transport := &http.Transport{MaxIdleConnsPerHost: 1000}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport}
		get := func(ctx context.Context, path string) (int, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+path, nil)
			if err != nil {
				return 0, err
			}
			response, err := client.Do(request)
			if err != nil {
				return 0, err
			}
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			return must(strconv.Atoi(string(body))), err
		}
		f, err := memoize.New(func(ctx context.Context, key int) (int, error) { return get(ctx, "/key/"+strconv.Itoa(key)) },
			append(opts, config.Logger(nil), config.MethodTimeout(10*time.Second))...)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		tick := time.NewTicker(every) // of the world: the server lives there
		defer tick.Stop()
		for range calls {
			<-tick.C
			key := rand.IntN(keys)
			all.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
				defer cancel()
				v, err := f.Call(ctx, key)
				if err == nil && v != key || err != nil && ctx.Err() == nil && !errors.Is(err, memoize.ErrOverloaded) {
					t.Errorf("key %d: %d, %v", key, v, err)
				}
			})
		}
		all.Wait()
		if err := f.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		for key := range keys {
			if f.Has(context.Background(), key) {
				loaded++
			}
		}
		most, err = get(context.Background(), "/most")
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(context.Background()); err != nil {
			t.Error(err)
		}
		return most, loaded
	}
	g, err := guard.New("server", guard.Logger(nil))
	if err != nil {
		t.Fatal(err)
	}
	most, loaded := drown(t, time.Millisecond, config.Guard(g))
	t.Logf("with a guard %d were within the server at once, and %d of %d keys are there; %+v", most, loaded, keys, g.State())
	if most > 30 || loaded < keys*9/10 {
		t.Errorf("with a guard %d were within the server at once, and %d of %d keys are there", most, loaded, keys)
	}
	if most, loaded = drown(t, time.Microsecond); most < 100 { // at once, so that a machine that is slow drowns it too
		t.Errorf("without a guard %d were within the server at once: this test shows nothing", most)
	}
	t.Logf("without one %d were, and %d keys are there", most, loaded)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
