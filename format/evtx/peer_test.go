package evtx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// peerEvent is an event in the JSON beside the logs.
type peerEvent struct {
	Event struct {
		System struct {
			Provider, TimeCreated, Security struct {
				Attributes struct{ Name, SystemTime, UserID string } `json:"#attributes"`
			}
			EventID, EventRecordID      json.Number
			Level                       uint8
			Keywords, Channel, Computer string
		}
		EventData map[string]any
		UserData  map[string]map[string]any
	}
}

// TestPeer compares every value of the logs of others: with the JSON of their authors, and the counts with libevtx.
func TestPeer(t *testing.T) {
	b, err := os.ReadFile("testdata/sigma/expected.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")[2:]
	if len(lines) != 8 {
		t.Fatalf("got %d logs, want them all", len(lines))
	}
	for _, line := range lines {
		columns := strings.Split(line, "\t")
		t.Run(columns[0], func(t *testing.T) {
			path := filepath.Join("testdata/sigma", columns[0])
			log, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := os.ReadFile(strings.TrimSuffix(path, ".evtx") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			records, stats, err := readAll(bytes.NewReader(log))
			if err != nil || stats != (Stats{Chunks: 1, Records: len(records)}) {
				t.Errorf("got %+v and %v, want one whole chunk", stats, err)
			}
			ids := map[uint16]int{}
			d := json.NewDecoder(bytes.NewReader(answer))
			d.UseNumber()
			for _, r := range records {
				ids[r.EventID]++
				var want peerEvent
				if err := d.Decode(&want); err != nil {
					t.Fatal(err)
				}
				comparePeer(t, r, want)
			}
			if d.More() {
				t.Error("there are more events in the JSON")
			}
			got := fmt.Sprint(len(records), " ")
			for id, n := range ids { // there is one id in each of these logs
				got += fmt.Sprintf("%d:%d", id, n)
			}
			if want := columns[1] + " " + columns[2]; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func comparePeer(t *testing.T, r *Record, want peerEvent) {
	t.Helper()
	s := want.Event.System
	for _, field := range []struct{ name, got, want string }{
		{"EventRecordID", fmt.Sprint(r.ID), s.EventRecordID.String()},
		{"EventID", fmt.Sprint(r.EventID), s.EventID.String()},
		{"Level", fmt.Sprint(r.Level), fmt.Sprint(s.Level)},
		{"Keywords", fmt.Sprintf("0x%x", r.Keywords), s.Keywords},
		{"SystemTime", r.Time.Format("2006-01-02T15:04:05.000000Z"), s.TimeCreated.Attributes.SystemTime},
		{"Provider", r.Provider, s.Provider.Attributes.Name},
		{"Channel", r.Channel, s.Channel},
		{"Computer", r.Computer, s.Computer},
		{"UserID", r.User, s.Security.Attributes.UserID},
	} {
		if field.got != field.want {
			t.Errorf("%s: got %q, want %q", field.name, field.got, field.want)
		}
	}
	values := want.Event.EventData
	for _, user := range want.Event.UserData {
		values = user
	}
	delete(values, "#attributes")
	if len(r.Data) != len(values) {
		t.Errorf("got %d fields, want %d", len(r.Data), len(values))
	}
	for _, f := range r.Data {
		want := ""
		if v := values[f.Name]; v != nil {
			want = fmt.Sprint(v)
		}
		// That JSON is without the braces of GUIDs and the blanks at ends; libevtx agrees with us about both.
		got := strings.TrimSpace(f.Value)
		if !slices.Contains([]string{got, strings.Trim(got, "{}")}, want) {
			t.Errorf("%s: got %q, want %q", f.Name, f.Value, want)
		}
	}
}
