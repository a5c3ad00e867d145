package ledger

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"chaperone"
)

// Query says which disclosures are meant. The zero value means all. Several values of one field: any of them; several
// fields: all of them.
type Query struct {
	From, Until time.Time // of the disclosure's first byte: From <= t < Until; zero is open
	Parties     []Match   // who received
	Sources     []Match   // who gave
	Protocols   []chaperone.Protocol
	Patient     *Who // nil for everybody
	Detail      bool // Scope: also by day, protocol and edge
}

// Match recognises a party: by network, or by name.
type Match struct {
	Prefix netip.Prefix // of its address
	Name   string       // proven or claimed, whatever the case; of spiffe://SITE/party/NAME also NAME, of APP@FACILITY also APP alone; used when Prefix is not valid
}

// Fits reports whether a party is meant.
func (m Match) Fits(p chaperone.Party) bool {
	if m.Prefix.IsValid() {
		return m.Prefix.Contains(p.Addr.Unmap())
	}
	application, _, _ := strings.Cut(p.Claimed, "@")
	return m.Name != "" && (strings.EqualFold(m.Name, p.Proven) || strings.EqualFold(m.Name, p.ProvenName()) ||
		strings.EqualFold(m.Name, p.Claimed) || strings.EqualFold(m.Name, application))
}

// Who names one person: by public id, or by tokens, any of which the ledger may know. The answer is about the person behind
// all of them, merges applied.
type Who struct {
	ID     PatientID // zero: by tokens
	Tokens []chaperone.PatientToken
}

// Fits reports whether a disclosure's parties, protocol and time are meant. It does not look at patients.
func (q *Query) Fits(d *chaperone.Disclosure) bool {
	return q.InTime(d.Time) && q.FitsWay(d.From, d.To, d.Protocol)
}

// InTime reports whether a time lies in the query's range.
func (q *Query) InTime(t time.Time) bool {
	return (q.From.IsZero() || !t.Before(q.From)) && (q.Until.IsZero() || t.Before(q.Until))
}

// FitsWay reports whether parties and protocol are meant.
func (q *Query) FitsWay(from, to chaperone.Party, p chaperone.Protocol) bool {
	return fits(q.Parties, to) && fits(q.Sources, from) && (len(q.Protocols) == 0 || contains(q.Protocols, p))
}

func fits(matches []Match, p chaperone.Party) bool {
	for _, m := range matches {
		if m.Fits(p) {
			return true
		}
	}
	return len(matches) == 0
}

func contains(protocols []chaperone.Protocol, p chaperone.Protocol) bool {
	for _, have := range protocols {
		if have == p {
			return true
		}
	}
	return false
}

// Counts are exact numbers of one set of disclosures.
type Counts struct {
	Patients     int   `json:"patients"`          // distinct persons, merges applied
	Weak         int   `json:"patients_weak"`     // of them, those known by name only
	Unmerged     int   `json:"patients_unmerged"` // as if no merge had been said
	Min          int   `json:"patients_min"`      // also joining equal name, birth date and sex
	Max          int   `json:"patients_max"`      // every identifier that is known to be theirs
	Unidentified int64 `json:"unidentified"`      // records without any identity; never among Patients
	Disclosures  int64 `json:"disclosures"`
	Records      int64 `json:"records"`
	Objects      int64 `json:"objects"` // DICOM objects: records of C-STORE, C-GET and C-MOVE
	Bytes        int64 `json:"bytes"`
}

// Scope is the answer to "how many": the numbers and what they rest on.
type Scope struct {
	Counts
	First, Last time.Time // of the disclosures, zero without any
	Days        []DayCounts
	Protocols   []ProtocolCounts
	Edges       []EdgeCounts
	Seen        []Seen // runs that cover a part of the period, in the order of recording
	Near        []Seen // other runs that end or begin within a Pause of the period: between one of them and the next may be no more than that
	Purged      []Day  // days of the period whose entries were destroyed: not in the numbers
	Seal        Seal
}

// Cover adds a run on record, if it covers a part of the query's range or is near it.
func (s *Scope) Cover(q *Query, run Seen) {
	touches := func(around time.Duration) bool {
		return (q.Until.IsZero() || run.From.Before(q.Until.Add(around))) && (q.From.IsZero() || !run.Until.Before(q.From.Add(-around)))
	}
	if touches(0) {
		s.Seen = append(s.Seen, run)
	} else if touches(Pause) {
		s.Near = append(s.Near, run)
	}
}

// DayCounts, ProtocolCounts and EdgeCounts are parts of a Scope, with Query.Detail. Patients of parts overlap.
type (
	DayCounts struct {
		Day Day `json:"day"`
		Counts
	}
	ProtocolCounts struct {
		Protocol chaperone.Protocol `json:"protocol"`
		Counts
	}
	EdgeCounts struct {
		From chaperone.Party // without its port
		To   chaperone.Party
		Counts
	}
)

// Seal says what of the record can be proven to whom.
type Seal struct {
	Batches   uint64 `json:"batches"`         // on record
	Sealed    uint64 `json:"sealed"`          // under the latest signed checkpoint
	Witnessed uint64 `json:"witnessed"`       // under the latest checkpoint that enough witnesses cosigned
	Witnesses int    `json:"witnesses"`       // that are asked; 0: nobody outside can notice a record that was rewritten as a whole
	Needed    int    `json:"needed"`          // of them
	Later     uint64 `json:"later,omitempty"` // batches that came after the checkpoint that an answer beside a recording process is as of, and that it leaves out
}

// TooFew says who has seen what was not seen by as many witnesses as are needed: some of them may have.
func TooFew(needed int) string {
	if needed <= 1 {
		return "no witness has"
	}
	return fmt.Sprintf("fewer than the %d witnesses that are needed have", needed)
}

// Row is one disclosure on record.
type Row struct {
	chaperone.Disclosure             // Patients is nil
	Seq                  uint64      // 0, 1, 2, … in the order of recording
	Batch                uint64      // its batch, which is its leaf in the log
	Persons              int         // distinct persons, merges applied
	Weak                 int         // of them, known by name only
	People               []PatientID // who they are, in the order of bytes; with Query.Patient that one alone: others are nobody's business
}

// Objects gives the number of DICOM objects that a disclosure moved.
func Objects(p chaperone.Protocol, action string, records int) int {
	if p != chaperone.DICOM {
		return 0
	}
	switch action {
	case "C-STORE", "C-GET", "C-MOVE":
		return records
	}
	return 0
}
