// Package proof makes documents that convince somebody who does not trust this host: of one disclosure, or of a count over a
// contiguous range of batches. A document is JSON. It holds the batches' headers, which are leaves of the log; a proof that
// they are under a signed checkpoint; the sealed entries and the keys of just these; and what follows from them. The reader
// needs the ledger's verifier key and those of its witnesses from elsewhere.
//
// # What is proven
//
// The checkpoint is a signed note (C2SP tlog-checkpoint) with cosignatures (C2SP tlog-cosignature). Headers of the batches
// first, first+1, … are the data of leaves with these numbers. path has the hashes of the largest subtrees of the tree
// (RFC 6962) that hold none of these leaves, from left to right. A header has the sum of the entries part, the part
// begins with a commitment to its key, and the key opens its blocks: ledger/record has the formats. Then everything under
// "disclosure" and "count" can be computed again, and must come out the same.
//
// Of one disclosure only its block is shown, with the hashes that lead from it to the sum of its part. The key would open the
// others too, but the reader does not have them. Batches of a record of version 1 have no such hashes and are shown as a whole.
//
// # What is not
//
// Words and parties stand in the dictionary part, beside the tokens of patients, and are not opened. What they are is under
// "claimed", and the reader takes it from whoever made the document.
package proof

import (
	"errors"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"chaperone/ledger/record"
	"chaperone/ledger/seal"
)

// Format and version of a document.
const (
	format  = "chaperone proof"
	version = 2 // version 1 has no single blocks; it is read too
)

// Kinds of documents.
const (
	OfDisclosure = "disclosure"
	OfCount      = "count"
)

// Limits of a count: a longer range is proven in pieces.
const (
	maxBatches = 1 << 20
	maxBytes   = 256 << 20 // of entries parts
)

// Errors that callers tell apart.
var (
	ErrNotSigned = errors.New("not under a signed checkpoint yet")
	ErrPurged    = errors.New("purged: the key of its day was destroyed")
	ErrTooLong   = errors.New("the range is too long for one proof: prove it in pieces")
	ErrInvalid   = errors.New("the proof does not hold")
)

// Document is a proof. Its fields are in the order in which a person should read them.
type Document struct {
	Format     string     `json:"format"`
	Version    int        `json:"version"`
	Kind       string     `json:"kind"`
	Learn      string     `json:"you_learn"`
	Trust      string     `json:"you_must_trust"`
	Disclosure *Disclosed `json:"disclosure,omitempty"`
	Count      *Counted   `json:"count,omitempty"`
	Claimed    Claimed    `json:"claimed"`
	Checkpoint string     `json:"checkpoint"`
	First      uint64     `json:"first_batch"`
	Path       [][]byte   `json:"path"`
	Batches    []Batch    `json:"batches"`
}

// Batch is one batch of a document. Entries and Key are missing when the batch has no entries, or was purged. With a Block, Entries
// are the first bytes of the part, as many as its sum has as they are (record.PartHead), and that block, and Path leads from it
// to the root over the part's blocks.
type Batch struct {
	Header  []byte   `json:"header"`
	Entries []byte   `json:"entries,omitempty"`
	Key     []byte   `json:"key,omitempty"`
	Block   *uint32  `json:"block,omitempty"`      // from 0
	Path    [][]byte `json:"block_path,omitempty"` // as that of a Document
}

// Disclosed is what is proven of one disclosure.
type Disclosed struct {
	Number        uint64   `json:"number"` // in the order of recording, from 0
	ID            string   `json:"id"`     // 32 hexadecimal digits
	Time          string   `json:"time"`   // of its first byte, RFC 3339
	Way           uint32   `json:"way"`    // see Claimed
	FromPort      uint16   `json:"from_port"`
	ToPort        uint16   `json:"to_port"`
	RequesterPort uint16   `json:"requester_port"`
	Outcome       string   `json:"outcome"`
	Unseen        bool     `json:"unseen"`
	Identifiers   []uint32 `json:"identifiers"` // the ledger's numbers for them, in the order of first use
	Unidentified  int      `json:"unidentified"`
	Records       int      `json:"records"`
	Bytes         int64    `json:"bytes"`
	File          uint32   `json:"file"` // a word: see Claimed
	Packet        int64    `json:"packet"`
	Record        uint64   `json:"record"`
	Offset        int64    `json:"offset"`
}

