package evtx

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestCorpora compares with libevtx over a folder of logs: CHAPERONE_CORPORA names one that holds evtx/expected.tsv with
// file, bytes, records, recovered records and event IDs (id:count, the twelve most frequent).
func TestCorpora(t *testing.T) {
	root := os.Getenv("CHAPERONE_CORPORA")
	if root == "" {
		t.Skip("CHAPERONE_CORPORA names no folder of logs; those in testdata are compared in any case")
	}
	table, err := os.Open(filepath.Join(root, "evtx", "expected.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	files, records := 0, 0
	for lines := bufio.NewScanner(table); lines.Scan(); {
		row := strings.Split(lines.Text(), "\t")
		if len(row) < 5 || !strings.HasSuffix(row[0], ".evtx") || row[2] == "0" { // 0: the peer could not read it
			continue
		}
		files++
		n, ids := countEvents(t, filepath.Join(root, "evtx", filepath.FromSlash(row[0])))
		records += n
		if fmt.Sprint(n) != row[2] || ids != row[4] {
			t.Errorf("%s: got %d records, events %s; want %s, %s", filepath.Base(row[0]), n, ids, row[2], row[4])
		}
	}
	t.Logf("%d logs, %d records", files, records)
	if files == 0 {
		t.Error("no logs in the table")
	}
}

// countEvents gives the number of records of a log, and its event IDs as the table writes them.
func countEvents(t *testing.T, path string) (int, string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, n, ids := NewReader(f), 0, map[uint16]int{}
	for {
		rec, err := r.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s: %v", filepath.Base(path), err)
			}
			break
		}
		n++
		ids[rec.EventID]++
	}
	order := slices.SortedFunc(maps.Keys(ids), func(a, b uint16) int { return cmp.Or(ids[b]-ids[a], cmp.Compare(a, b)) })
	var parts []string
	for _, id := range order[:min(12, len(order))] {
		parts = append(parts, fmt.Sprintf("%d:%d", id, ids[id]))
	}
	return n, strings.Join(parts, " ")
}
