// Package exchange turns the events of sessions into disclosures: one for each HL7 message, each C-STORE and each
// C-FIND (all its matches together) that bears a patient. It joins what lies on different connections: a C-MOVE and
// the association that delivers, a study and its patient.
//
// It holds the rules of what is one disclosure (GLOSSARY.md) and no protocol: those are in wire.
package exchange

import (
	"net/netip"
	"slices"
	"time"

	"chaperone"
	"chaperone/patient"
	"chaperone/wire"
)

// Counters count messages, whoever they are about.
type Counters struct {
	HL7Messages       int64 // without acknowledgements
	HL7Acks           int64
	DICOMAssociations int64 // requests seen
	DICOMObjects      int64 // C-STORE data sets whose last fragment passed
	Malformed         int64 // messages, frames, PDUs and data sets outside their grammar
	Disclosures       int64
	Records           int64
	Unidentified      int64
}

// Disclosed is a disclosure with what the census needs to name its people.
type Disclosed struct {
	chaperone.Disclosure                    // Patients is empty: Nodes hold them
	Nodes                []patient.Node     // without duplicates
	Who                  []patient.Identity // of each record that has an identity, only with Recorder.Identify
	People               []chaperone.Record // only with Recorder.Reveal
	Class                string             // SOP class UID, of DICOM
	unwanted             bool               // by Recorder.Keep: it is followed, so that others find what belongs to it, and not counted
}

// Recorder makes disclosures. It is not safe for concurrent use.
type Recorder struct {
	Counters Counters
	Census   *patient.Census
	Reveal   bool // keep the records themselves, for a caller that was asked to show them
	Identify bool // keep what each record says of who it is, for a ledger
	// Merged is told of each statement that two sets of identifiers are one person, or with undo that they are not; may be nil.
	Merged   func(survivor, prior []chaperone.PatientToken, undo bool, at time.Time)
	Keep     func(Seen) bool // which messages count; nil for all
	tokens   *patient.Tokenizer
	emit     func(Disclosed)
	evidence func(chaperone.Mark, int64) chaperone.Evidence
	studies  studies
	moves    moves
	now      moment // of the latest event
	scratch  []byte
}

// Seen describes a message to Recorder.Keep.
type Seen struct {
	Protocol chaperone.Protocol
	Time     time.Time
	From, To netip.Addr
}

// NewRecorder makes one that gives each disclosure to emit. evidence says where a mark and an offset are.
func NewRecorder(t *patient.Tokenizer, evidence func(chaperone.Mark, int64) chaperone.Evidence, emit func(Disclosed)) *Recorder {
	return &Recorder{Census: patient.NewCensus(), tokens: t, emit: emit, evidence: evidence,
		studies: newStudies(maxStudies)}
}

// Connection takes the events of one session.
type Connection struct {
	Protocol       chaperone.Protocol
	Protection     chaperone.Protection
	Client, Server netip.AddrPort
	ISN            [2]uint32 // of the two directions: they make offsets absolute
	recorder       *Recorder
	second         bool              // the second view of a connection that has two: it counts no messages
	drafts         map[uint64]*draft // by Message.Seq
	forked         map[[16]byte]bool // disclosures of all views, once there are two
}

// draft is a disclosure that is not over.
type draft struct {
	disclosed Disclosed              // its Nodes with duplicates
	number    chaperone.PatientToken // of the last record that had one: a study learns from it
}

// Connect starts a connection. Its Protocol and ISN are set when they are known, before each event.
func (r *Recorder) Connect(protection chaperone.Protection, client, server netip.AddrPort) *Connection {
	return &Connection{Protection: protection, Client: client, Server: server,
		recorder: r, drafts: map[uint64]*draft{}}
}

// Fork gives a connection for the second view. What both views say alike is recorded once.
func (c *Connection) Fork() *Connection {
	c.forked = map[[16]byte]bool{}
	second := *c
	second.second = true
	second.drafts = map[uint64]*draft{}
	for seq, d := range c.drafts {
		copied := *d
		copied.disclosed.Nodes = slices.Clone(d.disclosed.Nodes)
		copied.disclosed.Who = slices.Clone(d.disclosed.Who)
		second.drafts[seq] = &copied
	}
	return &second
}

// Event takes the next event of the connection's session.
func (c *Connection) Event(e wire.Event) {
	r := c.recorder
	r.settleMoves(e.At.Time, false)
	if e.Stage == wire.Malformed {
		if c.wanted(e.At, chaperone.FromClient) && !c.second {
			r.Counters.Malformed++
		}
		return
	}
	m := e.Message
	wanted := c.wanted(m.At, m.Data)
	if wanted && !c.second {
		r.count(c.Protocol, e)
	}
	switch e.Stage {
	case wire.Head:
		if m.Role != wire.Control || len(e.Records) > 0 {
			c.open(m, !wanted)
		}
	case wire.Tail:
		c.learn(m)
	}
	if d := c.drafts[m.Seq]; d != nil {
		c.add(d, m, e)
		if e.Stage == wire.Answer || e.Stage == wire.Tail && m.Role == wire.Control {
			delete(c.drafts, m.Seq)
			c.finish(d, m, e.At.Time)
		}
	}
}

// Second reports whether this is the second view of a connection.
func (c *Connection) Second() bool { return c.second }

// Wanted reports whether a message counts in this run.
func (c *Connection) Wanted(m *wire.Message) bool { return c.wanted(m.At, m.Data) }

