package memoize

import (
	"fmt"
	"iter"
	"reflect"

	"github.com/perennial-go/perennial/storage"
)

// All iterates over what a function's storage in memory holds and Call would return, fresh
// or stale, as Call would return it. K is the type of the keys, which nothing tells Go:
//
//	seq, err := memoize.All[int64](users)
//
// For Func0, Func2 and Func3 it takes Args: the keys are None, Args2 and Args3. Those of
// NewScoped are config.Scoped. Nothing is loaded, counted or marked as read, and there is no
// order. No lock is held: what is stored or leaves while it iterates may or may not be
// seen, and the function may be called. With a storage that is not storage.Local and a
// storage.Ranger the error is ErrUnsupported; that of a closed function is ErrClosed.
func All[K comparable, A, V any](f *Func[A, V]) (iter.Seq2[K, Result[V]], error) {
	all, err := f.verbs.all()
	if err != nil {
		return nil, err
	}
	seq, ok := all.(iter.Seq2[K, Result[V]])
	if !ok {
		return nil, fmt.Errorf("memoize: All is asked for keys of type %v, and those of %s are of type %v", reflect.TypeFor[K](), f.Name(), reflect.TypeOf(all).In(0).In(0))
	}
	return seq, nil
}

// all is an iter.Seq2[K, Result[V]].
func (e *engine[A, K, V]) all() (any, error) {
	p, err := e.changes.snapshot()
	if err != nil {
		return nil, err
	}
	if !p.sweeps {
		return nil, notInMemory("All", e.name, p)
	}
	return iter.Seq2[K, Result[V]](func(yield func(K, Result[V]) bool) {
		for key, stored := range p.settings.Storage.(storage.Ranger[K, V]).Range(e.life) {
			_, age, state := e.time.Decide(&stored.Meta)
			if !state.Servable() {
				continue
			}
			value, ok := e.peeked(e.life, p, stored)
			if ok && !yield(key, Result[V]{Value: value, Age: age, State: state, Why: hitWhy[state], life: &stored.Meta}) {
				return
			}
		}
	}), nil
}
