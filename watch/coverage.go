package watch

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"chaperone"
	"chaperone/ledger"
	"chaperone/source"
	"chaperone/source/stream"
	"chaperone/wire/all"
)

// Share is what was seen in one file, or in several that follow each other. A connection counts where it began, also when it goes on
// in another file: so the sum of all shares is what the run saw.
type Share struct {
	ledger.Seen
	Bytes int64 // of the packets, as they were on the wire
}

// shareOf gives the share of a file.
func shareOf(shares *[]Share, m chaperone.Mark) *Share {
	if n := int(m.File) + 1; n > len(*shares) {
		*shares = append(*shares, make([]Share, n-len(*shares))...)
	}
	return &(*shares)[m.File]
}

// connection counts a connection that is over.
func (s *Share) connection(k all.Kind, f *stream.Flow) {
	s.Flows++
	switch k {
	case all.Decoded:
		s.Decoded++
	case all.Encrypted, all.Other:
		s.Hidden++
	}
	s.LostBytes += f.Lost[0] + f.Lost[1]
}

// sharesOf adds to what the sensor and the books counted for each file what the file itself says.
func sharesOf(files []source.File, sensor, books []Share) []Share {
	shares := make([]Share, len(files))
	for i, f := range files {
		s := &shares[i]
		if i < len(sensor) {
			*s = sensor[i]
		}
		if i < len(books) {
			s.Malformed = books[i].Malformed
		}
		s.From, s.Until, s.Packets, s.Bytes = f.First, f.Last, f.Packets, f.Bytes
	}
	return shares
}

// stretches puts together the shares of files that overlap, or follow each other with a pause at most. What is between two stretches
// nobody may have watched, so that no note may claim it.
func stretches(shares []Share) []Share {
	shares = slices.DeleteFunc(slices.Clone(shares), func(s Share) bool { return s.Packets == 0 })
	slices.SortStableFunc(shares, func(a, b Share) int { return a.From.Compare(b.From) })
	var list []Share
	for _, s := range shares {
		if n := len(list); n > 0 && s.From.Sub(list[n-1].Until) <= ledger.Pause {
			list[n-1].Add(s.Seen)
			list[n-1].Bytes += s.Bytes
		} else {
			list = append(list, s)
		}
	}
	return list
}

// coverageNote says what was seen in a stretch. The same evidence gives the same note.
func coverageNote(s Share, filter string) ledger.Note {
	b := []byte("chaperone/coverage/v1")
	for _, n := range []int64{s.From.UnixMicro(), s.Until.UnixMicro(), s.Packets, s.Bytes, s.Flows, s.Decoded, s.Hidden, s.LostBytes, s.Malformed} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	id := sha256.Sum256(append(b, filter...))
	return ledger.Note{ID: [16]byte(id[:]), Kind: ledger.Coverage, At: s.From, Text: "captures were read", Seen: s.Seen}
}
