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
// disclosures before the batch, u64 at 40; disclosures in it, u32 at 48; sum of the entries part, at 96.
type header []byte

func (h header) u32(at int) uint64 { return uint64(binary.BigEndian.Uint32(h[at:])) }
func (h header) u64(at int) uint64 { return binary.BigEndian.Uint64(h[at:]) }

// batch is one of a document, with its entries part or, when there is a block, the first 60 bytes of that and block number Block.
type batch struct {
	Header       header
	Entries, Key []byte
	Block        *uint64
	Path         [][]byte `json:"block_path"` // from the block to the root of the tree of its part's blocks
}

// open checks what is shown of an entries part, and gives its entries, of which before come earlier. The part is nonce 24 ‖
// commitment 32 ‖ u32 n ‖ n × u32 end ‖ n blocks.
func (b *batch) open() (entries [][]byte, before uint64) {
	h, part := b.Header, b.Entries
	if h.u32(32) == 0 {
		insist(len(part) == 0 && len(b.Key) == 0 && b.Block == nil && h.u32(36) == 0 && bytes.Equal(sum(), h[96:]), "it has no entries, and something is shown of them")
		return nil, 0
	}
	insist(len(part) >= 60 && len(b.Key) == 32 && bytes.Equal(sum([]byte("chaperone/part/v1"), b.Key), part[24:56]),
		"the key is not the one the entries were sealed with")
	n := uint64(binary.BigEndian.Uint32(part[56:]))
	insist(n > 0 && n == (h.u32(36)+7)/8, "it has not as many blocks as its entries need")
	if b.Block != nil {
		signed := b.treeSum(*b.Block, [][]byte{part[60:]}, n)
		insist(h[3] == '2' && bytes.Equal(signed, h[96:]), "this is not a block of the entries that were signed")
		return b.unseal(*b.Block, part[60:]), 8 * *b.Block
	}
	insist(uint64(len(part)) == h.u32(32), "these are more or fewer bytes than were signed")
	blocks, signed := cut(part[60:], n), sum(part)
	if h[3] == '2' {
		signed = b.treeSum(0, blocks, n)
	}
	insist(bytes.Equal(signed, h[96:]), "these are not the entries that were signed")
	for i, block := range blocks {
		entries = append(entries, b.unseal(uint64(i), block)...)
	}
	return entries, 0
}

// treeSum is what a header CHB2 has of a part; CHB1 has the SHA-256 of it.
func (b *batch) treeSum(first uint64, blocks [][]byte, n uint64) []byte {
	return sum([]byte("chaperone/blocks/v1"), b.Entries[:60], root(first, blocks, n, b.Path))
}

// unseal gives the entries of block i: eight, or in the last what is left.
func (b *batch) unseal(i uint64, block []byte) (entries [][]byte) {
	c, _ := aes.NewCipher(b.Key) // 32 bytes: there is no error
	gcm, _ := cipher.NewGCM(c)
	nonce := binary.BigEndian.AppendUint32(slices.Clone(b.Entries[12:20]), uint32(i))
	plain, err := gcm.Open(nil, nonce, block, nil)
	insist(err == nil, "a block of entries does not open")
	for len(plain) > 0 {
		length, size := binary.Uvarint(plain)
		insist(size > 0 && length > 0 && length <= uint64(len(plain)-size), "the length of an entry is wrong")
		entries = append(entries, plain[size:size+int(length)])
		plain = plain[size+int(length):]
	}
	insist(uint64(len(entries)) == min(8, b.Header.u32(36)-8*i), "a block has more or fewer entries than were signed")
	return entries
}

// cut gives the n blocks behind their table of ends.
func cut(table []byte, n uint64) (blocks [][]byte) {
	insist(4*n <= uint64(len(table)), "the table of blocks is cut off")
	ends, rest, start := table[:4*n], table[4*n:], uint64(0)
	for ; len(ends) > 0; ends = ends[4:] {
		end := uint64(binary.BigEndian.Uint32(ends))
		insist(start <= end && end <= uint64(len(rest)), "the table of blocks is wrong")
		blocks, start = append(blocks, rest[start:end]), end
	}
	insist(start == uint64(len(rest)), "something follows the blocks")
	return blocks
}

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
func parseDisclosure(b []byte, day, number uint64) (d disclosure) {
	const bad = "a disclosure is malformed"
	insist(len(b) >= 17, bad)
	id, b := b[1:17], b[17:]
	next := func(most uint64) uint64 {
		n, size := binary.Uvarint(b)
		insist(size > 0 && n <= most, bad)
		b = b[size:]
		return n
	}
	const u16, u32, u63, u64 = 1<<16 - 1, 1<<32 - 1, 1<<63 - 1, 1<<64 - 1
	d.at = time.UnixMicro(int64(day)*86400e6 + int64(next(86400e6-1))).UTC()
	d.way = uint32(next(u32))
	from, to, requester := next(u16), next(u16), next(u16)
	outcomes := []string{"", "delivered", "refused", "unknown", "partial"}
	insist(len(b) > 0 && int(b[0]&127) < len(outcomes), bad)
	outcome, unseen := outcomes[b[0]&127], b[0] > 127
	b = b[1:]
	d.unidentified, d.records, d.bytes = int64(next(u63)), int64(next(u63)), int64(next(u63))
	file, packet, record, offset := next(u32), int64(next(u64)), next(u64), int64(next(u64))
	d.identifiers = []uint32{}
	last := uint64(0)
	for n := next(uint64(len(b))); n > 0; n-- {
		distance := next(u32 - last)
		insist(distance > 0, bad)
		last += distance
		d.identifiers = append(d.identifiers, uint32(last))
	}
	insist(len(b) == 0, bad)
	d.fields = map[string]any{
		"number": number, "id": fmt.Sprintf("%x", id), "time": d.at.Format(time.RFC3339Nano), "way": d.way,
		"from_port": from, "to_port": to, "requester_port": requester, "outcome": outcome, "unseen": unseen,
		"identifiers": d.identifiers, "unidentified": d.unidentified, "records": d.records, "bytes": d.bytes,
		"file": file, "packet": packet, "record": record, "offset": offset,
	}
	return d
}

