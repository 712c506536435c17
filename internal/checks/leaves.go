package checks

// Leaves are the texts of what an error wraps and what wraps nothing itself: all that is
// shown where keys are hidden.
func Leaves(err error) (texts []string) {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			texts = append(texts, Leaves(err)...)
		}
		return texts
	case interface{ Unwrap() error }:
		return Leaves(e.Unwrap())
	}
	return []string{err.Error()}
}
