package serde

// Whole is a SerDe that writes all that an entry may have: besides a value also a
// negative answer (entry.Negative), and for how long it is kept past its expires-after
// (entry.Keep). A store needs one for config.Remember and config.StaleIfError. Envelope
// is one, and EntryJSON, whose format is py-memoize's, is not.
type Whole interface {
	// Whole tells whether it is.
	Whole() bool
}

// IsWhole tells whether a SerDe is Whole.
func IsWhole(s any) bool {
	w, ok := s.(Whole)
	return ok && w.Whole()
}

func (s *envelope[V]) Whole() bool { return true }

func (s encodedSerDe[V]) Whole() bool { return IsWhole(s.SerDe) }
