package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"chaperone/format/evtx"
	"chaperone/internal/clinicsim"
	"chaperone/page"
)

// logOf writes n events that a function fills.
func logOf(t *testing.T, n int, fill func(i int, e *clinicsim.WinEvent)) []byte {
	t.Helper()
	events := make([]clinicsim.WinEvent, n)
	for i := range events {
		events[i] = clinicsim.WinEvent{ID: 4625, Channel: "Security", Computer: "SRV", Time: time.Date(2026, 11, 8, 1, 0, i, 0, time.UTC)}
		fill(i, &events[i])
	}
	var b bytes.Buffer
	if err := clinicsim.WriteEventLog(&b, events); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMeanings(t *testing.T) {
	for channel, ids := range map[string][]uint16{
		security:      {4624, 4625, 4672, 4720, 4732, 1102, 4697, 4648, 4776, 4698, 4688, 5140, 5145},
		system:        {7045, 104},
		remoteNetwork: {1149},
		remoteSession: {21, 24, 25},
	} {
		for _, id := range ids {
			if (Kind{channel, id}).Meaning() == "" {
				t.Errorf("%s %d: no meaning", channel, id)
			}
		}
	}
	if got := (Kind{"Application", 4624}).Meaning(); got != "" {
		t.Errorf("the id alone says nothing; got %q", got)
	}
	for channel, ids := range meanings {
		for id, text := range ids {
			if n := len(text); n == 0 || n > 90 || strings.HasSuffix(text, ".") {
				t.Errorf("%s %d: a text of %d characters", channel, id, n)
			}
		}
	}
}

// TestBounds reads a log in which each event has names of its own: all are counted, not all are kept.
func TestBounds(t *testing.T) {
	const n = 6000
	b := logOf(t, n, func(i int, e *clinicsim.WinEvent) {
		e.Computer, e.Channel = fmt.Sprint("PC", i), fmt.Sprint("Channel", i)
	})
	f, err := Read(context.Background(), File{Path: "x"}, bytes.NewReader(b), nil)
	if err != nil {
		t.Fatal(err)
	}
	l := f.Log
	if len(l.Computers) != maxNames || l.MoreNames != n-maxNames || len(l.Kinds) != maxKinds || l.Others != n-maxKinds {
		t.Errorf("got %d computers and %d more, %d kinds and %d more", len(l.Computers), l.MoreNames, len(l.Kinds), l.Others)
	}
	var out bytes.Buffer
	r := NewReport(&out, time.UTC)
	r.File(f)
	if err := r.Close(); err != nil || out.Len() > 10_000 || !strings.Contains(out.String(), "and more") || !strings.Contains(out.String(), "2,000") {
		t.Errorf("got %v and\n%s", err, out.String())
	}
}

// TestLog counts, and says what is missing.
func TestLog(t *testing.T) {
	b := logOf(t, 300, func(i int, e *clinicsim.WinEvent) {
		if i%3 == 0 {
			e.ID, e.Computer = 4624, "LAP\x1b[2JTOP"
		}
	})
	clear(b[4096+512+20_000:][:2000]) // some events in the middle
	b[120] = 1
	f, err := Read(context.Background(), File{Path: "x"}, bytes.NewReader(b), nil)
	if err != nil || f.Format != EventLog {
		t.Fatalf("got %q and %v", f.Format, err)
	}
	l := f.Log
	if l.LastID != 300 || l.Missing() > uint64(l.Stats.Lost) || l.Stats.Lost == 0 || l.Stats.Records+l.Stats.Lost != 300 {
		t.Errorf("got %+v, %d missing", l.Stats, l.Missing())
	}
	if k := l.kinds(); len(k) != 2 || k[0].ID != 4625 || l.computers()[0] != "SRV" {
		t.Errorf("got %v and %q", k, l.computers())
	}
	var out bytes.Buffer
	r := NewReport(&out, time.UTC)
	r.File(f)
	for _, want := range []string{"was not closed", "events were carved", "more events were here", "The first damage: "} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("the report does not say %q:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Error("the report steers the terminal")
	}
}

// TestStopped ends early: when the context is over, and when the reader of the events has had enough.
func TestStopped(t *testing.T) {
	b := logOf(t, 10, func(int, *clinicsim.WinEvent) {})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if f, err := Read(ctx, File{}, bytes.NewReader(b), nil); !errors.Is(err, context.Canceled) || f.Format != EventLog {
		t.Errorf("got %q and %v", f.Format, err)
	}
	enough := errors.New("enough")
	if _, err := Read(context.Background(), File{}, bytes.NewReader(b), func(*evtx.Record) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("got %v", err)
	}
}

// TestRepeated writes a name that comes twice as a list.
func TestRepeated(t *testing.T) {
	b := logOf(t, 1, func(_ int, e *clinicsim.WinEvent) {
		for _, value := range []string{"a", "b", "c"} {
			e.Data = append(e.Data, clinicsim.WinField{Value: value})
		}
	})
	var out bytes.Buffer
	j := NewJSON(&out)
	_, err := Read(context.Background(), File{}, bytes.NewReader(b), func(e *evtx.Record) error { return j.Event("x", e) })
	if err := errors.Join(err, j.Close()); err != nil || !strings.Contains(out.String(), `"data":{"Data":["a","b","c"]}`) {
		t.Errorf("got %v and %s", err, out.String())
	}
}

// TestSteering: what an event says comes out of JSON as it went in, and steers no terminal.
func TestSteering(t *testing.T) {
	const said = "gnp\u202eexe.\u009b31m"
	b := logOf(t, 1, func(_ int, e *clinicsim.WinEvent) {
		e.Data = append(e.Data, clinicsim.WinField{Name: "Image", Value: said})
	})
	var out bytes.Buffer
	j := NewJSON(&out)
	_, err := Read(context.Background(), File{}, bytes.NewReader(b), func(e *evtx.Record) error { return j.Event("x", e) })
	if err := errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(out.String(), "\n")
	var line struct{ Data struct{ Image string } }
	if err := json.Unmarshal([]byte(first), &line); err != nil || line.Data.Image != said {
		t.Errorf("got %+q, %v", line.Data.Image, err)
	}
	if strings.ContainsFunc(first, page.Steers) {
		t.Errorf("the line steers a terminal: %+q", first)
	}
}
