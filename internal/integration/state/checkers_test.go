package state

import (
	"strings"
	"testing"
)

// TestCheckers gives each check a history in which nothing is wrong, and then one
// thing.
func TestCheckers(t *testing.T) {
	did := func(m int, do, name, value, became string, call int64) event {
		return event{m, order{Do: do, Name: name, Value: value}, report{Became: became}, call, call + 5}
	}
	lock := func(m int, do string, token, call int64) event {
		e := did(m, do, "job", "", committed, call)
		e.report.N, e.report.Held = token, do != "release"
		return e
	}
	read := func(m int, value string, call int64) event {
		e := did(m, "get", "cell0", "", committed, call)
		e.report.Value, e.report.Found = value, true
		return e
	}
	update := func(m int, value string, result []string, call int64) event {
		e := did(m, "update", "log0", value, committed, call)
		e.report.Values = result
		return e
	}
	sum := func(m int, n, sum, call int64) event {
		e := did(m, "add", "c0", "", committed, call)
		e.order.N, e.report.N = n, sum
		return e
	}
	good := func() *history {
		return &history{prefix: "s:", flushed: 1000,
			events: []event{
				update(0, "a", []string{"a"}, 10), update(1, "b", []string{"a", "b"}, 20),
				did(2, "update", "log0", "q", queued, 30), did(2, "update", "log0", "f", failed, 40), did(1, "update", "log0", "r", refused, 50),
				did(0, "set", "cell0", "1", committed, 60), read(1, "1", 70), did(0, "set", "cell0", "2", queued, 80), read(1, "2", 90),
				did(1, "set", "cell1", "3", committed, 100), did(1, "delete", "cell1", "", committed, 110),
				did(0, "set", "board", "x", committed, 120), did(1, "set", "board", "y", queued, 130), did(2, "set", "board", "z", committed, 140),
				sum(0, 5, 5, 150), sum(1, 7, 12, 160), {2, order{Do: "add", Name: "c0", N: 9}, report{Became: failed}, 170, 175},
				lock(0, "acquire", 7, 180), lock(0, "use", 7, 190), lock(0, "release", 7, 200), lock(1, "acquire", 9, 210), lock(1, "use", 9, 220),
				{1, order{Do: "release", Name: "job"}, report{Became: failed, N: 9}, 230, 260}, lock(2, "acquire", 10, 240), lock(2, "use", 10, 250),
			},
			logs:  map[string][]string{"log0": {"a", "b", "q"}},
			cells: map[string]string{"cell0": "2", "board": "z"}, counters: map[string]int64{"c0": 12},
		}
	}
	if wrong := good().check(); len(wrong) > 0 {
		t.Fatalf("a sound history is wrong: %q", wrong)
	}
	conflict := func(key, value string) dropped {
		return dropped{Conflict: true, Key: "s:state:" + key, Value: value, Changes: 1}
	}
	for name, c := range map[string]struct {
		change func(h *history)
		wrong  string
	}{
		"lost":                  {func(h *history) { h.logs["log0"] = []string{"a", "q"} }, "b was acknowledged, and is lost"},
		"lost from the queue":   {func(h *history) { h.logs["log0"] = []string{"a", "b"} }, "1 changes that member 2 was told are queued are lost"},
		"twice":                 {func(h *history) { h.logs["log0"] = []string{"a", "b", "q", "q"} }, "q was added once and is there 2 times"},
		"nobody's":              {func(h *history) { h.logs["log0"] = []string{"a", "b", "q", "n"} }, "nobody has added it"},
		"refused and there":     {func(h *history) { h.logs["log0"] = []string{"a", "b", "q", "r"} }, "r is there and was refused"},
		"in another order":      {func(h *history) { h.logs["log0"] = []string{"b", "a", "q"} }, "log0: " + unexplained},
		"not what was told":     {func(h *history) { h.events[1].report.Values = []string{"b"} }, "log0: " + unexplained},
		"an older value":        {func(h *history) { h.cells["cell0"] = "1" }, `cell0: in the end there is "1"`},
		"no value":              {func(h *history) { delete(h.cells, "cell0") }, `cell0: in the end there is "" (found false)`},
		"come back":             {func(h *history) { h.cells["cell1"] = "3" }, `cell1: in the end there is "3"`},
		"conflict with nobody":  {func(h *history) { h.drops[0] = []dropped{conflict("cell0", `"2"`)} }, "nobody else changes it"},
		"replaced":              {func(h *history) { h.cells["board"] = "x" }, "board: in the end there is x, and z was set after it"},
		"in conflict and there": {func(h *history) { h.cells["board"] = "y"; h.drops[1] = []dropped{conflict("board", `"y"`)} }, "reported as a conflict"},
		"board of nobody":       {func(h *history) { h.cells["board"] = "n" }, "which nobody has set"},
		"no board":              {func(h *history) { delete(h.cells, "board") }, "something was set"},
		"backwards":             {func(h *history) { h.events[8].report.Value, h.events[6].report.Value = "1", "2" }, "member 1 reads 1, and has read 2 before"},
		"added twice":           {func(h *history) { h.counters["c0"] = 19 }, "counter c0: " + unexplained},
		"not added":             {func(h *history) { h.counters["c0"] = 5 }, "counter c0: " + unexplained},
		"two hold":              {func(h *history) { h.events[19].call, h.events[19].ret = 226, 228 }, "the lock: " + unexplained},
		"an older token":        {func(h *history) { h.events[20].report.N, h.events[21].report.N = 6, 6 }, "member 0 gets the token 7, and later member 1 gets 6"},
		"a shared token":        {func(h *history) { h.resource.write(0, 7); h.resource.write(1, 7) }, "with the same token 7"},
	} {
		t.Run(name, func(t *testing.T) {
			h := good()
			c.change(h)
			if wrong := strings.Join(h.check(), "\n"); !strings.Contains(wrong, c.wrong) {
				t.Errorf("the checks say %q, want %q", wrong, c.wrong)
			}
		})
	}
	h := good() // in which the server was emptied: what was before is not asked for
	h.emptied = 1000
	h.logs, h.cells, h.counters = map[string][]string{}, map[string]string{}, map[string]int64{}
	if wrong := h.check(); len(wrong) > 0 {
		t.Errorf("a history of a server that was emptied is wrong: %q", wrong)
	}
	h.emptied = 15
	if wrong := strings.Join(h.check(), "\n"); !strings.Contains(wrong, "b was acknowledged, and is lost") || strings.Contains(wrong, "a was") || !strings.Contains(wrong, "cell0") {
		t.Errorf("a history of a server that was emptied before: the checks say %q", wrong)
	}
}
