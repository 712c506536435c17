package main

import (
	"errors"
	"sync"
)

// reports stands for a database that looks at fencing tokens: it takes no write
// of who has had the lock before another who has already written.
type reports struct {
	mu     sync.Mutex
	token  int64 // the greatest that was seen
	byDate map[string]string
}

var errFenced = errors.New("refused: somebody has written under a later lock")

func (r *reports) has(date string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.byDate[date]
	return ok
}

// put is one step: to check the token and to write.
func (r *reports) put(date, report string, token int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if token < r.token {
		return errFenced
	}
	r.token = token
	r.byDate[date] = report
	return nil
}
