//go:build race

package overload

const underRace = true
