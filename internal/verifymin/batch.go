package main

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// header is the 128 bytes that begin a batch, and are its leaf in the log. What is needed of them: number of the batch, u64
// at 8; day of its entries, days since 1970, u32 at 24; length of the entries part, u32 at 32; entries, u32 at 36;
// disclosures before the batch, u64 at 40; disclosures in it, u32 at 48; SHA-256 of the entries part, at 96.
type header []byte

func (h header) u32(at int) uint64 { return uint64(binary.BigEndian.Uint32(h[at:])) }
func (h header) u64(at int) uint64 { return binary.BigEndian.Uint64(h[at:]) }

// open checks an entries part and gives its entries. The part is nonce 24 ‖ commitment 32 ‖ u32 n ‖ n × u32 end ‖ blocks.
func open(part, key []byte, h header) (entries [][]byte, err error) {
	if uint64(len(part)) != h.u32(32) || !bytes.Equal(sum(part), h[96:]) {
		return nil, errors.New("these are not the entries that were signed")
	}
	if len(part) == 0 && len(key) == 0 {
		return nil, nil
	}
	if len(part) < 60 || len(key) != 32 || !bytes.Equal(sum([]byte("chaperone/part/v1"), key), part[24:56]) {
		return nil, errors.New("the key is not the one the entries were sealed with")
	}
	n := uint64(binary.BigEndian.Uint32(part[56:]))
	if 60+4*n > uint64(len(part)) {
		return nil, errors.New("the table of blocks is cut off")
	}
	ends, blocks := part[60:60+4*n], part[60+4*n:]
	block, _ := aes.NewCipher(key) // 32 bytes: there is no error
	gcm, _ := cipher.NewGCM(block)
	start := uint32(0)
	for i := range uint32(n) {
		end := binary.BigEndian.Uint32(ends[4*i:])
		if end < start || uint64(end) > uint64(len(blocks)) {
			return nil, errors.New("the table of blocks is wrong")
		}
		nonce := binary.BigEndian.AppendUint32(slices.Clone(part[12:20]), i)
		plain, err := gcm.Open(nil, nonce, blocks[start:end], nil)
		if err != nil {
			return nil, errors.New("a block of entries does not open")
		}
		for len(plain) > 0 {
			length, size := binary.Uvarint(plain)
			if size <= 0 || length == 0 || length > uint64(len(plain)-size) {
				return nil, errors.New("the length of an entry is wrong")
			}
			entries = append(entries, plain[size:size+int(length)])
			plain = plain[size+int(length):]
		}
		start = end
	}
	if uint64(start) != uint64(len(blocks)) || uint64(len(entries)) != h.u32(36) {
		return nil, errors.New("there are more or fewer entries than were signed")
	}
	return entries, nil
}

var outcomes = []string{"", "delivered", "refused", "unknown", "partial"}

// disclosure is one that was read.
type disclosure struct {
	at                           time.Time
	way                          uint32
	records, unidentified, bytes int64
	identifiers                  []uint32
	fields                       map[string]any // all of it, as in the document
}

// parseDisclosure reads: kind 7, id 16, u time in µs since the day began, u way, u ports of from, to and requester, outcome
// 1 (+128: unseen), u unidentified, u records, u bytes, u file, u packet, u record, u offset, u n, n × u distance.
func parseDisclosure(b []byte, day, number uint64) (d disclosure, err error) {
	bad := fmt.Errorf("a disclosure of %d bytes is malformed", len(b))
	if len(b) < 17 {
		return d, bad
	}
	id, b, ok := b[1:17], b[17:], true
	next := func(most uint64) uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > most {
			ok, b = false, nil
			return 0
		}
		b = b[size:]
		return n
	}
	const u16, u32, u63, u64 = 1<<16 - 1, 1<<32 - 1, 1<<63 - 1, 1<<64 - 1
	d.at = time.UnixMicro(int64(day)*86400e6 + int64(next(86400e6-1))).UTC()
	d.way = uint32(next(u32))
	from, to, requester := next(u16), next(u16), next(u16)
	if len(b) == 0 || int(b[0]&127) >= len(outcomes) {
		return d, bad
	}
	outcome, unseen := outcomes[b[0]&127], b[0] > 127
	b = b[1:]
	d.unidentified, d.records, d.bytes = int64(next(u63)), int64(next(u63)), int64(next(u63))
	file, packet, record, offset := next(u32), int64(next(u64)), next(u64), int64(next(u64))
	d.identifiers = []uint32{}
	last := uint64(0)
	for n := next(uint64(len(b))); n > 0 && ok; n-- {
		distance := next(u32 - last)
		ok = ok && distance > 0
		last += distance
		d.identifiers = append(d.identifiers, uint32(last))
	}
	if !ok || len(b) > 0 {
		return d, bad
	}
	d.fields = map[string]any{
		"number": number, "id": fmt.Sprintf("%x", id), "time": d.at.Format(time.RFC3339Nano), "way": d.way,
		"from_port": from, "to_port": to, "requester_port": requester, "outcome": outcome, "unseen": unseen,
		"identifiers": d.identifiers, "unidentified": d.unidentified, "records": d.records, "bytes": d.bytes,
		"file": file, "packet": packet, "record": record, "offset": offset,
	}
	return d, nil
}

