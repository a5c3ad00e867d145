package disk

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/index"
	"chaperone/ledger/people"
	"chaperone/ledger/record"
)

// dictionary is what numbers inside the record stand for, and what has to be known of entries that are no disclosures. Only
// the leader writes to it, under the lock; questions read it under the lock.
type dictionary struct {
	sync.RWMutex
	people  *people.Table
	words   []string // by number; 0 is the empty one
	wordOf  map[string]uint32
	ways    []record.Way // by number - 1
	wayOf   map[record.Way]uint32
	parties []wayParties            // by number - 1: what questions compare
	inIndex index.Ways              // their names in the index
	said    map[[16]byte]ledger.Day // findings and notes on record, by the day that they are forgotten with
	gone    map[ledger.Day]erasure  // purged
	others  []index.Place           // batches with entries other than disclosures
	seen    []ledger.Note           // of kind Coverage: every answer about their period carries them
}

// wayParties is a way with its words spelled. Ports are zero.
type wayParties struct {
	from, to chaperone.Party
	protocol chaperone.Protocol
}

// erasure is what is known of a purge.
type erasure struct {
	at    time.Time
	filed ledger.Day // the day whose entries say so: when that one is purged, it has to be said again
}

// counts is how much the dictionary holds.
type counts struct{ numbers, words, ways uint32 }

func newDictionary() *dictionary {
	return &dictionary{people: people.New(), words: []string{""}, wordOf: map[string]uint32{"": 0}, wayOf: map[record.Way]uint32{},
		said: map[[16]byte]ledger.Day{}, gone: map[ledger.Day]erasure{}}
}

func (d *dictionary) counts() counts {
	return counts{uint32(d.people.Len()), uint32(len(d.words) - 1), uint32(len(d.ways))}
}

// word gives the number of a text and whether it is new.
func (d *dictionary) word(text string) (n uint32, isNew bool) {
	if n, ok := d.wordOf[text]; ok {
		return n, false
	}
	text = ledger.Cut(text)
	if n, ok := d.wordOf[text]; ok {
		return n, false
	}
	n = uint32(len(d.words))
	d.words = append(d.words, text)
	d.wordOf[text] = n
	return n, true
}

// way gives the number of a way and whether it is new.
func (d *dictionary) way(w record.Way) (n uint32, isNew bool) {
	if n, ok := d.wayOf[w]; ok {
		return n, false
	}
	d.ways = append(d.ways, w)
	n = uint32(len(d.ways))
	d.wayOf[w] = n
	d.parties = append(d.parties, d.spell(&w))
	d.inIndex.Add(w.To)
	return n, true
}

// text gives the text of a word's number, "" for one that is not known.
func (d *dictionary) text(n uint32) string {
	if int(n) < len(d.words) {
		return d.words[n]
	}
	return ""
}

func (d *dictionary) spell(w *record.Way) wayParties {
	return wayParties{from: w.From.Spell(0, d.text), to: w.To.Spell(0, d.text), protocol: chaperone.Protocol(d.text(w.Protocol))}
}

// findingID is what makes two findings the same: the rule, who did what to whom, when first, and the bytes that show it,
// whatever the file is called.
func findingID(f *chaperone.Finding) [16]byte {
	var b []byte
	put := func(s string) {
		s = ledger.Cut(s) // as it will be on record
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	put("chaperone/finding/v1")
	put(f.Rule)
	for _, p := range []chaperone.Party{f.From, f.To} {
		put(p.Proven)
		put(p.Addr.String())
		put(p.Claimed)
	}
	put(f.Account)
	for _, v := range []uint64{uint64(f.First.UnixMicro()), uint64(f.Evidence.Packet), f.Evidence.Record, uint64(f.Evidence.Offset)} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:])
}
