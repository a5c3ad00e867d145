// Package wire holds what every protocol in motion shares: the session that decodes one connection, and the
// events it returns. The protocols are in the folders below; wire/all lists them.
//
// A session is given bytes and returns events. It does no I/O, starts no goroutine, reads no clock and has no
// globals; its memory is bounded by Limits. So the same session serves an observer, which replays a capture, and
// a proxy, which holds bytes back until it has decided: every event says which bytes of which direction it covers.
package wire

import "chaperone"

// Dir is a direction of a connection.
type Dir = chaperone.Dir

// The two directions.
const (
	FromClient = chaperone.FromClient
	FromServer = chaperone.FromServer
)

// Limits bound what one session keeps.
type Limits struct {
	Message int // bytes of a message that is decided whole (HL7), or of the identity part of a data set
	Depth   int // nesting of sequences
	Pending int // messages without an answer, for each connection
}

// DefaultLimits suit a clinic's traffic (HL7 with documents inside, any DICOM object: pixels are never kept).
var DefaultLimits = Limits{Message: 16 << 20, Depth: 64, Pending: 256}

// Session decodes one connection. The caller MUST feed each direction's bytes in order and MUST NOT use the
// session after Close. Events and the messages in them are valid until the next call.
type Session interface {
	// Feed takes the next bytes of one direction. p is not kept.
	Feed(d Dir, p []byte, at chaperone.Mark) []Event
	// Gap says that the next n bytes of that direction were not seen.
	Gap(d Dir, n int64, at chaperone.Mark) []Event
	// Close says that no more will come and gives what is still open.
	Close(at chaperone.Mark) []Event
	// Clone gives an independent copy, for connections whose bytes can be read in two ways.
	Clone() Session
}

// Stage is a step in the life of a message. A message passes Head, any number of Body, Tail and at most one Answer,
// in this order; Malformed may come at any time and may have no message.
type Stage uint8

// The stages.
const (
	Head      Stage = iota // enough is known to decide: action, parties, first records
	Body                   // more of it passed; Records holds what is new
	Tail                   // it is over: Bytes, Ended and Study are final
	Answer                 // the other side's answer was seen, or will not come: Outcome is final
	Malformed              // these bytes break the rules; Err says how, without their content
	Noted                  // something about systems, accounts or files was learnt: Fact; it has no message
)

// Event is one step of one message.
type Event struct {
	Stage   Stage
	Message *Message
	Records []chaperone.Record // patient-bearing records first seen with this event
	Merges  []chaperone.Merge
	Dir     Dir   // the direction whose bytes End counts
	End     int64 // offset just behind the bytes this event covers: what a proxy may release once it has permitted them
	At      chaperone.Mark
	Err     error
	Fact    Fact // with Noted
}

// Role says what a message does.
type Role uint8

// The roles.
const (
	Push    Role = iota // it brings records (HL7 event, C-STORE)
	Query               // it asks; its records are those of the answer (C-FIND), or come in messages of their own (C-GET, HL7 query)
	Reply               // it brings records that were asked for (RSP, a C-STORE within C-GET)
	Move                // it asks for records to be sent to somebody else (C-MOVE)
	Control             // it carries no record (ACK, echo, association)
)

// Message is one message of a protocol, from its first byte to its answer.
type Message struct {
	Seq       uint64 // number within its session, from 1
	Action    string // the protocol's own word: ORU^R01, C-STORE, A-ASSOCIATE
	Class     string // SOP class UID of a DIMSE message (PS3.7 section 9.3)
	Role      Role
	Data      Dir    // the direction its records travel in
	From, To  string // what the sides of the data call themselves
	Start     int64  // offset of its first byte, in direction Dir
	Dir       Dir    // of the message itself: for a query the opposite of Data
	At        chaperone.Mark
	Bytes     int64    // all its bytes so far, answers with records included
	Digest    [32]byte // SHA-256 of the part that was kept to decide, from Head on
	Ended     bool     // its last byte passed
	Headless  bool     // its header was not seen: who sends what is not known
	Outcome   chaperone.Outcome
	Status    string        // the answer's own code: AA, 0x0000, "calling AE title not recognised"
	Requester string        // who asked, as far as this connection says so
	Everybody bool          // a query or retrieval that names nobody: by wildcards, or not at all; false where not all of it can be read
	Study     chaperone.PHI // study instance UID of a data set
	Retrieve  *Retrieve     // of a C-MOVE, and of a C-STORE that serves one
}

// Retrieve is what a C-MOVE, or a C-STORE that serves one, says about the third party (PS3.7 section 9.1.4).
type Retrieve struct {
	ID          uint16             // message ID of the C-MOVE
	Originator  string             // AE title that asked; "" where the sender does not say
	Destination string             // AE title of the receiver, of a C-MOVE
	Keys        []chaperone.Record // whose and which studies were asked for, of a C-MOVE
	Completed   int                // sub-operations that succeeded, with or without warning
	Failed      int
	Counted     bool // an answer of a C-MOVE said how many; it need not (PS3.7 section 9.1.4.1)
}

// Verdict is what a sniffer thinks of a connection.
type Verdict uint8

// Verdicts.
const (
	No    Verdict = iota // another protocol
	Maybe                // more bytes are needed
	Yes
)

// Protocol is an entry of the list in wire/all.
type Protocol struct {
	Name chaperone.Protocol
	// Sniff judges by the first bytes of both directions (either may be empty). midstream says that the beginning
	// of the connection was not seen: the first bytes may be anything.
	Sniff func(client, server []byte, midstream bool) Verdict
	// New opens a session. midstream as for Sniff.
	New func(l Limits, midstream bool) Session
	// Opaque says that what it carries cannot be seen: a session notes who talks, and passes the rest by.
	Opaque bool
}
