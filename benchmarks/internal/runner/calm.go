package runner

import (
	"fmt"
	"runtime"
	"time"
)

const (
	// tolerated is how much of a processor that a measurement wants may be
	// used by others meanwhile.
	tolerated = 0.15
	// glance is how long the machine is watched before a measurement.
	glance = 60 * time.Millisecond
)

// Calm sees to it that measurements are made while the processors that they
// want are free, as far as its patience goes.
type Calm struct {
	Patience               time.Duration // for waiting and for measuring again, in all
	made, again, disturbed int
}

// Calmly waits until nobody else is busy, and measures until nobody was.
func Calmly[T any](c *Calm, procs int, once func() T) T {
	c.made++
	for {
		c.wait(procs)
		before, _ := foreign()
		began := time.Now()
		m := once()
		took := time.Since(began)
		after, known := foreign()
		switch {
		case !known || undisturbed(procs, after-before, took):
			return m
		case c.Patience <= 0:
			c.disturbed++
			return m
		}
		c.again++
		c.Patience -= took
	}
}

func (c *Calm) wait(procs int) {
	for c.Patience > 0 {
		before, _ := foreign()
		time.Sleep(glance)
		after, known := foreign()
		if !known || undisturbed(procs, after-before, glance) {
			return
		}
		c.Patience -= glance
	}
}

// String says how calm it was.
func (c *Calm) String() string {
	return fmt.Sprintf("%d measurements of time; %d were made again because other processes were busy, and %d stand although they were.",
		c.made, c.again, c.disturbed)
}

// undisturbed tells whether as many processors as were wanted were free.
func undisturbed(procs int, others, in time.Duration) bool {
	spare := max(0, runtime.NumCPU()-procs)
	return others.Seconds() <= (float64(spare)+tolerated)*in.Seconds()
}
