package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/record"
)

// historyOf asks for everything of the patient who is in each disclosure of wide.
func historyOf(t *testing.T, l *Ledger) (rows []ledger.Row, err error) {
	t.Helper()
	q := ledger.Query{Patient: &ledger.Who{Tokens: []chaperone.PatientToken{{1, 7}}}}
	err = l.Disclosures(t.Context(), q, func(r ledger.Row) error { rows = append(rows, r); return nil })
	return rows, err
}

// wide is a batch of n disclosures of one patient.
func wide(n int) ledger.Batch {
	b := someBatch(0, n)
	for i := range b.Disclosures {
		b.Disclosures[i].ID[2] = 7
		b.Disclosures[i].Covered = []ledger.Covered{{Numbers: []chaperone.PatientToken{{1, 7}}}}
	}
	return b
}

// A purge takes what the keyring has of its day, and what a question brings that began before.
func TestPurgeForgetsHeads(t *testing.T) {
	l := open(t, folders(t))
	defer l.Close()
	b := days(3)
	for i := range b.Disclosures {
		b.Disclosures[i].ID[2], b.Disclosures[i].Covered = 7, wide(1).Disclosures[0].Covered
	}
	mustRecord(t, l, b)
	if rows, err := historyOf(t, l); err != nil || len(rows) != 3 {
		t.Fatalf("got %d rows and %v, want 3", len(rows), err)
	}
	day := ledger.DayOf(noon) - 1
	of := func(day ledger.Day) (open []uint64) {
		for batch, part := range l.keys.parts {
			if part.day == day {
				open = append(open, batch)
			}
		}
		return open
	}
	if len(of(day)) != 1 || len(of(day-1)) != 1 {
		t.Fatalf("got the batches %v and %v, want one of each day", of(day), of(day-1))
	}
	m, err := l.keys.master(day)
	if err != nil {
		t.Fatal(err)
	}
	batch := of(day)[0]
	part, memory := l.keys.parts[batch], l.keys.memory
	size := part.memory
	if err := l.Purge(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	l.keys.keep(&index.Place{Batch: batch, Day: day}, m, part.Opened)
	l.keys.keepBlock(part, 0, make([]byte, 600))
	if len(of(day)) != 0 || l.keys.masters[day] != nil {
		t.Errorf("after the purge there are still the heads %v, or the key", of(day))
	}
	if len(of(day-1)) != 1 || l.keys.memory != memory-size || part.kept(0) != nil {
		t.Errorf("got the batches %v of another day and %d bytes, want one and %d", of(day-1), l.keys.memory, memory-size)
	}
}

// However many heads are opened, the keyring keeps to its memory.
func TestKeyringMemory(t *testing.T) {
	m := record.NewMaster([32]byte{1})
	k := keyring{masters: map[ledger.Day]*record.Master{5: m}}
	one := new(record.Opened)
	fits := keptMemory / one.Memory()
	for batch := range uint64(2 * fits) {
		k.keep(&index.Place{Batch: batch, Day: 5}, m, one)
		k.keep(&index.Place{Batch: batch, Day: 5}, m, one) // by another question
	}
	if len(k.parts) != fits || k.memory != fits*one.Memory() {
		t.Errorf("got %d heads of %d bytes, want %d of %d", len(k.parts), k.memory, fits, fits*one.Memory())
	}
	latest := k.part(uint64(2*fits - 1))
	if latest == nil || latest.Opened != one {
		t.Fatal("the latest is not kept")
	}
	for number := range 2 * keptBlocks {
		k.keepBlock(latest, number, make([]byte, 1000, 1024))
		k.keepBlock(latest, number, make([]byte, 1000, 1024)) // by another question
	}
	if sum := memoryOf(&k); k.memory != sum || sum > keptMemory || len(k.parts) >= fits {
		t.Errorf("with blocks: got %d heads, %d bytes that are counted and %d of parts; want them alike, in %d", len(k.parts), k.memory, sum, keptMemory)
	}
	if latest.memory < keptBlocks*1000 || latest.kept(keptBlocks-1) == nil || latest.kept(keptBlocks) != nil {
		t.Errorf("got %d bytes of one part, and not the first %d blocks", latest.memory, keptBlocks)
	}
	k.forget(5)
	if len(k.parts) != 0 || k.memory != 0 {
		t.Errorf("forgotten: got %d heads of %d bytes, want none", len(k.parts), k.memory)
	}
}

// memoryOf adds up what is kept.
func memoryOf(k *keyring) (sum int) {
	for _, part := range k.parts {
		sum += part.memory
	}
	return sum
}

// A damaged block is told of by file and batch, whether its batch was opened before or not. A small batch that was opened
// is in memory as a whole: it is answered from there, and so is a block that was read twice.
func TestDamagedBlock(t *testing.T) {
	for _, test := range []struct {
		name        string
		disclosures int
		opened      int // times
		told        bool
	}{
		{"small", 5, 0, true},
		{"small and opened", 5, 1, false},
		{"large", 120, 0, true},
		{"large and opened", 120, 1, true},
		{"large and opened twice", 120, 2, false},
		{"large, and more blocks than are kept", 500, 2, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := folders(t)
			l := open(t, o)
			defer l.Close()
			mustRecord(t, l, wide(test.disclosures))
			batch, segment := l.batches-1, filepath.Join(o.Dir, "record", record.SegmentName(l.end.Segment))
			for range test.opened {
				if rows, err := historyOf(t, l); err != nil || len(rows) != test.disclosures {
					t.Fatalf("before: got %d rows and %v", len(rows), err)
				}
			}
			f, err := os.OpenFile(segment, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{1, 2, 3, 4}, l.end.Offset-4); err != nil {
				t.Fatal(err)
			}
			rows, err := historyOf(t, l)
			switch {
			case !test.told && (err != nil || len(rows) != test.disclosures):
				t.Errorf("got %d rows and %v, want %d", len(rows), err, test.disclosures)
			case test.told && (err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s: batch %d: ", segment, batch))):
				t.Errorf("got %d rows and %v, want the file and batch %d", len(rows), err, batch)
			}
		})
	}
}
