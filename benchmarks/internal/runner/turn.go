package runner

// InTurn is the order in which a round measures: the next round begins with the
// next.
func InTurn[T any](all []T, round int) []int {
	order := make([]int, len(all))
	for i := range order {
		order[i] = (i + round) % len(all)
	}
	return order
}