// recount opens all batches, and gives what is in them when it is what the document says.
func recount(d *document) map[string]any {
	single, text := d.Disclosure != nil, slices.Concat(d.Disclosure, d.Count)
	var q struct { // of the one that is there: which disclosure, or what is counted
		Number      uint64
		From, Until string
		Ways        []uint32
	}
	err := json.Unmarshal(text, &q)
	from, err1 := time.Parse(time.RFC3339Nano, cmp.Or(q.From, "0001-01-01T00:00:00Z")) // the zero time
	until, err2 := time.Parse(time.RFC3339Nano, cmp.Or(q.Until, "0001-01-01T00:00:00Z"))
	err = errors.Join(err, err1, err2)
	insist(err == nil, "what it says of itself cannot be read: %v", err)
	var found map[string]any // the disclosure that is asked for
	var closed, disclosures int
	var closedDisclosures, next uint64
	var records, unidentified, size int64
	first, last := int64(math.MaxInt64), int64(math.MinInt64) // microseconds since 1970
	identifiers := map[uint32]bool{}
	used := map[uint32]int64{} // records that are counted, by way
	for i, b := range d.Batches {
		h, batch := b.Header, d.First+uint64(i)
		insist(len(h) == 128 && (string(h[:4]) == "CHB1" || string(h[:4]) == "CHB2") && h.u32(48) <= h.u32(36) && h.u64(40)+h.u32(48) >= h.u64(40), "batch %d has no header that is known here", batch)
		insist(h.u64(8) == batch && (i == 0 || h.u64(40) == next), "batch %d does not follow the one before", batch)
		next = h.u64(40) + h.u32(48)
		if h.u32(32) > 0 && b.Entries == nil && b.Key == nil {
			closed++
			closedDisclosures += h.u32(48)
			continue
		}
		entries, before := b.open()
		for k, entry := range entries {
			number := h.u64(40) + before + uint64(k) // disclosures come first
			insist((entry[0] == 7) == (number < next), "batch %d has another number of disclosures than it says", batch)
			if entry[0] != 7 {
				continue // a finding or a note
			}
			p := parseDisclosure(entry, h.u32(24), number)
			if !single {
				used[p.way] += 0
			} else if number == q.Number {
				found, used[p.way] = p.fields, 0
			}
			if !from.IsZero() && p.at.Before(from) || !until.IsZero() && !p.at.Before(until) || len(q.Ways) > 0 && !slices.Contains(q.Ways, p.way) || single {
				continue
			}
			first, last = min(first, p.at.UnixMicro()), max(last, p.at.UnixMicro())
			disclosures++
			used[p.way] += p.records
			records, unidentified, size = records+p.records, unidentified+p.unidentified, size+p.bytes
			insist(records >= 0 && unidentified >= 0 && size >= 0, "batch %d has numbers that are impossible", batch)
			for _, n := range p.identifiers {
				identifiers[n] = true
			}
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
	insist(found != nil && same(text, found), "the batches have something else than the document says: %v", found)
	claims(d, used)
	return found
}

// claims checks what can be checked of what is only claimed: that it is about the ways that were used.
func claims(d *document, used map[uint32]int64) {
	objects := int64(0)
	for _, w := range d.Claimed.Ways {
		records, ok := used[w.Number]
		insist(ok, "way %d is claimed twice, or was not used", w.Number)
		delete(used, w.Number)
		if w.Protocol == "dicom" && slices.Contains([]string{"C-STORE", "C-GET", "C-MOVE"}, w.Action) {
			objects += records
		}
	}
	insist(len(used) == 0 && (d.Claimed.Objects == nil || *d.Claimed.Objects == objects), "a way that is used is not named, or another number of objects follows")
}
