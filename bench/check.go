package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"chaperone/internal/clinicsim"
)

// check compares what chaperone wrote with the truth of the capture. A fast wrong answer is no answer.
func check(dir, output string) error {
	want, err := readTruth(dir)
	if err != nil {
		return err
	}
	f, err := os.Open(output)
	if err != nil {
		return err
	}
	defer f.Close()
	return compare(want, f)
}

// disclosure is what check reads of one.
type disclosure struct {
	Protocol     string
	From, To     struct{ Addr, Claimed string }
	Records      int
	Unidentified int
	Patients     []string
}

// edgeID names an edge: the receiver is a name where no address was seen.
type edgeID struct{ protocol, from, to string }

// edge is what passed on an edge.
type edge struct {
	disclosures, records, unidentified int
	people                             map[string]bool
}

func compare(want truth, output io.Reader) error {
	edges := map[edgeID]*edge{}
	var summary map[string]any
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var l struct{ Kind string }
		err := json.Unmarshal(lines.Bytes(), &l)
		switch l.Kind {
		case "disclosure":
			var d disclosure
			err = json.Unmarshal(lines.Bytes(), &d)
			d.addTo(edges)
		case "summary":
			err = json.Unmarshal(lines.Bytes(), &summary)
		}
		if err != nil {
			return fmt.Errorf("bench: chaperone's output: %w", err)
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	wrong := differences(want, edges, summary)
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return errors.New("bench: WRONG ANSWER, so its speed means nothing:\n  " + strings.Join(wrong, "\n  "))
	}
	return nil
}

func (d disclosure) addTo(edges map[edgeID]*edge) {
	id := edgeID{d.Protocol, d.From.Addr, d.To.Addr}
	if id.to == "" {
		id.to = d.To.Claimed
	}
	e := edges[id]
	if e == nil {
		e = &edge{people: map[string]bool{}}
		edges[id] = e
	}
	e.disclosures++
	e.records += d.Records
	e.unidentified += d.Unidentified
	for _, token := range d.Patients {
		e.people[token] = true
	}
}

// differences says in words what is not as it should be.
func differences(want truth, edges map[edgeID]*edge, summary map[string]any) []string {
	var wrong []string
	for name, n := range want.Counters {
		if got, ok := summary[name].(float64); !ok || int64(got) != n {
			wrong = append(wrong, fmt.Sprintf("%s: got %v, want %d", name, summary[name], n))
		}
	}
	for _, e := range want.Edges {
		id := idOf(e)
		got := edges[id]
		delete(edges, id)
		if got == nil {
			got = &edge{}
		}
		have := [4]int{got.disclosures, got.records, got.unidentified, len(got.people)}
		should := [4]int{e.Disclosures, e.Records, e.Unidentified, e.Patients}
		if have != should {
			wrong = append(wrong, fmt.Sprintf("%s from %s to %s: got %v disclosures, records, unidentified, patients, want %v",
				id.protocol, id.from, id.to, have, should))
		}
	}
	for id := range edges {
		wrong = append(wrong, fmt.Sprintf("%s from %s to %s: nothing passed there", id.protocol, id.from, id.to))
	}
	return wrong
}

func idOf(e clinicsim.Edge) edgeID {
	if e.To == "" {
		return edgeID{e.Protocol, e.From, e.ToName}
	}
	return edgeID{e.Protocol, e.From, e.To}
}
