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
			if patients := distinct(all); float64(patients) != got["patients"] {
				t.Errorf("distinct patients over all disclosures: got %d, want %v as the summary says", patients, got["patients"])
			}
		})
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
