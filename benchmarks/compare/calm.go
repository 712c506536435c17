package main

import (
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

// calm sees to it that measurements are made while the processors that they
// want are free, as far as its patience goes.
type calm struct {
	patience               time.Duration // for waiting and for measuring again, in all
	made, again, disturbed int
}

// measure waits until nobody else is busy, and measures until nobody was.
func (c *calm) measure(procs int, once func() sample) sample {
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
		case c.patience <= 0:
			c.disturbed++
			return m
		}
		c.again++
		c.patience -= took
	}
}

func (c *calm) wait(procs int) {
	for c.patience > 0 {
		before, _ := foreign()
		time.Sleep(glance)
		after, known := foreign()
		if !known || undisturbed(procs, after-before, glance) {
			return
		}
		c.patience -= glance
	}
}

// undisturbed tells whether as many processors as were wanted were free.
func undisturbed(procs int, others, in time.Duration) bool {
	spare := max(0, runtime.NumCPU()-procs)
	return others.Seconds() <= (float64(spare)+tolerated)*in.Seconds()
}
