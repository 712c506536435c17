package state

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// What the checker is given of an event: unknown where it is not known what came
// of it, or that it was done at all, and then it has no end.
type input struct {
	do    string
	value string
	n     int64
	who   int
}

type output struct {
	unknown bool
	text    string
	n       int64
	held    bool
}

func describe(in, out any) string { return fmt.Sprintf("%+v %+v", in, out) }

// logModel is a list that is appended to: its state is the elements with a comma
// behind each. What it is at any time is a beginning of what it is in the end, by
// which the checker finds the order at once.
func logModel(end []string) porcupine.Model {
	final := joined(end)
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(before, in, out any) (bool, any) {
			s, i, o := before.(string), in.(input), out.(output)
			if i.do == "update" {
				s += i.value + ","
			}
			return (o.unknown || o.text == s) && strings.HasPrefix(final, s), s
		},
		DescribeOperation: describe,
	}
}

// counterModel is a sum.
var counterModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(before, in, out any) (bool, any) {
		s, i, o := before.(int64), in.(input), out.(output)
		s += i.n
		return o.unknown || o.n == s, s
	},
	DescribeOperation: describe,
}

// lockState is who holds the lock, -1 for nobody, and the last token.
type lockState struct {
	holder int
	token  int64
}

// lockModel is a lock that one holds at a time, with tokens that grow.
var lockModel = porcupine.Model{
	Init: func() any { return lockState{holder: -1} },
	Step: func(before, in, out any) (bool, any) {
		s, i, o := before.(lockState), in.(input), out.(output)
		switch i.do {
		case "acquire":
			return s.holder == -1 && o.n > s.token, lockState{i.who, o.n}
		case "use":
			return !o.held || s == lockState{i.who, o.n}, s
		case "release":
			return s == lockState{i.who, o.n}, lockState{-1, s.token}
		}
		if s == (lockState{i.who, o.n}) { // it may end at any time
			s.holder = -1
		}
		return true, s
	},
	DescribeOperation: describe,
}

// logHistory is the updates of a log, and what it is in the end. One of which it is
// not known whether it was made was, if it is there then.
func (h *history) logHistory(name string) (ops []porcupine.Operation) {
	for _, e := range h.events {
		op := porcupine.Operation{ClientId: e.member, Input: input{do: e.order.Do, value: e.order.Value}, Call: e.call, Return: e.ret}
		if e.order.Name != name || e.order.Do != "update" {
			continue
		}
		there := slices.Contains(h.logs[name], e.order.Value)
		switch {
		case e.report.Became == committed:
			op.Output = output{text: joined(e.report.Values)}
		case there || e.report.Became == queued && h.dropped(e.member, name) == 0:
			op.Output, op.Return = output{unknown: true}, h.flushed
		default:
			continue
		}
		ops = append(ops, op)
	}
	return append(ops, porcupine.Operation{ClientId: members, Input: input{do: "read"}, Output: output{text: joined(h.logs[name])}, Call: h.flushed + 1, Return: h.flushed + 2})
}

func joined(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, ",") + ","
}

// counterHistory is the additions to a counter.
func (h *history) counterHistory(name string) (ops []porcupine.Operation) {
	for _, e := range h.events {
		if e.order.Name != name || e.order.Do != "add" {
			continue
		}
		op := porcupine.Operation{ClientId: e.member, Input: input{do: "add", n: e.order.N}, Output: output{n: e.report.N}, Call: e.call, Return: e.ret}
		if e.report.Became != committed {
			op.Output, op.Return = output{unknown: true}, never
		}
		ops = append(ops, op)
	}
	return append(ops, porcupine.Operation{ClientId: members, Input: input{do: "read"}, Output: output{n: h.counters[name]}, Call: h.flushed + 1, Return: h.flushed + 2})
}

// lockHistory is what was done with the lock. Where its holder was told that it
// was lost, or could not be told that it is released, it ended some time before.
func (h *history) lockHistory() (ops []porcupine.Operation) {
	for m := range members {
		acquired := int64(0)
		for _, e := range h.events {
			if e.member != m || !slices.Contains([]string{"acquire", "use", "release"}, e.order.Do) || e.order.Do == "acquire" && !e.report.Held {
				continue
			}
			op := porcupine.Operation{ClientId: m, Input: input{do: e.order.Do, who: m}, Output: output{n: e.report.N, held: e.report.Held}, Call: e.call, Return: e.ret}
			switch {
			case e.order.Do == "acquire":
				acquired = e.ret
			case e.order.Do == "release" && e.report.Became != committed:
				op.Input, op.Call = input{do: "lapse", who: m}, acquired
			}
			ops = append(ops, op)
		}
	}
	return ops
}
