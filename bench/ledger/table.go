package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// row is one line of the table.
type row struct {
	title  string
	key    string // of the figure, in results
	unit   string
	goal   float64 // 0: none
	atMost bool    // the goal is an upper bound: less is better
}

var rows = []row{
	{"load, batched and durable", "load", "pairs/s", 400_000, false},
	{"load, and closed", "load and close", "pairs/s", 400_000, false},
	{"small durable commits of 5, 1 writer", "small 1", "events/s", 0, false},
	{"  as a share of one fdatasync each", "small 1 share", "", 0.8, false},
	{"small durable commits of 5, 64 writers", "small 64", "events/s", 40_000, false},
	{"size of a pair: record", "bytes record", "B", 0, true},
	{"size of a pair: index", "bytes index", "B", 0, true},
	{"size of a pair: seal", "bytes log", "B", 0, true},
	{"size of a pair: all", "bytes all", "B", 24, true},
	{"distinct patients, 1 party, 7 days", "7 days", "ms", 3, true},
	{"  95th percentile", "7 days p95", "ms", 0, true},
	{"distinct patients, 10 parties, 30 days", "30 days", "ms", 25, true},
	{"  95th percentile", "30 days p95", "ms", 0, true},
	{"one patient's history, not asked before", "history anew", "ms", 5, true},
	{"  the first of all", "history first", "ms", 0, true},
	{"  asked again", "history", "ms", 0, true},
	{"  95th percentile", "history p95", "ms", 0, true},
	{"open after a clean close, to ask", "open to ask", "ms", 1000, true},
	{"open after a clean close, to write", "open to write", "ms", 1000, true},
	{"rebuild of the index", "rebuild", "pairs/s", 1_000_000, false},
	{"verify", "verify", "MB/s", 150, false},
	{"memory: load", "load memory", "MB", memoryGoal, true},
	{"memory: open to ask", "open to ask memory", "MB", memoryGoal, true},
	{"memory: open to write", "open to write memory", "MB", memoryGoal, true},
	{"memory: ask", "ask memory", "MB", memoryGoal, true},
	{"memory: small commits", "small memory", "MB", memoryGoal, true},
	{"memory: rebuild", "rebuild memory", "MB", memoryGoal, true},
	{"memory: verify", "verify memory", "MB", 0, true},
}

// memoryGoal is for few patients; with more than this many, it is the other.
const (
	memoryGoal     = 256
	fewPatients    = 1_000_000
	manyMemoryGoal = 1000
)

// print writes the table: the ledger, the goal, PostgreSQL and how much better the ledger is.
func print(out io.Writer, o options, all, beside results) {
	fmt.Fprintf(out, "one fdatasync of %.0f bytes, as many as a small commit writes: median %.2f ms, 99th percentile %.2f ms\n\n",
		all["small bytes"], all["fdatasync p50"], all["fdatasync p99"])
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tchaperone\tgoal\t\tPostgreSQL\tbetter by")
	for _, r := range rows {
		value, ok := all[r.key]
		if !ok {
			continue
		}
		goal := r.goal
		if goal == memoryGoal && o.Patients > fewPatients {
			goal = manyMemoryGoal
		}
		fmt.Fprintf(w, "%s\t%s %s\t%s\t", r.title, figure(value), r.unit, r.against(value, goal))
		if other, ok := beside[r.key]; ok && value > 0 && other > 0 {
			better := value / other
			if r.atMost {
				better = other / value
			}
			fmt.Fprintf(w, "%s %s\t%.1f×", figure(other), r.unit, better)
		} else {
			fmt.Fprint(w, "\t")
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // an error of stdout shows itself
}

// against gives the goal, and whether it is met.
func (r row) against(value, goal float64) string {
	if goal == 0 {
		return "\t"
	}
	sign, met := "≥", value >= goal
	if r.atMost {
		sign, met = "≤", value <= goal
	}
	return fmt.Sprintf("%s %s\t%s", sign, figure(goal), map[bool]string{true: "met", false: "MISSED"}[met])
}

// figure writes a number with three digits that count, thousands apart.
func figure(v float64) string {
	switch {
	case v > 0 && v < 0.1:
		return fmt.Sprintf("%.4f", v)
	case v < 10:
		return strings.TrimSuffix(fmt.Sprintf("%.2f", v), ".00")
	case v < 1000:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0")
	}
	text := fmt.Sprintf("%.0f", v)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}
