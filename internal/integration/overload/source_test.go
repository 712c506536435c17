package overload

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

var errRefused = errors.New("connection refused")

// source is a queue with servers that work on what they are given, whoever waits.
type source struct {
	mu      sync.Mutex
	rnd     *rand.Rand
	began   time.Time
	servers int
	service time.Duration
	down    bool          // every load fails after half a second, as one that can't connect
	hangs   float64       // the share of loads that end with their context only
	deaf    chan struct{} // all loads end when it is closed, whatever becomes of their contexts
	fixed   bool          // loads take always as long
	busy    int
	queue   []chan struct{}
	within  int // loads that were given to it and have not ended

	asked, most []int       // by the second: loads, and how many were within at most
	first       map[int]int // the second in which a key was first loaded since it was asked to forget
}

func (s *source) count(to *[]int, n int) {
	second := int(time.Since(s.began) / time.Second)
	for len(*to) <= second {
		*to = append(*to, 0)
	}
	(*to)[second] += n
}

func (s *source) load(ctx context.Context, key int) (int, error) {
	s.mu.Lock()
	s.count(&s.asked, 1)
	s.within++
	s.count(&s.most, 0)
	s.most[len(s.most)-1] = max(s.most[len(s.most)-1], s.within)
	defer func() {
		s.within--
		s.mu.Unlock()
	}()
	if s.down {
		s.mu.Unlock()
		time.Sleep(500 * time.Millisecond) // of the bubble
		s.mu.Lock()
		return 0, errRefused
	}
	if deaf := s.deaf; deaf != nil {
		s.mu.Unlock()
		<-deaf
		s.mu.Lock()
		return 0, errRefused
	}
	if s.rnd.Float64() < s.hangs {
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return 0, ctx.Err()
	}
	if s.busy >= s.servers {
		turn := make(chan struct{})
		s.queue = append(s.queue, turn)
		s.mu.Unlock()
		<-turn
		s.mu.Lock()
	} else {
		s.busy++
	}
	takes := s.service
	if !s.fixed {
		takes = time.Duration(s.rnd.ExpFloat64() * float64(s.service))
	}
	s.mu.Unlock()
	time.Sleep(takes) // of the bubble
	s.mu.Lock()
	s.busy--
	s.next()
	if _, ok := s.first[key]; !ok {
		s.first[key] = int(time.Since(s.began) / time.Second)
	}
	return key, nil
}

// next lets those in the queue have the servers that are free.
func (s *source) next() {
	for s.busy < s.servers && len(s.queue) > 0 {
		s.busy++
		close(s.queue[0])
		s.queue = s.queue[1:]
	}
}

// set changes the source.
func (s *source) set(change func(s *source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
	s.next()
}
