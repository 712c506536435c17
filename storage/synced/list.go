package synced

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
)

// List is a list that processes share by its name. Each change of it is one atomic
// step: it reads, changes and compares in this process, see Var.Update, and costs
// what that does. A list that is not stored is empty. Its methods may be called
// concurrently.
//
// Where a change waits for the server, it is done to the list that is found then:
// an Append appends, whatever others have appended; what Pop, PopAt and Remove
// have taken from this process's copy is removed if it is still there, and
// nothing else is. So two processes that take while the server is away may both
// get the same element: where that matters, put back what comes with ErrQueued.
type List[T any] struct{ whole *Var[[]T] }

// NewList makes the list of that name, as NewVar does. Its codec is one of []T.
func NewList[T any](m *Memory, name string, opts ...Option[[]T]) (*List[T], error) {
	v, err := newVar(m, name, newJSON[[]T](), opts)
	if err != nil {
		return nil, err
	}
	v.codec = listCodec[T]{v.codec}
	if !v.begins {
		err = Default[[]T](nil).set(v)
	}
	return &List[T]{v}, err
}

// Name is the name that the list has in its scope.
func (l *List[T]) Name() string { return l.whole.Name() }

// Whole is the list as one value: for Set, Update and Delete. It is never nil.
func (l *List[T]) Whole() *Var[[]T] { return l.whole }

// All returns the elements. It is Get of the whole.
func (l *List[T]) All(ctx context.Context) ([]T, error) { return l.whole.Get(ctx) }

// Append puts elements at the end.
func (l *List[T]) Append(ctx context.Context, elements ...T) error {
	return l.insert(ctx, "append", math.MaxInt, elements)
}

// Insert puts elements before the one that has a place, counted from 0, or at the
// end where the list is shorter.
func (l *List[T]) Insert(ctx context.Context, place int, elements ...T) error {
	if err := l.check("insert", place); err != nil {
		return err
	}
	return l.insert(ctx, "insert", place, elements)
}

func (l *List[T]) insert(ctx context.Context, verb string, place int, elements []T) error {
	if len(elements) == 0 {
		return nil
	}
	data, err := l.whole.encode(elements) // now: the caller may change them while this waits for the server
	if err != nil {
		return told(verb, l.Name(), err)
	}
	_, err = l.whole.update(ctx, verb, func() int { return len(data) }, func(all []T) ([]T, error) {
		more, err := l.whole.decode(data)
		return slices.Insert(all, min(place, len(all)), more...), err
	})
	return err
}

// Remove removes the first element that equals the one given, and tells whether
// there was one. Equal is what reflect.DeepEqual says of what the codec reads.
func (l *List[T]) Remove(ctx context.Context, element T) (removed bool, err error) {
	data, err := l.whole.encode([]T{element})
	if err != nil {
		return false, told("remove", l.Name(), err)
	}
	_, removed, err = l.take(ctx, "remove", func(all []T) (int, error) { return l.find(all, 0, data) })
	return removed, err
}

// Pop removes the last element and returns it, ErrMissing where the list is empty.
// With ErrQueued it returns the element too.
func (l *List[T]) Pop(ctx context.Context) (T, error) {
	return l.pop(ctx, func(all []T) (int, error) { return len(all) - 1, nil })
}

// PopAt does the same with the element that has a place, counted from 0.
func (l *List[T]) PopAt(ctx context.Context, place int) (element T, err error) {
	if err := l.check("pop", place); err != nil {
		return element, err
	}
	return l.pop(ctx, func(all []T) (int, error) {
		if place >= len(all) {
			return -1, nil
		}
		return place, nil
	})
}

func (l *List[T]) pop(ctx context.Context, at func(all []T) (int, error)) (element T, err error) {
	data, found, err := l.take(ctx, "pop", at)
	if err == nil && !found {
		err = told("pop", l.Name(), ErrMissing)
	}
	if !found {
		return element, err
	}
	one, wrong := l.whole.decode(data)
	if wrong != nil {
		return element, told("pop", l.Name(), wrong)
	}
	return one[0], err
}

// take removes the element at a place, which is less than 0 if it is nowhere, and
// returns it, encoded as a list. Done again later, it removes the element that
// equals it and is next to the place.
func (l *List[T]) take(ctx context.Context, verb string, at func(all []T) (int, error)) (data []byte, found bool, err error) {
	var t taking
	var place int
	_, err = l.whole.update(ctx, verb, t.size, func(all []T) (left []T, err error) {
		err = t.attempt(func() ([]byte, bool, error) {
			if place, err = at(all); err != nil || place < 0 {
				return nil, false, err
			}
			data, err := l.whole.encode(all[place : place+1])
			return data, true, err
		}, func(data []byte) error {
			if place, err = l.find(all, place, data); err == nil && place < 0 {
				err = ErrNoChange
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		return slices.Delete(all, place, place+1), nil
	})
	return t.give(err)
}

// find is the place of an element that equals the one in data: that nearest to
// where it was, or less than 0.
func (l *List[T]) find(all []T, was int, data []byte) (int, error) {
	one, err := l.whole.decode(data)
	if err != nil {
		return -1, err
	}
	nearest := -1
	for i, element := range all {
		if reflect.DeepEqual(element, one[0]) && (nearest < 0 || distance(i, was) < distance(nearest, was)) {
			nearest = i
		}
	}
	return nearest, nil
}

func distance(a, b int) int { return max(a-b, b-a) }

func (l *List[T]) check(verb string, place int) error {
	if place < 0 {
		return told(verb, l.Name(), fmt.Errorf("the place %d is none: they are counted from 0", place))
	}
	return nil
}
