package state

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// check tells what is wrong with a history.
func (h *history) check() (wrong []string) {
	wrong = append(wrong, h.resource.wrong...)
	wrong = append(wrong, h.tokens()...)
	for _, name := range []string{"log0", "log1", "fresh"} {
		wrong = append(wrong, h.log(name)...)
	}
	for m := range members {
		wrong = append(wrong, h.cell(m)...)
	}
	if h.emptied > 0 {
		return wrong
	}
	wrong = append(wrong, h.board()...)
	wrong = append(wrong, h.backwards()...)
	for _, name := range []string{"log0", "log1", "fresh"} {
		wrong = append(wrong, explained(name, logModel(h.logs[name]), h.logHistory(name))...)
	}
	for _, name := range []string{"c0", "c1", "fresh"} {
		wrong = append(wrong, explained("counter "+name, counterModel, h.counterHistory(name))...)
	}
	return append(wrong, explained("the lock", lockModel, h.lockHistory())...)
}

// explained asks the checker whether some order of the operations explains what
// was told.
func explained(what string, model porcupine.Model, ops []porcupine.Operation) []string {
	switch porcupine.CheckOperationsTimeout(model, ops, patience) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return []string{fmt.Sprintf("%s: whether an order explains what was told is not found out within %v", what, patience)}
	}
	lines := []string{what + ": " + unexplained}
	for _, op := range ops {
		lines = append(lines, fmt.Sprintf("  %v..%v member %d: %s", time.Duration(op.Call), time.Duration(op.Return), op.ClientId, describe(op.Input, op.Output)))
	}
	return []string{strings.Join(lines, "\n")}
}

const unexplained = "no order of the operations explains what was told"

// dropped is how many changes of a value a member has reported as not made.
func (h *history) dropped(m int, name string) (n int) {
	for _, d := range h.drops[m] {
		if d.Key == h.prefix+"state:"+name {
			n += d.Changes
		}
	}
	return n
}

// log checks that what was acknowledged is there, once, and that nothing else is.
// What the server had before it was emptied is not asked for.
func (h *history) log(name string) (wrong []string) {
	there := map[string]int{}
	for _, value := range h.logs[name] {
		there[value]++
	}
	var lost [members]int
	for _, e := range h.events {
		if e.order.Do != "update" || e.order.Name != name {
			continue
		}
		n := there[e.order.Value]
		delete(there, e.order.Value)
		switch asked := e.call > h.emptied; {
		case n > 1:
			wrong = append(wrong, fmt.Sprintf("%s: %s was added once and is there %d times: it was %s", name, e.order.Value, n, e.report.Became))
		case n == 1 && e.report.Became == refused:
			wrong = append(wrong, fmt.Sprintf("%s: %s is there and was refused: %s", name, e.order.Value, e.report.Err))
		case n == 0 && asked && e.report.Became == committed:
			wrong = append(wrong, fmt.Sprintf("%s: %s was acknowledged, and is lost", name, e.order.Value))
		case n == 0 && asked && e.report.Became == queued:
			lost[e.member]++
		}
	}
	for value := range there {
		wrong = append(wrong, fmt.Sprintf("%s: %s is there, and nobody has added it", name, value))
	}
	for m, n := range lost {
		if reported := h.dropped(m, name); n > reported {
			wrong = append(wrong, fmt.Sprintf("%s: %d changes that member %d was told are queued are lost, and %d were reported", name, n, m, reported))
		}
	}
	return wrong
}

// cell checks that a member's own value is what it set last, or nothing if it
// deleted it. Nobody else sets it, so there are no conflicts.
func (h *history) cell(m int) (wrong []string) {
	name := fmt.Sprint("cell", m)
	has, found := h.cells[name]
	allowed := map[string]bool{}
	known := false // that something of now is there
	for _, e := range h.events {
		if e.order.Name != name || e.order.Do != "set" && e.order.Do != "delete" || e.report.Became == refused {
			continue
		}
		if e.report.Became != failed {
			clear(allowed)
			known = e.call > h.emptied
		}
		value := e.order.Value
		if e.order.Do == "delete" {
			value = ""
		}
		allowed[value] = true
	}
	for _, d := range h.drops[m] {
		if d.Key != h.prefix+"state:"+name {
			continue
		}
		if d.Conflict && h.emptied == 0 {
			wrong = append(wrong, fmt.Sprintf("%s: a conflict over %q is reported, and nobody else changes it", name, d.Value))
		}
		known = false
	}
	if !found {
		has = ""
	}
	if known && !allowed[has] {
		wrong = append(wrong, fmt.Sprintf("%s: in the end there is %q (found %v), want one of %v", name, has, found, allowed))
	}
	return wrong
}

// board checks that what all have set is in the end something that nobody has
// certainly replaced.
func (h *history) board() (wrong []string) {
	var sets []event
	inConflict := map[string]bool{}
	for _, drops := range h.drops {
		for _, d := range drops {
			if d.Key == h.prefix+"state:board" {
				inConflict[strings.Trim(d.Value, `"`)] = true
			}
		}
	}
	for _, e := range h.events {
		if e.order.Name == "board" && e.report.Became != refused && !inConflict[e.order.Value] {
			sets = append(sets, e)
		}
	}
	has, found := h.cells["board"]
	at := slices.IndexFunc(sets, func(e event) bool { return e.order.Value == has })
	switch {
	case found && at < 0:
		return []string{fmt.Sprintf("board: in the end there is %q, which nobody has set, or which was reported as a conflict", has)}
	case !found && slices.ContainsFunc(sets, func(e event) bool { return e.report.Became == committed }):
		return []string{"board: in the end there is nothing, and something was set"}
	case !found || sets[at].report.Became != committed:
		return nil
	}
	for _, e := range sets {
		if e.report.Became == committed && e.call > sets[at].ret {
			wrong = append(wrong, fmt.Sprintf("board: in the end there is %s, and %s was set after it", has, e.order.Value))
		}
	}
	return wrong
}

// backwards checks that nobody reads what is older than what it has read before.
func (h *history) backwards() (wrong []string) {
	var seen [members]map[string]int
	for _, e := range h.events {
		if e.order.Do != "get" || !e.report.Found {
			continue
		}
		n, err := strconv.Atoi(e.report.Value)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: member %d reads %q, which nobody has set", e.order.Name, e.member, e.report.Value))
			continue
		}
		if seen[e.member] == nil {
			seen[e.member] = map[string]int{}
		}
		if last := seen[e.member][e.order.Name]; n < last {
			wrong = append(wrong, fmt.Sprintf("%s: member %d reads %d, and has read %d before", e.order.Name, e.member, n, last))
		}
		seen[e.member][e.order.Name] = n
	}
	return wrong
}

// tokens checks that a lock acquired later has a higher token, also where the
// server has forgotten everything between.
func (h *history) tokens() (wrong []string) {
	var held []event
	for _, e := range h.events {
		if e.order.Do == "acquire" && e.report.Held {
			held = append(held, e)
		}
	}
	for _, a := range held {
		for _, b := range held {
			if a.ret < b.call && a.report.N >= b.report.N {
				wrong = append(wrong, fmt.Sprintf("the lock: member %d gets the token %d, and later member %d gets %d", a.member, a.report.N, b.member, b.report.N))
			}
		}
	}
	return wrong
}
