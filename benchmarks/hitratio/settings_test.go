package main

import (
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"-policy nobody", "otter"},
		{"-policy otter,nobody", "LeastRecentlyUpdated"},
		{"-sizes 0", "above 0"},
		{"-sizes 100,-5", "above 0"},
		{"-sizes 10%", "above 0"},
		{"-sizes 100,,200", "above 0"},
		{"-sizes=", "no sizes"},
		{"-trace=", "none"},
		{"-cost dear", "lognormal"},
		{"-sigma -1", "from 0"},
		{"-sigma NaN", "from 0"},
		{"-noise -1", "-noise"},
		{"-weight -size-sigma 11", "-size-sigma"},
		{"-size-sigma 1", "-weight"},
		{"-runs 0", "at least 1"},
		{"-jobs 0", "at least 1"},
		{"-weight -engine", "-weight"},
		{"-summary -svg x.svg", "-svg"},
		{"-regret otter", "-summary"},
		{"-summary -regret nobody", "nobody"},
		{"-summary -policy LRU -regret otter", "otter"},
		{"trace.gz", "-trace"},
	} {
		_, err := parse(strings.Fields(c.args), new(strings.Builder))
		if err == nil {
			t.Errorf("%s is taken", c.args)
		} else if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error %q does not say %q", c.args, err, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	s := parsed(t, "-policy", "otter", "-sizes", "200,100,200")
	if len(s.sizes) != 2 || s.sizes[0] != 100 || s.sizes[1] != 200 {
		t.Errorf("the sizes are %v, want 100 and 200", s.sizes)
	}
	var names []string
	for _, p := range s.policies {
		names = append(names, p.name)
	}
	if got := strings.Join(names, " "); got != "OPT LRU otter" {
		t.Errorf("%s take part, want OPT LRU otter", got)
	}
	if all := parsed(t); len(all.policies) != len(policies()) || all.sizes != nil || len(all.traces) != 5 {
		t.Errorf("without flags there are %d policies, sizes %v, traces %q", len(all.policies), all.sizes, all.traces)
	}
}

func TestUsageNamesFlagsAndWorkloads(t *testing.T) {
	var said strings.Builder
	if _, err := parse([]string{"-h"}, &said); err == nil {
		t.Fatal("help is no error")
	}
	for _, want := range []string{"-trace", "-regret", "zipf:n=", "loop:"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not name %s", want)
		}
	}
}

func TestAutoSizes(t *testing.T) {
	sizes := sizesFor(nil, drawn(t, "loop:keys=1000:n=1000"))
	if len(sizes) != len(autoSizes) || sizes[0] != (size{"1 %", 10}) || sizes[5] != (size{"50 %", 500}) {
		t.Errorf("of 1,000 keys: %v", sizes)
	}
	if sizes := sizesFor(nil, drawn(t, "loop:keys=2:n=10")); len(sizes) != 1 || sizes[0].capacity != 1 {
		t.Errorf("of 2 keys: %v", sizes)
	}
}
