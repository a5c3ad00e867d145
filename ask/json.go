package ask

import (
	"encoding/hex"
	"io"
	"net/netip"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/page"
)

// ScopeJSON writes an answer as JSON Lines: days, protocols, edges and runs as far as it has them, and the summary last.
func ScopeJSON(out io.Writer, q ledger.Query, s ledger.Scope, style Style) error {
	for _, d := range s.Days {
		if err := page.JSONLine(out, jsonDay{"day", d}); err != nil {
			return err
		}
	}
	for _, p := range s.Protocols {
		if err := page.JSONLine(out, jsonProtocol{"protocol", p}); err != nil {
			return err
		}
	}
	for _, e := range mostFirst(s.Edges) {
		if err := page.JSONLine(out, jsonEdge{"edge", style.json(e.From), style.json(e.To), e.Counts}); err != nil {
			return err
		}
	}
	for _, r := range s.Seen {
		if err := page.JSONLine(out, jsonRun{"coverage", r.From.UTC(), r.Until.UTC(), seenOf(r)}); err != nil {
			return err
		}
	}
	return page.JSONLine(out, SummaryOf(q, s))
}

// Summary is the last JSON line of a question: the spelling is that of watch's summary where they say the same.
type Summary struct {
	Kind string `json:"kind"`
	ledger.Counts
	From     *time.Time   `json:"from"`  // of the period that was asked for; null where it is open
	Until    *time.Time   `json:"until"` // exclusive
	First    *time.Time   `json:"first"` // of the disclosures; null without any
	Last     *time.Time   `json:"last"`
	Purged   []ledger.Day `json:"purged_days"`
	Coverage Coverage     `json:"coverage"`
	ledger.Seal
}

// Coverage is what part of the period was watched.
type Coverage struct {
	Runs      int     `json:"runs"` // stretches of watching on record, without a gap, that have a part of it
	jsonSeen          // by them, as whole runs
	Unwatched []span  `json:"unwatched"`      // parts that no run says it covers, but for pauses
	Pauses    int     `json:"pauses"`         // between two runs, of ledger.Pause at most: they count as watched
	Paused    float64 `json:"paused_seconds"` // by them, as far as they lie in the period
}

// SummaryOf makes the summary of an answer.
func SummaryOf(q ledger.Query, s ledger.Scope) Summary {
	gaps, pauses := unwatched(q, s)
	return Summary{
		Kind: "summary", Counts: s.Counts, From: known(q.From), Until: known(q.Until), First: known(s.First), Last: known(s.Last), Purged: list(s.Purged),
		Coverage: Coverage{len(s.Seen), seenOf(total(s.Seen)), list(gaps), len(pauses), sumOf(pauses).Seconds()}, Seal: s.Seal,
	}
}

type (
	jsonDay struct {
		Kind string `json:"kind"`
		ledger.DayCounts
	}
	jsonProtocol struct {
		Kind string `json:"kind"`
		ledger.ProtocolCounts
	}
	jsonEdge struct {
		Kind string    `json:"kind"`
		From jsonParty `json:"from"`
		To   jsonParty `json:"to"`
		ledger.Counts
	}
	jsonRun struct {
		Kind  string    `json:"kind"`
		From  time.Time `json:"from"`
		Until time.Time `json:"until"`
		jsonSeen
	}
	jsonSeen struct {
		Packets   int64 `json:"packets"`
		Flows     int64 `json:"flows"`
		Decoded   int64 `json:"flows_decoded"`
		Hidden    int64 `json:"flows_hidden"`
		LostBytes int64 `json:"lost_bytes"`
		Malformed int64 `json:"malformed"`
	}
	jsonParty struct {
		Addr    string `json:"addr,omitempty"`
		Port    uint16 `json:"port,omitempty"`
		Claimed string `json:"claimed,omitempty"`
		Proven  string `json:"proven,omitempty"`
		Name    string `json:"name,omitempty"`
	}
	jsonEvidence struct {
		File   string `json:"file"`
		Packet int64  `json:"packet"`
		Record uint64 `json:"record,omitempty"`
		Offset int64  `json:"offset"`
	}
	jsonDisclosure struct {
		Kind         string               `json:"kind"`
		ID           string               `json:"id"`
		Time         time.Time            `json:"time"`
		Protocol     chaperone.Protocol   `json:"protocol"`
		Action       string               `json:"action"`
		From         jsonParty            `json:"from"`
		To           jsonParty            `json:"to"`
		RequestedBy  *jsonParty           `json:"requested_by"`
		Unidentified int                  `json:"unidentified"`
		Records      int                  `json:"records"`
		Bytes        int64                `json:"bytes"`
		Protection   chaperone.Protection `json:"protection"`
		Outcome      chaperone.Outcome    `json:"outcome"`
		Seen         bool                 `json:"seen"`
		Evidence     jsonEvidence         `json:"evidence"`
		Seq          uint64               `json:"seq"`
		Batch        uint64               `json:"batch"`
		Persons      int                  `json:"persons"`
		Weak         int                  `json:"patients_weak"`
		Patients     []ledger.PatientID   `json:"patients"`
	}
)

func seenOf(s ledger.Seen) jsonSeen {
	return jsonSeen{s.Packets, s.Flows, s.Decoded, s.Hidden, s.LostBytes, s.Malformed}
}

func (s Style) json(p chaperone.Party) jsonParty {
	out := jsonParty{Port: p.Port, Claimed: p.Claimed, Proven: p.Proven, Name: s.Names[p.Addr.Unmap()]}
	if p.Addr != (netip.Addr{}) {
		out.Addr = p.Addr.String()
	}
	return out
}

// disclosure makes the line of a row. Its fields are those of watch's lines; the patients are the ledger's ids.
func (s Style) disclosure(r ledger.Row) jsonDisclosure {
	e := r.Evidence
	d := jsonDisclosure{
		Kind: "disclosure", ID: hex.EncodeToString(r.ID[:]), Time: r.Time.UTC(), Protocol: r.Protocol, Action: r.Action, From: s.json(r.From), To: s.json(r.To),
		Unidentified: r.Unidentified, Records: r.Records, Bytes: r.Bytes, Protection: r.Protection, Outcome: r.Outcome, Seen: !r.Unseen,
		Evidence: jsonEvidence{e.File, e.Packet, e.Record, e.Offset}, Seq: r.Seq, Batch: r.Batch, Persons: r.Persons, Weak: r.Weak, Patients: list(r.People),
	}
	if r.RequestedBy != nil {
		by := s.json(*r.RequestedBy)
		d.RequestedBy = &by
	}
	return d
}

// known gives a time in UTC, nil for none.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