// Counted is what was counted, and the numbers that are proven.
type Counted struct {
	From  string   `json:"from"`  // first moment, RFC 3339; "" is open
	Until string   `json:"until"` // the moment after the last
	Ways  []uint32 `json:"ways"`  // of these only; null: of all

	Batches           int    `json:"batches"`
	Closed            int    `json:"batches_not_opened"` // purged
	ClosedDisclosures uint64 `json:"disclosures_not_opened"`
	Disclosures       int64  `json:"disclosures"`
	Identifiers       int    `json:"identifiers"` // distinct
	Unidentified      int64  `json:"unidentified"`
	Records           int64  `json:"records"`
	Bytes             int64  `json:"bytes"`
	First             string `json:"first"` // of the disclosures counted, "" without any
	Last              string `json:"last"`
}

// Claimed is what the maker of the document says and nothing proves.
type Claimed struct {
	Ways    []Way  `json:"ways"`              // all that were used by the disclosures of the document
	File    string `json:"file,omitempty"`    // of the evidence
	Objects *int64 `json:"objects,omitempty"` // of a count: DICOM objects, if ways are what is claimed
}

// Way is who gave to whom, and how.
type Way struct {
	Number     uint32 `json:"way"`
	From       Party  `json:"from"`
	To         Party  `json:"to"`
	Requester  *Party `json:"requester,omitempty"`
	Protocol   string `json:"protocol"`
	Action     string `json:"action"`
	Protection string `json:"protection"`
}

// Party is one side of an exchange.
type Party struct {
	Proven  string `json:"certificate,omitempty"`
	Addr    string `json:"address,omitempty"`
	Claimed string `json:"name,omitempty"`
}

// Source is where a proof comes from: an open ledger.
type Source struct {
	Log *seal.Log
	// Batch gives the header of a batch, its entries part and the key of that part; without entries and key when its day
	// was purged.
	Batch func(n uint64) (header, entries []byte, key *record.PartKey, err error)
	Way   func(n uint32) (record.Way, bool)
	Words func(n uint32) string
}

const (
	plainly  = "when, how much, and the ledger's running numbers for patients' identifiers"
	equal    = ", so that equal ones can be told to be equal"
	noName   = ". No name, no identifier, no token."
	besides  = " Findings and notes among them too: when, how many, and the addresses of a finding; their words are numbers."
	theKey   = " The key opens the rest of the batch to whoever has the ledger's files too."
	recorded = "That the ledger recorded what happened. That parties, protocol and file are what \"claimed\" says. Without a cosignature: that nobody with the keys of the ledger's host rewrote the ledger."
	inOrder  = " That no other batch says that its disclosures have the same numbers: a count over both would show it."
	whole    = " That no disclosure of the period was recorded outside the range of batches. Identifiers are counted, not persons: one person may have several."
)

// Words gives what the reader of such a document is told.
func (d *Document) Words() (learn, trust string) {
	if d.Kind == OfCount {
		learn, trust = "All disclosures of the batches in the range: "+plainly+equal+noName, recorded+whole
	} else {
		learn, trust = "All disclosures of one batch: "+plainly+noName, recorded
	}
	if d.Version == 1 {
		return learn, trust
	}
	if d.Kind != OfCount {
		trust += inOrder
	}
	if d.Batches[0].Block != nil {
		learn = "Up to eight disclosures that were recorded together: " + plainly + noName + besides + theKey
	} else {
		learn += besides
	}
	return learn, trust
}

// signed gives the checkpoint to prove under: the cosigned one when it is late enough.
func (s *Source) signed(end uint64) (string, tlog.Tree, error) {
	for _, text := range [][]byte{s.Log.Cosigned(), s.Log.Latest()} {
		if text == nil {
			continue
		}
		tree, err := seal.ParseCheckpoint(string(text), s.Log.Origin())
		if err != nil {
			return "", tree, err
		}
		if uint64(tree.N) >= end {
			return string(text), tree, nil
		}
	}
	return "", tlog.Tree{}, ErrNotSigned
}

// Verified is what a reader knows after a proof was checked.
type Verified struct {
	Document
	Batches  int64 // of the whole ledger, under the checkpoint
	Cosigned []seal.Cosignature
}

// Keys are what a reader must have from elsewhere.
type Keys struct {
	Log       note.Verifier
	Witnesses seal.Policy // Need of them must have cosigned
}
