package overload

import (
	"slices"
	"time"
)

// measures are what became of a scenario.
type measures struct {
	before float64 // share of calls answered, in the half minute before
	during float64 // while it lasts, for a minute at least
	back   int     // seconds from its end until it is as before for good, within a hundredth; -1 is never
	load   float64 // what the source was asked for in any ten seconds, as a share of what it bears, from five seconds after a step
	second float64 // the same in any second
	within int     // loads within it at once, at most
	mean   float64 // the same, in the mean of the seconds' greatest, while it lasts
	oldest time.Duration
}

// measure looks at what was counted.
func (at *running) measure() (m measures) {
	s := &at.scenario
	begin := int(trigger / time.Second)
	if s.sleeps {
		begin += int(at.life / time.Second)
	}
	end := begin + int(s.lasts/time.Second)
	answered := func(from, to int) float64 {
		calls, ok := 0, 0
		for _, one := range at.seconds[from:min(to, len(at.seconds))] {
			calls, ok = calls+one.calls, ok+one.answered
		}
		return float64(ok) / float64(max(calls, 1))
	}
	last := len(at.seconds) - 1 // which is no whole second
	m.before = answered(int(trigger/time.Second)-30, int(trigger/time.Second))
	m.during = answered(begin, max(end, begin+60))
	m.back = -1
	for i := last - 10; i >= end && answered(i, i+10) >= m.before-0.01; i-- {
		m.back = i - end
	}
	for i, one := range at.seconds {
		if i >= begin {
			m.oldest = max(m.oldest, one.old)
		}
	}
	steps := []int{int(trigger / time.Second), end}
	settled := func(i int) bool {
		return !slices.ContainsFunc(steps, func(step int) bool { return i >= step && i < step+5 })
	}
	asked := func(i int) (float64, bool) {
		if i >= len(at.source.asked) || i < int(trigger/time.Second) || i >= last || !settled(i) {
			return 0, false
		}
		bears := at.capacity()
		if i >= begin && i < end {
			bears *= s.capacity
		}
		return float64(at.source.asked[i]) / bears, true
	}
	if settled := at.source.most[min(begin+5, len(at.source.most)):min(max(begin+5, end), len(at.source.most))]; len(settled) > 0 {
		for _, n := range settled {
			m.mean += float64(n) / float64(len(settled))
		}
	}
	for i := range at.source.asked {
		sum, n := 0.0, 0
		for j := i; j < i+10; j++ {
			if share, ok := asked(j); ok {
				sum, n = sum+share, n+1
			}
		}
		if n == 10 {
			m.load = max(m.load, sum/10)
		}
		if share, ok := asked(i); ok {
			m.second = max(m.second, share)
			m.within = max(m.within, at.source.most[i])
		}
	}
	return m
}

// loaded is the second, from the trigger, in which a share of the keys has been loaded anew.
func (at *running) loaded(share float64) int {
	var seconds []int
	for key := range at.keys {
		s, ok := at.source.first[key]
		if !ok {
			s = 1 << 30
		}
		seconds = append(seconds, s-int(trigger/time.Second))
	}
	slices.Sort(seconds)
	return seconds[int(share*float64(at.keys))-1]
}
