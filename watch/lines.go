package watch

import (
	"encoding/hex"
	"time"

	"chaperone"
	"chaperone/exchange"
)

type jsonParty struct {
	Addr    string `json:"addr,omitempty"`
	Port    uint16 `json:"port,omitempty"`
	Claimed string `json:"claimed,omitempty"`
	Name    string `json:"name,omitempty"`
}

func (j *JSON) party(p chaperone.Party) jsonParty {
	out := jsonParty{Port: p.Port, Claimed: p.Claimed, Name: j.names.Of(p.Addr)}
	if p.Addr.IsValid() {
		out.Addr = p.Addr.String()
	}
	return out
}

type jsonPerson struct {
	IDs   []string `json:"ids,omitempty"`
	Name  string   `json:"name,omitempty"`
	Birth string   `json:"birth,omitempty"`
	Sex   string   `json:"sex,omitempty"`
}

// Person is a record in the clear, for a caller that was asked to show it.
func Person(r chaperone.Record) (ids []string, name, birth, sex string) {
	for _, id := range append(r.Identifiers, r.Alternates...) {
		ids = append(ids, id.Value.Reveal()) // --reveal asks for it
	}
	return ids, r.Name.Reveal(), r.Birth.Reveal(), r.Sex.Reveal() // --reveal asks for it
}

func (j *JSON) disclosure(d exchange.Disclosed) any {
	var by *jsonParty
	if d.RequestedBy != nil {
		p := j.party(*d.RequestedBy)
		by = &p
	}
	var people []jsonPerson
	for _, r := range d.People {
		ids, name, birth, sex := Person(r)
		people = append(people, jsonPerson{ids, name, birth, sex})
	}
	protection := d.Protection
	return struct {
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
		Evidence     chaperone.Evidence   `json:"evidence"`
		People       []jsonPerson         `json:"people,omitempty"`
	}{"disclosure", hex.EncodeToString(d.ID[:]), d.Time.UTC(), d.Protocol, d.Action, j.party(d.From), j.party(d.To), by,
		d.Unidentified, d.Records, d.Bytes, protection, d.Outcome, !d.Unseen, d.Evidence, people}
}

// rest writes systems, findings and the summary.
func (j *JSON) rest(r *Result) {
	for _, s := range r.Systems {
		j.put(struct {
			Kind        string    `json:"kind"`
			Addr        string    `json:"addr"`
			Name        string    `json:"name,omitempty"`
			Claimed     []string  `json:"claimed"`
			Does        any       `json:"does"`
			Connections int       `json:"connections"`
			Encrypted   int       `json:"encrypted"`
			First       time.Time `json:"first"`
			Last        time.Time `json:"last"`
		}{"system", s.Addr.String(), j.names.Of(s.Addr), list(s.Claimed), list(s.Does), s.Connections, s.Encrypted, s.First.UTC(), s.Last.UTC()})
	}
	for _, f := range r.Findings {
		j.put(struct {
			Kind     string             `json:"kind"`
			Rule     string             `json:"rule"`
			Severity chaperone.Severity `json:"severity"`
			Title    string             `json:"title"`
			Advice   string             `json:"advice"`
			From     jsonParty          `json:"from"`
			To       jsonParty          `json:"to"`
			Count    int                `json:"count"`
			First    time.Time          `json:"first"`
			Last     time.Time          `json:"last"`
			Evidence chaperone.Evidence `json:"evidence"`
		}{"finding", f.Rule, f.Severity, f.Title, f.Advice, j.party(f.From), j.party(f.To), f.Count, f.First.UTC(), f.Last.UTC(), f.Evidence})
	}
	j.put(r.Summary())
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
