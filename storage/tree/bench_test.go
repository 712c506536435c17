package tree_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/servers"
)

// BenchmarkGet compares a get of 1,000 leaves with a bare HGETALL of as many
// fields, turn by turn, so that both see the same machine; and says what each takes,
// and how many times as long ours does, in the median.
func BenchmarkGet(b *testing.B) {
	const n = 1000
	for _, shape := range []string{"flat", "nested"} {
		b.Run(shape, func(b *testing.B) {
			s := servers.Redis(b)
			rdb := newClient(b, s)
			tr := newTree(b, rdb)
			value, fields := object{}, map[string]any{}
			for i := range n {
				name, text := fmt.Sprintf("name-%04d", i), fmt.Sprintf("value number %d", i)
				fields[name] = text
				if shape == "flat" {
					value[name] = text
					continue
				}
				group, _ := value[fmt.Sprint("group", i/100)].(object)
				if group == nil {
					group = object{}
					value[fmt.Sprint("group", i/100)] = group
				}
				group[name] = text
			}
			for i := range 10 { // it is a part of a tree
				set(b, tr, fmt.Sprint("others.o", i), value)
			}
			set(b, tr, "x.y", value)
			if err := rdb.HSet(b.Context(), "hash", fields).Err(); err != nil {
				b.Fatal(err)
			}
			path := at("x.y")
			var bare, ours []time.Duration
			b.ResetTimer()
			for range b.N {
				began := time.Now()
				all, err := rdb.HGetAll(b.Context(), "hash").Result()
				if err != nil || len(all) != n {
					b.Fatal(len(all), err)
				}
				between := time.Now()
				if _, err := tr.Get(b.Context(), path); err != nil {
					b.Fatal(err)
				}
				bare = append(bare, between.Sub(began))
				ours = append(ours, time.Since(between))
			}
			b.ReportMetric(float64(median(bare).Microseconds()), "HGETALL-µs")
			b.ReportMetric(float64(median(ours).Microseconds()), "Get-µs")
			b.ReportMetric(float64(median(ours))/float64(median(bare)), "ratio")
		})
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// BenchmarkTree is what the other calls cost, beside a bare SET.
func BenchmarkTree(b *testing.B) {
	s := servers.Redis(b)
	rdb := newClient(b, s)
	tr := newTree(b, rdb)
	four := object{"a": 1, "b": "two", "c": object{"d": true, "e": nil}}
	for name, call := range map[string]func() error{
		"SET":      func() error { return rdb.Set(b.Context(), "bare", "1", 0).Err() },
		"Set":      func() error { return tr.Set(b.Context(), at("a.b.c"), 1) },
		"Add":      func() error { _, err := tr.Add(b.Context(), at("a.b.n"), 1); return err },
		"Get":      func() error { _, err := tr.Get(b.Context(), at("a.b.c")); return err },
		"Set of 4": func() error { return tr.Set(b.Context(), at("x"), four) },
	} {
		set(b, tr, "a.b.c", 1)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
