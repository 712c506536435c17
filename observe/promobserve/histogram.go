package promobserve

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/perennial-go/perennial/internal/metrics"
	"github.com/perennial-go/perennial/memoize"
)

// histogram is a classic and a native one in one.
type histogram struct {
	classic, native prometheus.Metric
}

// Desc implements prometheus.Metric.
func (h histogram) Desc() *prometheus.Desc { return h.classic.Desc() }

// Write implements prometheus.Metric.
func (h histogram) Write(to *dto.Metric) error {
	var classic dto.Metric
	if err := h.classic.Write(&classic); err != nil {
		return err
	}
	if err := h.native.Write(to); err != nil {
		return err
	}
	to.Histogram.Bucket = classic.Histogram.Bucket
	to.Histogram.CreatedTimestamp = nil // nobody knows when the counting began
	return nil
}

// durations is a histogram of what Durations has counted. Its bounds are those of the
// buckets of native histograms in schema 0, whose i-th ends at 2^i seconds, so that it
// is exact. What took 2^-20 seconds or less is in the bucket around zero.
func durations(desc *prometheus.Desc, d memoize.Durations) prometheus.Metric {
	const schema, finest = 0, 20
	classic, native := map[float64]uint64{}, map[int]int64{}
	var below uint64
	for i, n := range d.Buckets {
		below += n
		if metrics.FirstBucket <= i && i <= metrics.LastBucket {
			classic[memoize.DurationBound(i)] = below
		}
		if i > 0 && n > 0 {
			native[i-finest] = int64(n)
		}
	}
	sum := d.Sum.Seconds()
	n, err := prometheus.NewConstNativeHistogram(desc, d.Count, sum, native, nil, d.Buckets[0], schema, memoize.DurationBound(0), time.Time{})
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return histogram{prometheus.MustNewConstHistogram(desc, d.Count, sum, classic), n}
}

// The first and the last age, as powers of two of a microsecond, that is a bound of the
// buckets of ages, from 1 ms to 12 days. Each is four times as long as the one before.
const firstAge, lastAge = 10, memoize.AgeBuckets - 2

// ages is a histogram of the ages that were served. Nobody adds them up, for a hit is
// one addition: the sum is not a number.
func ages(desc *prometheus.Desc, counted *[memoize.AgeBuckets]uint64) prometheus.Metric {
	classic := map[float64]uint64{}
	var below uint64
	for i, n := range counted {
		below += n
		if i >= firstAge && i <= lastAge && i%2 == firstAge%2 {
			classic[memoize.AgeBound(i).Seconds()] = below
		}
	}
	return prometheus.MustNewConstHistogram(desc, below, math.NaN(), classic)
}