// recount opens all batches, and gives what is in them when it is what the document says.
func recount(d *document) (map[string]any, error) {
	single, text := d.Disclosure != nil, slices.Concat(d.Disclosure, d.Count)
	var q struct { // of the one that is there: which disclosure, or what is counted
		Number      uint64
		From, Until string
		Ways        []uint32
	}
	err := json.Unmarshal(text, &q)
	const never = "0001-01-01T00:00:00Z" // the zero time
	from, err1 := time.Parse(time.RFC3339Nano, cmp.Or(q.From, never))
	until, err2 := time.Parse(time.RFC3339Nano, cmp.Or(q.Until, never))
	if err := errors.Join(err, err1, err2); err != nil {
		return nil, err
	}
	var found map[string]any // the disclosure that is asked for
	var closed, disclosures int
	var closedDisclosures, next uint64
	var records, unidentified, size int64
	first, last := int64(math.MaxInt64), int64(math.MinInt64) // microseconds since 1970
	identifiers := map[uint32]bool{}
	used := map[uint32]int64{} // records that are counted, by way
	for i, b := range d.Batches {
		h, batch := header(b.Header), d.First+uint64(i)
		if len(h) != 128 || string(h[:4]) != "CHB1" || h.u64(8) != batch || i > 0 && h.u64(40) != next {
			return nil, fmt.Errorf("batch %d does not follow the one before", batch)
		}
		number := h.u64(40)
		next = number + h.u32(48)
		if h.u32(32) > 0 && b.Entries == nil && b.Key == nil {
			closed++
			closedDisclosures += h.u32(48)
			continue
		}
		entries, err := open(b.Entries, b.Key, h)
		if err != nil {
			return nil, fmt.Errorf("batch %d: %w", batch, err)
		}
		for _, entry := range entries {
			if entry[0] != 7 {
				continue // a finding or a note
			}
			p, err := parseDisclosure(entry, h.u32(24), number)
			if err != nil {
				return nil, fmt.Errorf("batch %d: %w", batch, err)
			}
			if !single {
				used[p.way] += 0
			} else if number == q.Number {
				found, used[p.way] = p.fields, 0
			}
			number++
			if !from.IsZero() && p.at.Before(from) || !until.IsZero() && !p.at.Before(until) || len(q.Ways) > 0 && !slices.Contains(q.Ways, p.way) || single {
				continue
			}
			first, last = min(first, p.at.UnixMicro()), max(last, p.at.UnixMicro())
			disclosures++
			used[p.way] += p.records
			records, unidentified, size = records+p.records, unidentified+p.unidentified, size+p.bytes
			if records < 0 || unidentified < 0 || size < 0 {
				return nil, errors.New("numbers that are impossible")
			}
			for _, n := range p.identifiers {
				identifiers[n] = true
			}
		}
		if number != next {
			return nil, fmt.Errorf("batch %d has another number of disclosures than it says", batch)
		}
	}
	if !single {
		found = map[string]any{
			"from": q.From, "until": q.Until, "ways": q.Ways, "batches": len(d.Batches), "batches_not_opened": closed,
			"disclosures_not_opened": closedDisclosures, "disclosures": disclosures, "identifiers": len(identifiers),
			"unidentified": unidentified, "records": records, "bytes": size, "first": "", "last": "",
		}
		if disclosures > 0 {
			found["first"], found["last"] = time.UnixMicro(first).UTC().Format(time.RFC3339Nano), time.UnixMicro(last).UTC().Format(time.RFC3339Nano)
		}
	}
	if found == nil || !same(text, found) {
		return nil, fmt.Errorf("the batches have something else than the document says: %v", found)
	}
	return found, claims(d, used)
}

// claims checks what can be checked of what is only claimed: that it is about the ways that were used.
func claims(d *document, used map[uint32]int64) error {
	objects := int64(0)
	for _, w := range d.Claimed.Ways {
		records, ok := used[w.Number]
		if !ok {
			return fmt.Errorf("way %d is claimed twice, or was not used", w.Number)
		}
		delete(used, w.Number)
		if w.Protocol == "dicom" && slices.Contains([]string{"C-STORE", "C-GET", "C-MOVE"}, w.Action) {
			objects += records
		}
	}
	if len(used) > 0 || d.Claimed.Objects != nil && *d.Claimed.Objects != objects {
		return errors.New("a way that is used is not named, or another number of objects follows")
	}
	return nil
}
