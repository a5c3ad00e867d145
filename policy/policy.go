// Package policy decides whether an exchange may be: who, what, whom to, whose and how many patients, when. It knows no
// protocol, reads no file and asks no clock; patient data is never in a question or in an answer.
//
// The operator's grants are a table. Go finds the rows that cover a request; a handful of Cedar policies that are shipped
// (shipped.go), and the operator's own, judge it by the row. Whatever goes wrong is a no: cedar-go itself answers allow when
// a forbid cannot be evaluated.
//
// How many patients somebody has already received is not decided here but charged, in policy/budget.
package policy

import (
	"strings"
	"time"

	"chaperone/policy/budget"
)

// Action is what somebody wants to do. Its first word is the protocol.
type Action string

// The actions.
const (
	Send      Action = "hl7.send"        // HL7 v2 message that brings data
	Ask       Action = "hl7.query"       // HL7 v2 query (QBP, QRY)
	Associate Action = "dicom.associate" // A-ASSOCIATE, C-ECHO: no patient data passes
	Store     Action = "dicom.store"     // C-STORE
	Find      Action = "dicom.find"      // C-FIND
	Get       Action = "dicom.get"       // C-GET
	Move      Action = "dicom.move"      // C-MOVE
	Other     Action = "dicom.other"     // N-services
	Connect   Action = "tcp.connect"     // anything else, as a connection
)

// Actions lists all of them.
func Actions() []Action {
	return []Action{Send, Ask, Associate, Store, Find, Get, Move, Other, Connect}
}

// protocol is the first word of an action.
func (a Action) protocol() string {
	protocol, _, _ := strings.Cut(string(a), ".")
	return protocol
}

// Roles lists the roles that a party may have.
func Roles() []string {
	return []string{"modality", "pacs", "viewer", "engine", "server", "workstation", "lab", "vendor", "research"}
}

// Request is one thing that one party wants. Patient data is never in it.
//
// What a party is stands in the site file: Role, Groups, ToRole and ToGroups may be left empty, and may not say otherwise.
type Request struct {
	Party  string // proven: who gets the data or brings it, the client of the connection
	Role   string
	Groups []string
	Site   string
	Action Action
	Detail string // ORU^R01; SOP class UID

	To        string // whom the data goes to: the server of a push, the client of a query, the destination of a C-MOVE; "" unknown
	ToRole    string
	ToGroups  []string
	ToOutside bool // outside the entity, by its address; what the site file says of a party adds to it

	Patients     int // as far as known
	Unidentified int
	Everybody    bool     // a query that names nobody: wildcards only
	Unresolved   bool     // a retrieval of which not all patients could be found out
	Wards        []string // of all patients (HL7 PV1-3); none when one is not known
	Later        bool     // whose it is about is not known yet, and decided when it is: a query, by the wards of its answer

	At         time.Time
	Listener   string
	Approved   bool // somebody has approved this use (chaperone approve)
	BreakGlass bool // somebody has broken the glass for this party: 50 patients and 60 minutes, which the caller holds it to
	MutualTLS  bool // the party proved itself by its certificate
}

// Decision is the answer, for the record and for the refusal.
type Decision struct {
	Permit  bool
	Reason  Reason
	Grant   string        // name of the grant that permitted, or that came nearest
	Limits  budget.Limits // of that grant, when it permits; none behind broken glass
	Budget  string        // the budget that this request alone exceeds: "grant viewers look 24h 200"
	Version string        // of the policy
	Hint    string        // of a refusal, one sentence: what would have permitted it
}

// Party is what the site file says of one.
type Party struct {
	Name     string
	Role     string
	Groups   []string
	Outside  bool  // outside the entity
	Approval bool  // each use must be approved
	Hours    Hours // when it may do anything; zero: always
}
