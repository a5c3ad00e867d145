package disk

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"chaperone/ledger"
	"chaperone/ledger/durable"
	"chaperone/ledger/index"
	"chaperone/ledger/people"
	"chaperone/ledger/record"
)

// peopleFile holds the dictionary as of a clean close, so that opening does not read the whole record: a nonce of 24 bytes,
// then the chunks of people.Save, each sealed with AES-256-GCM under a key of this file alone. It is derived.
const peopleFile = "people"

const nonceSize = 24

var errSnapshot = errors.New("people: damaged")

// savePeople writes the dictionary.
func (l *Ledger) savePeople() error {
	var nonce [nonceSize]byte
	_, _ = rand.Read(nonce[:]) // it never fails (crypto/rand)
	aead := l.snapshotCipher(nonce)
	return durable.Write(filepath.Join(l.dir, peopleFile), func(w io.Writer) error {
		if _, err := w.Write(nonce[:]); err != nil {
			return err
		}
		seal := func(dst, chunk []byte, i uint64) []byte { return aead.Seal(dst, chunkNonce(nonce, i), chunk, nil) }
		return l.dictionary.people.Save(w, seal, l.dictionary.pack()...)
	})
}

// loadPeople reads it.
func (l *Ledger) loadPeople() error {
	f, err := os.Open(filepath.Join(l.dir, peopleFile))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var nonce [nonceSize]byte
	if _, err := f.ReadAt(nonce[:], 0); err != nil {
		return fmt.Errorf("%s: %w", peopleFile, err)
	}
	aead := l.snapshotCipher(nonce)
	size := info.Size() - nonceSize
	table, extra, err := people.Load(io.NewSectionReader(f, nonceSize, size), size, func(dst, chunk []byte, i uint64) ([]byte, error) {
		return aead.Open(dst, chunkNonce(nonce, i), chunk, nil)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", peopleFile, err)
	}
	d := newDictionary()
	d.people = table
	if err := d.unpack(extra, l.recorded); err != nil {
		return err
	}
	l.dictionary = d
	return nil
}

func (l *Ledger) snapshotCipher(nonce [nonceSize]byte) cipher.AEAD {
	key := l.dictionaryKey.PartKey(nonce)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has a length that AES takes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES has the block size that GCM takes
	}
	return aead
}

func chunkNonce(nonce [nonceSize]byte, i uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), nonce[12:16]...), i)
}

// pack gives what is kept beside the people: words, ways, what was said, purged and other days, batches with other entries,
// coverage.
func (d *dictionary) pack() [][]byte {
	var words, ways, said, gone, others, seen []byte
	for _, w := range d.words[1:] {
		words = blob(words, []byte(w))
	}
	for i := range d.ways {
		ways = blob(ways, record.AppendWay(nil, &d.ways[i]))
	}
	for id, day := range d.said {
		said = binary.BigEndian.AppendUint32(append(said, id[:]...), uint32(day))
	}
	for day, e := range d.gone {
		gone = binary.BigEndian.AppendUint32(gone, uint32(day))
		gone = binary.BigEndian.AppendUint32(gone, uint32(e.filed))
		gone = binary.BigEndian.AppendUint64(gone, uint64(e.at.UnixMicro()))
	}
	for _, p := range d.others {
		others = binary.BigEndian.AppendUint64(others, p.Batch)
		others = binary.BigEndian.AppendUint64(others, p.First)
		others = binary.BigEndian.AppendUint64(others, uint64(p.Offset))
		for _, v := range []uint32{p.Count, uint32(p.Day), p.Segment, p.EntriesAt, p.EntriesSize} {
			others = binary.BigEndian.AppendUint32(others, v)
		}
	}
	for i := range d.seen {
		n := record.NoteOf(&d.seen[i], func(text string) uint32 { return d.wordOf[text] })
		seen = blob(seen, record.AppendNote(nil, &n))
	}
	return [][]byte{words, ways, said, gone, others, seen}
}

const (
	saidSize  = 16 + 4
	goneSize  = 4 + 4 + 8
	otherSize = 3*8 + 5*4
)

// unpack takes what pack gave.
func (d *dictionary) unpack(parts [][]byte, recorded map[ledger.Day]bool) error {
	if len(parts) != 6 || len(parts[2])%saidSize != 0 || len(parts[3])%goneSize != 0 || len(parts[4])%otherSize != 0 {
		return errSnapshot
	}
	var e record.Entry
	for rest := parts[0]; len(rest) > 0; {
		var b []byte
		var ok bool
		if b, rest, ok = unblob(rest); !ok {
			return errSnapshot
		}
		d.word(string(b))
	}
	for rest := parts[1]; len(rest) > 0; {
		var b []byte
		var ok bool
		if b, rest, ok = unblob(rest); !ok || record.Decode(b, 0, &e) != nil || e.Kind != record.KindWay {
			return errSnapshot
		}
		d.way(e.Way)
	}
	for b := parts[2]; len(b) > 0; b = b[saidSize:] {
		d.said[[16]byte(b)] = ledger.Day(binary.BigEndian.Uint32(b[16:]))
	}
	for b := parts[3]; len(b) > 0; b = b[goneSize:] {
		at := time.UnixMicro(int64(binary.BigEndian.Uint64(b[8:]))).UTC()
		d.gone[ledger.Day(binary.BigEndian.Uint32(b))] = erasure{at, ledger.Day(binary.BigEndian.Uint32(b[4:]))}
	}
	for b := parts[4]; len(b) > 0; b = b[otherSize:] {
		u := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
		d.others = append(d.others, index.Place{
			Batch: binary.BigEndian.Uint64(b), First: binary.BigEndian.Uint64(b[8:]), Offset: int64(binary.BigEndian.Uint64(b[16:])),
			Count: u(24), Day: ledger.Day(u(28)), Segment: u(32), EntriesAt: u(36), EntriesSize: u(40),
		})
		recorded[ledger.Day(u(28))] = true
	}
	for rest := parts[5]; len(rest) > 0; {
		var b []byte
		var ok bool
		if b, rest, ok = unblob(rest); !ok || record.Decode(b, 0, &e) != nil || e.Kind != record.KindNote {
			return errSnapshot
		}
		d.seen = append(d.seen, e.Note.Spell(d.text))
	}
	return nil
}

func blob(b, one []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(one))), one...) }

func unblob(b []byte) (one, rest []byte, ok bool) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, false
	}
	return b[used : used+int(n)], b[used+int(n):], true
}
