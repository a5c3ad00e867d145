// Package record is the truth of a ledger: the append-only files that every other file of it can be made from again. It
// holds their formats, writes them, walks over them and reads single places of them. It knows nothing of tokens,
// counts, or the log over its batches.
//
// # Segments
//
// A record is a folder of segments 0000000000.seg, 0000000001.seg, …: a Head of 64 bytes, then frames. One frame is one
// batch: a Header of 128 bytes, which is the batch's leaf in the log, then a dictionary part and an entries part. Numbers
// are big-endian, times are microseconds since 1970, checksums are CRC-32C. Behind the last frame of the last segment there
// may be up to MaxBlank zeros.
//
// Version 2 differs from version 1 in the sums of parts alone: see sum.go. All frames of a segment have its version; what goes
// on with an older record begins a segment.
//
// # Parts
//
// A part is empty (0 bytes) or
//
//	offset  size  field
//	0       24    nonce, random
//	24      32    commitment: SHA-256("chaperone/part/v1" ‖ key of the part)
//	56      4     n, how many blocks
//	60      4n    where each block ends, from the beginning of the first
//	60+4n   …     blocks
//
// The key of a part comes from the first 12 bytes of the nonce and the key of its day or of the dictionary, as
// XAES-256-GCM (C2SP) derives it: handing it over opens this part and no other, and the commitment binds it to one key.
// Block i is AES-256-GCM of entries under nonce[12:20] ‖ u32 i, of 8 at most in an entries part and of 64 in a
// dictionary part; all but the last are full. An entry stands in a block as its length (uvarint) and its bytes.
// Disclosures come before all other entries of a batch, so that the i-th is entry i%8 of block i/8.
//
// # Entries
//
// The first byte is the Kind. u is a uvarint; a signed number is the uvarint of its 64 bits; a flag is one byte, 0 or 1.
// Texts are words, which are numbered from 1 in the order of their entries, as ways and persons are; 0 is none.
//
//	kind            fields
//	1 word          text, to the end
//	2 way           flag requested, protection 1, u protocol, u action, side from, side to, and if requested side requester
//	3 person        flag weak, token 16
//	4 join          u number, u number
//	5 alike         token 16, u number
//	6 merge         flag undo, u time, numbers of survivors, numbers of priors, each as u count and u each
//	7 disclosure    id 16, u time since the day began, u way, u port from, u port to, u port of the requester, outcome 1
//	                (+128 when unseen), u unidentified, u records, u bytes, evidence, u count of numbers, u distances
//	8 finding       severity 1, u rule, u technique, u title, u advice, u account, side from, u port, side to, u port,
//	                u first, u last, u count, u bytes, evidence
//	9 note          id 16, kind 1, u time, u text, u day, u seen from, u until, u packets, u flows, u decoded, u hidden,
//	                u lost bytes, u malformed
//	side            u word proven, u word claimed, u length of the address, address as netip marshals it
//	evidence        u word of the file, u packet, u record, u offset
package record

import (
	"errors"
	"fmt"
	"hash/crc32"

	"chaperone/ledger"
)

// Folder is the name of a record's folder in a ledger's folder. Functions here take the record's folder itself.
const Folder = "record"

// Sizes in bytes.
const (
	HeadSize   = 64             // of a segment's head
	HeaderSize = 128            // of a frame's header
	MaxParts   = 1 << 30        // of both parts of a frame together
	MaxSegment = 1 << 30        // from which on the Writer begins a new segment
	MaxWord    = ledger.MaxText // of a word's text
)

// Entries in one block.
const (
	EntriesBlock    = 8  // of an entries part: opened one at a time
	DictionaryBlock = 64 // of a dictionary part: read as a whole
)

// Errors that callers tell apart.
var (
	ErrNewer     = errors.New("written by a newer version of this program, which is needed to read it")
	ErrMalformed = errors.New("malformed")
	ErrKey       = errors.New("the key is not the one it was written with")
	ErrTooLarge  = errors.New("too large for one batch")
)

// Damage says where a record is not what was written.
type Damage struct {
	File   string
	Offset int64  // in the file, of the frame or head that is wrong
	Batch  uint64 // that was expected there
	What   string
	// Torn says that a write cut off by a crash can explain it: it lies in the last segment and nothing contradicts. It is
	// real damage all the same if this batch was acknowledged.
	Torn    bool
	Part    bool // the header is right, and a part of its frame is not: as of a purged day that is not known as one
	Follows int  // whole frames that follow in the same segment
}

func (d *Damage) Error() string {
	hint := "restore this file from a backup"
	if d.Torn && d.Follows == 0 {
		hint = "a write may have been cut off here"
	}
	return fmt.Sprintf("record: %s at byte %d, batch %d: %s; %s", d.File, d.Offset, d.Batch, d.What, hint)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
