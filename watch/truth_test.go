package watch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"chaperone/internal/clinicsim"
)

// TestPeers: captures of programs that nobody here wrote (testdata/SOURCES.md), with the truth from their own logs.
func TestPeers(t *testing.T) {
	type numbers map[string]float64
	for name, want := range map[string]numbers{
		"dicom-echo":            {"dicom_associations": 1, "dicom_objects": 0, "disclosures": 0, "patients": 0},
		"dicom-find-one-study":  {"dicom_associations": 1, "disclosures": 1, "records": 1, "patients": 1, "unidentified": 0},
		"dicom-store-3assoc":    {"dicom_associations": 3, "dicom_objects": 3, "disclosures": 3, "records": 3, "patients": 3},
		"dicom-store-jpeg":      {"dicom_associations": 1, "dicom_objects": 1, "disclosures": 1, "records": 1, "patients": 1},
		"hl7-mllp-3senders":     {"hl7_messages": 120, "hl7_acks": 120, "flows": 3, "disclosures": 120, "patients": 29, "patients_weak": 1, "unidentified": 73},
		"smb2-access-list-only": {"flows": 1, "disclosures": 0, "patients": 0},
	} {
		t.Run(name, func(t *testing.T) {
			all := lines(t, stdin(read(t, "../testdata/peer/"+name+".pcapng")))
			got := all[len(all)-1]
			want["malformed"], want["lost_bytes"] = 0, 0
			for field, n := range want {
				if got[field] != n {
					t.Errorf("%s: got %v, want %v", field, got[field], n)
				}
			}
		})
	}
}

// TestClinic: the simulated clinic, whose generator knows the truth and none of our decoders. Every counter and every
// edge must be equal, over many days.
func TestClinic(t *testing.T) {
	seeds := 100
	if testing.Short() || raceEnabled {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed+1), func(t *testing.T) {
			t.Parallel()
			var capture bytes.Buffer
			truth, err := clinicsim.Write(&capture, clinicsim.Options{Seed: uint64(seed + 1)})
			if err != nil {
				t.Fatal(err)
			}
			all := lines(t, stdin(capture.Bytes()))
			got := all[len(all)-1]
			for field, n := range fields(t, truth) {
				if number, ok := n.(float64); ok && got[field] != number {
					t.Errorf("%s: got %v, want %v", field, got[field], number)
				}
			}
			compareEdges(t, all, truth.Edges)
			if patients := distinct(all); float64(patients) != got["patients"] {
				t.Errorf("distinct patients over all disclosures: got %d, want %v as the summary says", patients, got["patients"])
			}
		})
	}
}

// compareEdges adds up the disclosures of each pair of systems.
func compareEdges(t *testing.T, all []map[string]any, want []clinicsim.Edge) {
	t.Helper()
	type sum struct {
		disclosures, records, unidentified int
		patients                           map[any]bool
	}
	got := map[string]*sum{}
	for _, m := range all {
		if m["kind"] != "disclosure" {
			continue
		}
		to := m["to"].(map[string]any)
		addr, _ := to["addr"].(string)
		title := ""
		if addr == "" {
			title, _ = to["claimed"].(string)
		}
		k := fmt.Sprint(m["from"].(map[string]any)["addr"], ">", addr, title, " ", m["protocol"])
		if got[k] == nil {
			got[k] = &sum{patients: map[any]bool{}}
		}
		got[k].disclosures++
		got[k].records += int(m["records"].(float64))
		got[k].unidentified += int(m["unidentified"].(float64))
		for _, p := range m["patients"].([]any) {
			got[k].patients[p] = true
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d edges, want %d", len(got), len(want))
	}
	for _, e := range want {
		title := ""
		if e.To == "" {
			title = e.ToName
		}
		k := fmt.Sprint(e.From, ">", e.To, title, " ", e.Protocol)
		g := got[k]
		if g == nil {
			t.Errorf("%s: not among the disclosures", k)
		} else if g.disclosures != e.Disclosures || g.records != e.Records || len(g.patients) != e.Patients || g.unidentified != e.Unidentified {
			t.Errorf("%s: got %d disclosures, %d records, %d patients, %d unidentified; want %d, %d, %d, %d", k,
				g.disclosures, g.records, len(g.patients), g.unidentified, e.Disclosures, e.Records, e.Patients, e.Unidentified)
		}
	}
}

func fields(t *testing.T, truth clinicsim.Truth) map[string]any {
	t.Helper()
	b, err := json.Marshal(truth)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 15 {
		t.Fatalf("the truth has %d fields only", len(all))
	}
	return all
}

// distinct counts the patients named by all disclosures.
func distinct(all []map[string]any) int {
	seen := map[any]bool{}
	for _, m := range all {
		if list, ok := m["patients"].([]any); ok {
			for _, p := range list {
				seen[p] = true
			}
		}
	}
	return len(seen)
}
