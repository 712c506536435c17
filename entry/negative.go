package entry

import "math"

// Negative is an answer "there is none": an error that a configuration remembers (see
// config.Remember) in the place of a value. An entry that has one is a negative entry.
// Its own instants are long past, so whoever knows nothing of negative entries takes it
// for one that has expired; those of the answer are here. It must not be changed.
type Negative struct {
	// Err is the error. Read from a store, it has Text and nothing more.
	Err error
	// Text is how the error is written in a store: that of the error that the
	// configuration names. It is empty for one that is not to be written.
	Text string
	// UpdateAfter and ExpiresAfter are what they are of an entry. It is kept no longer.
	UpdateAfter, ExpiresAfter Instant
}

// Answer is the Negative of an error that a source returned at now. A life that Validate
// refuses is used as it stands.
func Answer(err error, text string, life Life, now Instant) *Negative {
	n := &Negative{Err: err, Text: text}
	n.UpdateAfter, n.ExpiresAfter = life.span(now)
	return n
}

// StateAt is what the answer is worth at now, as Meta.StateAt.
func (n *Negative) StateAt(now Instant) State { return stateAt(n.UpdateAfter, n.ExpiresAfter, now) }

// NewNegative makes the entry of an answer that a source gave at the instant created.
func NewNegative[V any](created Instant, n Negative) *Entry[V] {
	e := new(Entry[V])
	e.init(created, math.MinInt64, math.MinInt64)
	e.rest.Store(&rest{math.MinInt64, nil, &n})
	return e
}

// Negative is the answer of a negative entry, nil for one that has a value.
func (m *Meta) Negative() *Negative {
	if r := m.rest.Load(); r != nil {
		return r.negative
	}
	return nil
}

// Ends are update-after and expires-after, those of the answer of a negative entry.
func (m *Meta) Ends() (updateAfter, expiresAfter Instant) {
	if n := m.Negative(); n != nil {
		return n.UpdateAfter, n.ExpiresAfter
	}
	return m.updateAfter, m.expiresAfter
}

// AnswerAt is StateAt of a value, and that of the answer of a negative entry.
func (m *Meta) AnswerAt(now Instant) State {
	updateAfter, expiresAfter := m.Ends()
	return stateAt(updateAfter, expiresAfter, now)
}
