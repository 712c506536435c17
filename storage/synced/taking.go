package synced

import (
	"errors"
	"sync"
)

// taking is a removal that gives its caller what it removes. It is a change, and
// so may be done several times: at first because others change the value
// meanwhile, when each attempt takes what it finds and the last one counts; and
// again later, where it had to wait for the server. By then its caller has an
// element, and what is done later takes that one and no other, or else one would
// be gone that nobody has got.
type taking struct {
	mu    sync.Mutex
	data  []byte // what the latest attempt took, encoded
	found bool   // it took something
	given bool   // the caller has it
}

// attempt takes by one of two functions: anew, which says what it takes, or the
// same as the caller has been given.
func (t *taking) attempt(anew func() (data []byte, found bool, err error), same func(data []byte) error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.given {
		if !t.found {
			return ErrNoChange
		}
		return same(t.data)
	}
	var err error
	if t.data, t.found, err = anew(); err == nil && !t.found {
		err = ErrNoChange
	}
	return err
}

// size is how many bytes it holds.
func (t *taking) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.data)
}

// give is what the caller is given, from when on it is settled, with the error of
// the change: that earlier changes wait is not told of one that takes nothing.
func (t *taking) give(err error) (data []byte, found bool, _ error) {
	if err != nil && !errors.Is(err, ErrQueued) {
		return nil, false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = true
	if !t.found {
		return nil, false, nil
	}
	return t.data, true, err
}
