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

// everything asks for all disclosures.
func everything(t *testing.T, l *Ledger) (rows []ledger.Row, err error) {
	t.Helper()
	err = l.Disclosures(t.Context(), ledger.Query{}, func(r ledger.Row) error {
		if r.ID[2] == 7 { // as those of wide
			rows = append(rows, r)
		}
		return nil
	})
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
	blocks := func(day ledger.Day) (n int) {
		for _, block := range l.keys.blocks {
			if block.day == day {
				n++
			}
		}
		return n
	}
	if len(of(day)) != 1 || len(of(day-1)) != 1 || blocks(day) != 1 || blocks(day-1) != 1 {
		t.Fatalf("got the batches %v and %v, want one of each day, and a block", of(day), of(day-1))
	}
	m, err := l.keys.master(day)
	if err != nil {
		t.Fatal(err)
	}
	batch := of(day)[0]
	part, memory, plain := l.keys.parts[batch].Opened, l.keys.memory, l.keys.blocks[blockName{batch, 0}].plain
	if err := l.Purge(t.Context(), day); err != nil {
		t.Fatal(err)
	}
	l.keys.keep(&index.Place{Batch: batch, Day: day}, m, part)
	l.keys.keepBlock(blockName{batch, 0}, day, plain)
	if plain == nil || blocks(day) != 0 || blocks(day-1) != 1 {
		t.Errorf("after the purge there are %d blocks of the day and %d of the one before, want 0 and 1", blocks(day), blocks(day-1))
	}
	if len(of(day)) != 0 || l.keys.masters[day] != nil {
		t.Errorf("after the purge there are still the heads %v, or the key", of(day))
	}
	if len(of(day-1)) != 1 || l.keys.memory != memory-part.Memory() {
		t.Errorf("got the batches %v of another day and %d bytes, want one and %d", of(day-1), l.keys.memory, memory-part.Memory())
	}
}

// However many blocks are read, the keyring keeps to its memory.
func TestKeyringBlocks(t *testing.T) {
	k := keyring{masters: map[ledger.Day]*record.Master{5: record.NewMaster([32]byte{1})}}
	for n := range 40 {
		plain := make([]byte, 1<<20-100) // with what a block costs besides, 16 of them fit
		plain[0] = byte(n)
		k.keepBlock(blockName{1, n}, 5, plain)
		k.keepBlock(blockName{1, n}, 5, make([]byte, 7)) // by another question, too late
		if got := k.block(blockName{1, n}); len(got) != len(plain) || got[0] != byte(n) {
			t.Fatalf("block %d: got %d bytes", n, len(got))
		}
	}
	if len(k.blocks) != 16 || k.plain != blocksMemory {
		t.Errorf("got %d blocks of %d bytes, want 16 of %d", len(k.blocks), k.plain, blocksMemory)
	}
	k.keepBlock(blockName{2, 0}, 5, make([]byte, blocksMemory))
	if len(k.blocks) != 16 || k.plain != blocksMemory {
		t.Errorf("a block that is larger than all that is kept: got %d blocks of %d bytes", len(k.blocks), k.plain)
	}
	if k.forget(5); len(k.blocks) != 0 || k.plain != 0 {
		t.Errorf("forgotten: got %d blocks of %d bytes, want none", len(k.blocks), k.plain)
	}
}

// However many heads are opened, the keyring keeps to its memory.
func TestKeyringMemory(t *testing.T) {
	m := record.NewMaster([32]byte{1})
	k := keyring{masters: map[ledger.Day]*record.Master{5: m}}
	one := new(record.Opened)
	fits := partsMemory / one.Memory()
	for batch := range uint64(2 * fits) {
		k.keep(&index.Place{Batch: batch, Day: 5}, m, one)
		k.keep(&index.Place{Batch: batch, Day: 5}, m, one) // by another question
	}
	if len(k.parts) != fits || k.memory != fits*one.Memory() {
		t.Errorf("got %d heads of %d bytes, want %d of %d", len(k.parts), k.memory, fits, fits*one.Memory())
	}
	if k.part(uint64(2*fits-1)) != one {
		t.Error("the latest is not kept")
	}
	k.forget(5)
	if len(k.parts) != 0 || k.memory != 0 {
		t.Errorf("forgotten: got %d heads of %d bytes, want none", len(k.parts), k.memory)
	}
}

// A damaged block is told of by file and batch, whether its batch was opened before or not. What was opened of a small batch,
// or read for a question about one patient, is answered from memory.
func TestDamagedBlock(t *testing.T) {
	for _, test := range []struct {
		name        string
		disclosures int
		before      func(*testing.T, *Ledger) ([]ledger.Row, error)
		told        bool
	}{
		{"small", 5, nil, true},
		{"small and opened", 5, everything, false},
		{"large", 500, nil, true},
		{"large and opened", 500, everything, true},
		{"large and read for the patient", 500, historyOf, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := folders(t)
			l := open(t, o)
			defer l.Close()
			mustRecord(t, l, wide(test.disclosures))
			batch, segment := l.batches-1, filepath.Join(o.Dir, "record", record.SegmentName(l.end.Segment))
			if test.before != nil {
				if rows, err := test.before(t, l); err != nil || len(rows) != test.disclosures {
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
