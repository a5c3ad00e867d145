package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

func decode(text string) ([]byte, error) { return base64.StdEncoding.Strict().DecodeString(text) }

// header is what is needed of the 128 bytes that begin a batch, and are its leaf in the log.
type header struct {
	batch       uint64   // at 8
	day         uint32   // at 24, days since 1970
	size        uint32   // at 32, of the entries part
	entries     uint32   // at 36
	before      uint64   // at 40, disclosures before this batch
	disclosures uint32   // at 48
	sum         [32]byte // at 96, SHA-256 of the entries part
}

func parseHeader(b []byte) (h header, err error) {
	if len(b) != 128 || string(b[:4]) != "CHB1" {
		return h, errors.New("not a batch's header")
	}
	u32 := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	u64 := func(at int) uint64 { return binary.BigEndian.Uint64(b[at:]) }
	return header{u64(8), u32(24), u32(32), u32(36), u64(40), u32(48), [32]byte(b[96:])}, nil
}

// open checks an entries part and gives its entries. The part is nonce 24 ‖ commitment 32 ‖ u32 n ‖ n × u32 end ‖ blocks.
func open(part, key []byte, h *header) (entries [][]byte, err error) {
	if uint64(len(part)) != uint64(h.size) || sha256.Sum256(part) != h.sum {
		return nil, errors.New("these are not the entries that were signed")
	}
	if len(part) == 0 && len(key) == 0 {
		return nil, nil
	}
	if len(part) < 60 || len(key) != 32 {
		return nil, errors.New("entries or their key are cut off")
	}
	if sha256.Sum256(append([]byte("chaperone/part/v1"), key...)) != [32]byte(part[24:56]) {
		return nil, errors.New("the key is not the one the entries were sealed with")
	}
	n := uint64(binary.BigEndian.Uint32(part[56:]))
	if 60+4*n > uint64(len(part)) {
		return nil, errors.New("the table of blocks is cut off")
	}
	ends, blocks := part[60:60+4*n], part[60+4*n:]
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	start := uint32(0)
	for i := range uint32(n) {
		end := binary.BigEndian.Uint32(ends[4*i:])
		if end < start || uint64(end) > uint64(len(blocks)) {
			return nil, errors.New("the table of blocks is wrong")
		}
		nonce := binary.BigEndian.AppendUint32(append([]byte(nil), part[12:20]...), i)
		plain, err := gcm.Open(nil, nonce, blocks[start:end], nil)
		if err != nil {
			return nil, errors.New("a block of entries does not open")
		}
		for len(plain) > 0 {
			length, size := binary.Uvarint(plain)
			if size <= 0 || length > uint64(len(plain)-size) {
				return nil, errors.New("the length of an entry is wrong")
			}
			entries = append(entries, plain[size:size+int(length)])
			plain = plain[size+int(length):]
		}
		start = end
	}
	if uint64(start) != uint64(len(blocks)) || uint64(len(entries)) != uint64(h.entries) {
		return nil, errors.New("there are more or fewer entries than were signed")
	}
	return entries, nil
}

// disclosure is what is proven of one, as in the document.
type disclosure struct {
	Number        uint64   `json:"number"`
	ID            string   `json:"id"`
	Time          string   `json:"time"`
	Way           uint32   `json:"way"`
	FromPort      uint64   `json:"from_port"`
	ToPort        uint64   `json:"to_port"`
	RequesterPort uint64   `json:"requester_port"`
	Outcome       string   `json:"outcome"`
	Unseen        bool     `json:"unseen"`
	Identifiers   []uint32 `json:"identifiers"`
	Unidentified  int64    `json:"unidentified"`
	Records       int64    `json:"records"`
	Bytes         int64    `json:"bytes"`
	File          uint64   `json:"file"`
	Packet        int64    `json:"packet"`
	Record        uint64   `json:"record"`
	Offset        int64    `json:"offset"`
	at            time.Time
}

// kindDisclosure is the first byte of a disclosure; other entries are findings and notes.
const kindDisclosure = 7

var outcomes = []string{"", "delivered", "refused", "unknown", "partial"}

// parseDisclosure reads: kind, id 16, u time in µs since the day began, u way, u ports of from, to and requester, outcome
// 1 (+128: unseen), u unidentified, u records, u bytes, u file, u packet, u record, u offset, u n, n × u distance.
func parseDisclosure(b []byte, day uint32) (d disclosure, err error) {
	bad := fmt.Errorf("a disclosure of %d bytes is malformed", len(b))
	if len(b) < 17 {
		return d, bad
	}
	d.ID, b = fmt.Sprintf("%x", b[1:17]), b[17:]
	ok := true
	number := func(most uint64) uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > most {
			ok, b = false, nil
			return 0
		}
		b = b[size:]
		return n
	}
	const any, positive = 1<<64 - 1, 1<<63 - 1
	d.at = time.UnixMicro(int64(day)*86400e6 + int64(number(86400e6-1))).UTC()
	d.Time, d.Way = d.at.Format(time.RFC3339Nano), uint32(number(1<<32-1))
	d.FromPort, d.ToPort, d.RequesterPort = number(1<<16-1), number(1<<16-1), number(1<<16-1)
	if len(b) == 0 || int(b[0]&127) >= len(outcomes) {
		return d, bad
	}
	d.Outcome, d.Unseen, b = outcomes[b[0]&127], b[0] > 127, b[1:]
	d.Unidentified, d.Records, d.Bytes = int64(number(positive)), int64(number(positive)), int64(number(positive))
	d.File, d.Packet, d.Record, d.Offset = number(1<<32-1), int64(number(any)), number(any), int64(number(any))
	d.Identifiers = []uint32{}
	last := uint64(0)
	for n := number(uint64(len(b))); n > 0 && ok; n-- {
		distance := number(1<<32 - 1 - last)
		ok = ok && distance > 0
		last += distance
		d.Identifiers = append(d.Identifiers, uint32(last))
	}
	if !ok || len(b) > 0 {
		return d, bad
	}
	return d, nil
}
