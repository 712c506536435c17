//go:build !race

package resilient_test

const raceDetector = false
