package watch

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"chaperone/ask"
	"chaperone/ledger"
	"chaperone/ledger/mem"
	"chaperone/patient"
)

// record reads captures into a ledger in one run.
func record(t *testing.T, store ledger.Store, paths ...string) *Result {
	t.Helper()
	o := Options{Paths: paths, Tokens: patient.NewTokenizer(testKey), Ledger: NewRecording(t.Context(), store, false)}
	result, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// covered asks what of a time was watched.
func covered(t *testing.T, store *mem.Store, q ledger.Query) ask.Coverage {
	t.Helper()
	scope, err := store.Scope(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return ask.SummaryOf(q, scope).Coverage
}

// halves writes a capture as two files, of which the second goes on where the first ends.
func halves(t *testing.T, name string) []string {
	t.Helper()
	all := segments(t, bytes.NewReader(read(t, name)))
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "1.pcap"), filepath.Join(dir, "2.pcap")}
	for i, part := range [][]byte{pcap(all[:len(all)/2]), pcap(all[len(all)/2:])} {
		if err := os.WriteFile(paths[i], part, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths
}

// TestNobodyWatched: captures with time between them leave that time unwatched, whether they are read together or one after the other.
func TestNobodyWatched(t *testing.T) {
	const clinic, border, inside = "../testdata/clinic.pcapng", "../testdata/clinic-2016/border.pcapng", "../testdata/clinic-2016/inside.pcapng"
	between := ledger.Query{From: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, test := range []struct {
		name      string
		paths     []string
		stretches int
		gaps      int // at any time
	}{
		{"years between", []string{clinic, inside}, 2, 1},
		{"two of the same time, and years", []string{border, clinic, inside}, 2, 1},
		{"a recorder that began a new file", halves(t, clinic), 1, 0},
		{"one file", []string{clinic}, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			together, apart := mem.New(), mem.New()
			result := record(t, together, test.paths...)
			for _, path := range test.paths {
				record(t, apart, path)
			}
			at := covered(t, together, ledger.Query{})
			if at.Runs != test.stretches || len(at.Unwatched) != test.gaps {
				t.Errorf("got %d stretches and %d gaps, want %d and %d", at.Runs, len(at.Unwatched), test.stretches, test.gaps)
			}
			if at.Packets != result.Packets || at.Flows != int64(result.Connections.Total) || at.Decoded != int64(result.Connections.Decoded) ||
				at.Hidden != int64(result.Connections.Encrypted+result.Connections.Other) || at.LostBytes != result.LostBytes || at.Malformed != result.Counters.Malformed {
				t.Errorf("the stretches add up to %+v, and the run saw %d packets, %+v, %d bytes lost, %d malformed", at, result.Packets, result.Connections, result.LostBytes, result.Counters.Malformed)
			}
			if other := covered(t, apart, ledger.Query{}); !slices.Equal(at.Unwatched, other.Unwatched) {
				t.Errorf("unwatched, read together: %v; read one after the other: %v", at.Unwatched, other.Unwatched)
			}
			if got := covered(t, together, between); got.Runs != 0 || len(got.Unwatched) != 1 || !got.Unwatched[0].From.Equal(between.From) || !got.Unwatched[0].Until.Equal(between.Until) {
				t.Errorf("of a year that nobody watched: %+v", got)
			}
			record(t, together, test.paths...)
			if again := covered(t, together, ledger.Query{}); again.Runs != test.stretches {
				t.Errorf("read again, they are %d stretches", again.Runs)
			}
		})
	}
}
