package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// writeCSV writes every figure to the file that the flags name, a line for each
// trace, size and policy.
func writeCSV(s settings, boards []*board) (err error) {
	f, err := os.Create(s.csv)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := csv.NewWriter(f)
	_ = w.Write([]string{ // w.Error has the error of every Write
		"trace", "requests", "keys", "size", "policy", "kind", "hit_ratio", "least", "most",
		"byte_hit_ratio", "wait", "wait_share", "wait_to_lru", "wait_to_best_plain", "held",
	})
	share := func(v float64) string { return strconv.FormatFloat(v, 'f', 6, 64) }
	for _, b := range boards {
		for i, size := range b.sizes {
			for k, p := range b.policies {
				r := b.results[i][k]
				lru, plain := b.relativeWait(i, r)
				_ = w.Write([]string{
					b.trace.Name, strconv.Itoa(b.trace.Len()), strconv.Itoa(b.trace.Distinct()), fmt.Sprint(size.capacity),
					p.name, p.kind.String(), share(r.hits.median), share(r.hits.least), share(r.hits.most),
					share(r.bytes.median), share(r.wait.median), share(r.share.median), share(lru), plain, fmt.Sprint(r.held),
				})
			}
		}
	}
	w.Flush()
	return w.Error()
}
