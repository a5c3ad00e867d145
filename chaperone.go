// Package chaperone is the vocabulary of the program: the few types that every station of the way of the data
// understands. It knows no protocol and imports the standard library only.
//
// The words are those of GLOSSARY.md; the way of the data is in ARCHITECTURE.md.
package chaperone

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"time"
)

// Version is this program's version.
const Version = "0.1.0"

// Protocol names a decoded protocol.
type Protocol string

// The protocols this program decodes.
const (
	HL7   Protocol = "hl7"   // HL7 v2 over MLLP
	DICOM Protocol = "dicom" // DICOM upper layer and DIMSE (PS3.7, PS3.8)
	RDP   Protocol = "rdp"   // remote desktop (MS-RDPBCGR)
	SMB   Protocol = "smb"   // file sharing (MS-SMB2)
	SSL   Protocol = "tls"   // TLS around something else (RFC 8446); TLS is the word for its protection
)

// IdentifierKind says what sort of number an Identifier is. Identifiers of different kinds are never equal.
type IdentifierKind string

// Kinds of identifiers. The alternate ones identify only a record that has no number of the first two kinds.
const (
	HL7PatientID   IdentifierKind = "hl7.PID-3"
	DICOMPatientID IdentifierKind = "dicom.0010,0020"
	HL7ExternalID  IdentifierKind = "hl7.PID-2"
	HL7AlternateID IdentifierKind = "hl7.PID-4"
	HL7Account     IdentifierKind = "hl7.PID-18"
	SSN            IdentifierKind = "ssn"
	Demographic    IdentifierKind = "demographic" // name, birth date and sex: identifies weakly
	StudyUID       IdentifierKind = "dicom.0020,000D"
)

// Identifier is one number that an authority gave to a patient.
type Identifier struct {
	Kind      IdentifierKind
	Authority PHI // CX-4 or (0010,0021); hidden too, because senders put anything there
	Value     PHI
}

// Record is one unit of patient data as it passed: a PID group, a data set, a C-FIND match.
type Record struct {
	Identifiers []Identifier // all of them name the same person (every repetition of PID-3)
	Alternates  []Identifier // they identify only when Identifiers is empty
	Name        PHI          // family^given^middle
	Birth       PHI          // YYYYMMDD, or shorter
	Sex         PHI
	Study       PHI // study instance UID, for data sets that may lack a patient
}

// Merge is a statement that two sets of identifiers are one person (HL7 A18, A40, …) or, with Undo, that they are not (A37).
type Merge struct {
	Survivor, Prior []Identifier
	Undo            bool
}

// PatientToken is the keyed stand-in for one identifier. Without the key it says nothing about the number.
type PatientToken [16]byte

func (t PatientToken) String() string { return hex.EncodeToString(t[:]) }

// MarshalText writes the token as 32 hexadecimal digits.
func (t PatientToken) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// Party is one side of an exchange, in its three layers of identity. Only Proven can be trusted.
type Party struct {
	Proven  string     // subject of the certificate, "" without one
	Addr    netip.Addr // where the bytes came from or went to
	Port    uint16     // TCP port of that side, 0 when unknown
	Claimed string     // what it calls itself: AE title, MSH-3/MSH-4
}

// ProvenName gives the name that a certificate proved, as people say it: of one of a site's own, spiffe://SITE/party/NAME, the party's.
func (p Party) ProvenName() string {
	if rest, ok := strings.CutPrefix(p.Proven, "spiffe://"); ok {
		if _, party, ok := strings.Cut(rest, "/party/"); ok {
			return party
		}
	}
	return p.Proven
}

// Protection says who on the wire could read along.
type Protection string

// How an exchange was protected.
const (
	InClear   Protection = "none"
	TLS       Protection = "tls"
	MutualTLS Protection = "mtls"
)

// Outcome says what became of an exchange.
type Outcome string

// Outcomes of a disclosure. In every one of them the bytes passed.
const (
	Delivered Outcome = "delivered" // the receiver said so (MSA AA or CA, DIMSE success or warning)
	Refused   Outcome = "refused"   // the receiver answered with an error or a reject
	Unknown   Outcome = "unknown"   // no answer was seen
	Partial   Outcome = "partial"   // only a part passed, or was seen, before an abort, the end or a gap
)

// Dir is a direction of a connection.
type Dir uint8

// The two directions.
const (
	FromClient Dir = iota // from the side that opened the connection
	FromServer
)

// Other gives the opposite direction.
func (d Dir) Other() Dir { return d ^ 1 }

// Mark says when and where in the evidence some bytes were seen.
type Mark struct {
	Time   time.Time
	File   int32 // index in the list of files of the run
	Packet int64 // number of the packet in its file, from 1, as Wireshark counts
}

// Evidence points at the bytes that prove a statement.
type Evidence struct {
	File   string `json:"file"`
	Packet int64  `json:"packet,omitempty"` // number in the file, from 1
	Record uint64 `json:"record,omitempty"` // number of an event log's record; of a guard's refusal, of the first reference
	Offset int64  `json:"offset"`           // in the bytes of its direction of the TCP connection, from 0
}

// Disclosure is one release of patient data. From and To follow the data, not the connection: in a query
// the data flows back.
type Disclosure struct {
	ID           [16]byte
	Time         time.Time // of its first byte
	Protocol     Protocol
	Action       string // the protocol's own word: ORU^R01, C-STORE
	From, To     Party
	RequestedBy  *Party // who asked, nil when the sender pushed
	Patients     []PatientToken
	Unidentified int // records without any identity; never among Patients
	Records      int
	Bytes        int64 // of the messages that carried it
	Protection   Protection
	Outcome      Outcome
	Unseen       bool // counted from the answer only: the delivering connection was not captured
	Evidence     Evidence
}

// Severity orders findings.
type Severity int

// Severities, from the least.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
)

var severityNames = [...]string{"info", "low", "medium", "high", "critical"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText writes the severity's word.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Finding is a detector's judgement.
type Finding struct {
	Rule      string // stable name of the detector
	Severity  Severity
	Technique string // MITRE ATT&CK technique, "T1110.001"; "" when it is about a weakness rather than an act
	Title     string // one sentence: what was seen, without patient data
	Advice    string // one sentence: what to do
	From, To  Party  // who acted, on whom; To may be zero
	Account   string // the account it was done with, as far as it is known
	First     time.Time
	Last      time.Time
	Count     int   // how often
	Bytes     int64 // that it is about, 0 when it is not about an amount
	Evidence  Evidence
}