func (c *Connection) wanted(at chaperone.Mark, data wire.Dir) bool {
	keep := c.recorder.Keep
	if keep == nil {
		return true
	}
	from, to := c.ends(data)
	return keep(Seen{c.Protocol, at.Time, from.Addr(), to.Addr()})
}

// count keeps the counters of messages.
func (r *Recorder) count(p chaperone.Protocol, e wire.Event) {
	switch {
	case p == chaperone.HL7 && e.Stage == wire.Head:
		if e.Message.Role == wire.Control {
			r.Counters.HL7Acks++
		} else {
			r.Counters.HL7Messages++
		}
	case e.Stage == wire.Head && e.Message.Action == "A-ASSOCIATE":
		r.Counters.DICOMAssociations++
	case e.Stage == wire.Tail && e.Message.Action == "C-STORE" && e.Message.Ended:
		r.Counters.DICOMObjects++
	}
}

// ends gives the two sides of data that travels in direction d.
func (c *Connection) ends(d wire.Dir) (from, to netip.AddrPort) {
	if d == wire.FromClient {
		return c.Client, c.Server
	}
	return c.Server, c.Client
}

// open starts the disclosure of a message. Whether it is one shows when it is over.
func (c *Connection) open(m *wire.Message, unwanted bool) {
	from, to := c.ends(m.Data)
	d := &draft{disclosed: Disclosed{Class: m.Class, unwanted: unwanted}}
	d.disclosed.Disclosure = chaperone.Disclosure{
		Time: m.At.Time, Protocol: c.Protocol, Action: m.Action, Protection: c.Protection,
		From:     chaperone.Party{Addr: from.Addr(), Port: from.Port(), Claimed: m.From},
		To:       chaperone.Party{Addr: to.Addr(), Port: to.Port(), Claimed: m.To},
		Evidence: c.recorder.evidence(m.At, m.Start),
	}
	if m.Role == wire.Query || m.Role == wire.Reply {
		d.disclosed.RequestedBy = &chaperone.Party{Addr: to.Addr(), Port: to.Port(), Claimed: m.Requester}
	}
	if m.Role == wire.Move && !c.second {
		c.recorder.moves.open(c, d, m)
	}
	c.drafts[m.Seq] = d
}

// add takes the records of an event into a draft.
func (c *Connection) add(d *draft, m *wire.Message, e wire.Event) {
	r := c.recorder
	for _, merge := range e.Merges {
		if d.disclosed.unwanted {
			break
		}
		survivor, prior := r.all(merge.Survivor), r.all(merge.Prior)
		d.disclosed.Nodes = append(d.disclosed.Nodes, r.Census.Merge(survivor, prior, merge.Undo, e.At.Time)...)
		if r.Merged != nil {
			r.Merged(survivor, prior, merge.Undo, e.At.Time)
		}
		for i := range prior { // each was disclosed, and whether they are one person is not said
			d.who(r, patient.Identity{Numbers: prior[i : i+1]})
		}
	}
	for _, record := range e.Records {
		if len(record.Identifiers) == 0 && !m.Study.Empty() {
			record.Study = m.Study
		}
		c.record(d, record)
	}
}

// record counts one record. A record without a number is resolved through its study before anything else.
func (c *Connection) record(d *draft, record chaperone.Record) {
	r := c.recorder
	i := r.tokens.Identify(record)
	if len(i.Numbers) > 0 {
		d.number = i.Numbers[0]
		r.studies.learn(i.Study, i.Numbers[0])
	} else if token, ok := r.studies.patient(i.Study); ok {
		i.Numbers = append(i.Numbers, token)
	} else if token, ok := r.tokens.Alternate(record); ok {
		i.Numbers = append(i.Numbers, token)
	}
	d.disclosed.Records++
	if d.disclosed.unwanted {
		return
	}
	if n, ok := r.Census.Add(i); ok {
		d.disclosed.Nodes = append(d.disclosed.Nodes, n)
		d.who(r, i)
	} else {
		d.disclosed.Unidentified++
	}
	if r.Reveal {
		d.disclosed.People = append(d.disclosed.People, record)
	}
}

// who keeps whose a record is, for a ledger. A query's many matches may be of one patient: neighbours are kept once.
func (d *draft) who(r *Recorder, i patient.Identity) {
	if !r.Identify {
		return
	}
	if n := len(d.disclosed.Who); n > 0 {
		last := &d.disclosed.Who[n-1]
		if last.Demographic == i.Demographic && slices.Equal(last.Numbers, i.Numbers) {
			return
		}
	}
	d.disclosed.Who = append(d.disclosed.Who, i)
}

// learn remembers whose study a data set belongs to.
func (c *Connection) learn(m *wire.Message) {
	d := c.drafts[m.Seq]
	if d == nil || m.Study.Empty() || d.number == (chaperone.PatientToken{}) {
		return
	}
	study := c.recorder.tokens.Token(chaperone.Identifier{Kind: chaperone.StudyUID, Value: m.Study})
	c.recorder.studies.learn(study, d.number)
}

func (r *Recorder) all(ids []chaperone.Identifier) []chaperone.PatientToken {
	tokens := make([]chaperone.PatientToken, len(ids))
	for i, id := range ids {
		tokens[i] = r.tokens.Token(id)
	}
	return tokens
}

// Close ends the run: moves whose delivery never showed are recorded from their answers.
func (r *Recorder) Close() { r.settleMoves(time.Time{}, true) }
