package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"chaperone/ledger"
)

// books are what a ledger, or a spool of images, has acknowledged: it must never lose it.
type books struct {
	seed uint32

	mu          sync.Mutex
	disclosures map[[16]byte][8]byte // digests
	notes       map[[16]byte]bool
	merges      map[int]bool   // by pair
	images      map[int]bool   // by number: whether it was not handed over
	lacked      map[int]string // images that were given in vain, by number: the letter that says how

	refused      bool // a batch was
	afterRefusal bool // something was acknowledged after a refusal
}

func newBooks(seed uint32) *books {
	return &books{seed: seed, disclosures: map[[16]byte][8]byte{}, notes: map[[16]byte]bool{}, merges: map[int]bool{}, images: map[int]bool{}, lacked: map[int]string{}}
}

// add notes a batch whose recording returned without an error.
func (b *books) add(batch ledger.Batch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range batch.Disclosures {
		id := batch.Disclosures[i].ID
		b.disclosures[id] = want(id)
	}
	for i := range batch.Notes {
		b.notes[batch.Notes[i].ID] = true
	}
	for i := range batch.Merges {
		b.merges[pairOf(batch.Merges[i])] = true
	}
	return nil
}

func pairOf(m ledger.Merge) int {
	for pair := range pairs {
		if m.Survivor[0] == pairToken(pair, 0) {
			return pair
		}
	}
	return -1
}

// writeAck says on the stream of acknowledgements that a batch was recorded, in one write.
//
//	d ID DIGEST   a disclosure
//	n ID          a note
//	m PAIR        a merge
//	o NUMBER      an image was kept
//	g NUMBER      an image is handed over, and may be gone
//	l NUMBER      an image was given to who does not have it, and is not given again
//	a NUMBER      an image was given to who has another in its place
//	r             a batch was refused
func writeAck(out io.Writer, b ledger.Batch) error {
	var lines []byte
	for i := range b.Disclosures {
		id := b.Disclosures[i].ID
		lines = fmt.Appendf(lines, "d %x %x\n", id, want(id))
	}
	for i := range b.Notes {
		lines = fmt.Appendf(lines, "n %x\n", b.Notes[i].ID)
	}
	for i := range b.Merges {
		lines = fmt.Appendf(lines, "m %d\n", pairOf(b.Merges[i]))
	}
	_, err := out.Write(lines)
	return err
}

// read notes a stream of acknowledgements up to its end, which may be cut off in the middle of a line. It calls first once,
// at the first acknowledgement.
func (b *books) read(in io.Reader, first func()) error {
	lines := bufio.NewReader(in)
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil {
			return nil // what was cut off was not acknowledged
		}
		if err := b.line(strings.Fields(line)); err != nil {
			return err
		}
		if n == 0 {
			first()
		}
	}
}

func (b *books) line(fields []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var id [16]byte
	var sum [8]byte
	if len(fields) == 1 && fields[0] == "r" {
		b.refused = true
		return nil
	}
	b.afterRefusal = b.afterRefusal || b.refused
	switch {
	case len(fields) == 3 && fields[0] == "d" && unhex(id[:], fields[1]) && unhex(sum[:], fields[2]):
		b.disclosures[id] = sum
	case len(fields) == 2 && fields[0] == "n" && unhex(id[:], fields[1]):
		b.notes[id] = true
	case len(fields) == 2 && len(fields[0]) == 1 && strings.Contains("mogla", fields[0]):
		number, err := strconv.Atoi(fields[1])
		switch {
		case err != nil:
			return fmt.Errorf("torture: acknowledgement: %w", err)
		case fields[0] == "m":
			b.merges[number] = true
		case fields[0] == "o":
			if _, known := b.images[number]; !known { // else it was handed over before its sender was told
				b.images[number] = true
			}
		case fields[0] == "g":
			b.images[number] = false
		default:
			b.lacked[number] = fields[0]
		}
	default:
		return fmt.Errorf("torture: not an acknowledgement: a line of %d words", len(fields))
	}
	return nil
}

// text gives the books as a stream of acknowledgements.
func (b *books) text() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []byte
	for id, sum := range b.disclosures {
		lines = fmt.Appendf(lines, "d %x %x\n", id, sum)
	}
	for id := range b.notes {
		lines = fmt.Appendf(lines, "n %x\n", id)
	}
	for pair := range b.merges {
		lines = fmt.Appendf(lines, "m %d\n", pair)
	}
	for number, waits := range b.images {
		letter := "g"
		if waits {
			letter = "o"
		}
		lines = fmt.Appendf(lines, "%s %d\n", letter, number)
	}
	for number, letter := range b.lacked {
		lines = fmt.Appendf(lines, "%s %d\n", letter, number)
	}
	return lines
}

func unhex(to []byte, text string) bool {
	n, err := hex.Decode(to, []byte(text[:min(len(text), 2*len(to))]))
	return err == nil && n == len(to)
}

func (b *books) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.disclosures) + len(b.images)
}
