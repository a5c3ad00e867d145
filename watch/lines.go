package watch

import (
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/inventory"
	"chaperone/page"
)

type jsonParty struct {
	Addr    string `json:"addr,omitempty"`
	Port    uint16 `json:"port,omitempty"`
	Claimed string `json:"claimed,omitempty"`
	Name    string `json:"name,omitempty"`
}

func (j *JSON) party(p chaperone.Party) jsonParty {
	out := jsonParty{Port: p.Port, Claimed: p.Claimed, Name: j.names.Of(p.Addr)}
	if c := inventory.Computer(p.Addr); c != "" {
		out.Claimed = c
	} else if p.Addr.IsValid() {
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

// disclosure appends the line of a disclosure but its patients and the closing brace, which come with JSON.line.
func (j *JSON) disclosure(b []byte, d *exchange.Disclosed) []byte {
	b = append(b, `{"kind":"disclosure","id":"`...)
	b = hex.AppendEncode(b, d.ID[:])
	b = append(b, `","time":"`...)
	b = d.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = text(append(b, `","protocol":`...), string(d.Protocol))
	b = text(append(b, `,"action":`...), d.Action)
	b = j.appendParty(append(b, `,"from":`...), d.From)
	b = j.appendParty(append(b, `,"to":`...), d.To)
	b = append(b, `,"requested_by":`...)
	if d.RequestedBy == nil {
		b = append(b, "null"...)
	} else {
		b = j.appendParty(b, *d.RequestedBy)
	}
	b = strconv.AppendInt(append(b, `,"unidentified":`...), int64(d.Unidentified), 10)
	b = strconv.AppendInt(append(b, `,"records":`...), int64(d.Records), 10)
	b = strconv.AppendInt(append(b, `,"bytes":`...), d.Bytes, 10)
	b = text(append(b, `,"protection":`...), string(d.Protection))
	b = text(append(b, `,"outcome":`...), string(d.Outcome))
	b = strconv.AppendBool(append(b, `,"seen":`...), !d.Unseen)
	b = text(append(b, `,"evidence":{"file":`...), d.Evidence.File)
	b = strconv.AppendInt(append(b, `,"packet":`...), d.Evidence.Packet, 10)
	b = strconv.AppendInt(append(b, `,"offset":`...), d.Evidence.Offset, 10)
	b = append(b, '}')
	if len(d.People) > 0 {
		people := make([]jsonPerson, len(d.People))
		for i, r := range d.People {
			people[i].IDs, people[i].Name, people[i].Birth, people[i].Sex = Person(r)
		}
		list, _ := json.Marshal(people) // it fails for no string
		b = append(append(b, `,"people":`...), page.EscapeJSON(list)...)
	}
	return b
}

func (j *JSON) appendParty(b []byte, p chaperone.Party) []byte {
	start := len(b)
	if p.Addr.IsValid() {
		b = append(b, `,"addr":"`...)
		b = append(p.Addr.AppendTo(b), '"')
	}
	if p.Port != 0 {
		b = strconv.AppendUint(append(b, `,"port":`...), uint64(p.Port), 10)
	}
	if p.Claimed != "" {
		b = text(append(b, `,"claimed":`...), p.Claimed)
	}
	if name := j.names.Of(p.Addr); name != "" {
		b = text(append(b, `,"name":`...), name)
	}
	if len(b) == start {
		return append(b, "{}"...)
	}
	b[start] = '{'
	return append(b, '}')
}

// text appends a JSON string. Characters that are unsafe on a terminal are escaped: lines are read on one, too.
func text(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // it fails for no string
			return append(b, page.EscapeJSON(quoted)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// rest writes systems and findings.
func (j *JSON) rest(r *Result) {
	for _, s := range r.Systems {
		j.put(jsonSystem{
			Kind: "system", Addr: s.Addr.String(), Name: j.names.Of(s.Addr), Role: string(s.Role), Sure: s.Sure, Signs: signs(s.Signs), Claimed: list(s.Claimed),
			Names: named(s.Names), Software: named(s.Software), Does: list(s.Does), Connections: s.Connections, Encrypted: s.Encrypted,
			First: s.First.UTC(), Last: s.Last.UTC(),
		})
	}
	for _, f := range r.Findings {
		j.put(jsonFinding{"finding", f.Rule, f.Severity, f.Technique, f.Title, f.Advice, j.party(f.From), j.party(f.To), f.Account, f.Count, f.Bytes,
			f.First.UTC(), f.Last.UTC(), f.Evidence})
	}
}

type jsonSystem struct {
	Kind        string          `json:"kind"`
	Addr        string          `json:"addr"`
	Name        string          `json:"name,omitempty"`
	Role        string          `json:"role"` // "" when unknown
	Sure        float64         `json:"sure"`
	Signs       []jsonSign      `json:"signs"`
	Claimed     []string        `json:"claimed"`
	Names       []jsonName      `json:"names"`
	Software    []jsonName      `json:"software"`
	Does        []inventory.Act `json:"does"`
	Connections int             `json:"connections"`
	Encrypted   int             `json:"encrypted"`
	First       time.Time       `json:"first"`
	Last        time.Time       `json:"last"`
}

type jsonSign struct {
	Text  string `json:"text"`
	Hours int    `json:"hours"`
}

type jsonName struct {
	Text string `json:"text"`
	From string `json:"from"`
}

type jsonFinding struct {
	Kind      string             `json:"kind"`
	Rule      string             `json:"rule"`
	Severity  chaperone.Severity `json:"severity"`
	Technique string             `json:"technique,omitempty"` // of MITRE ATT&CK
	Title     string             `json:"title"`
	Advice    string             `json:"advice"`
	From      jsonParty          `json:"from"`
	To        jsonParty          `json:"to"`
	Account   string             `json:"account,omitempty"`
	Count     int                `json:"count"`
	Bytes     int64              `json:"bytes,omitempty"`
	First     time.Time          `json:"first"`
	Last      time.Time          `json:"last"`
	Evidence  chaperone.Evidence `json:"evidence"`
}

func signs(list []inventory.Sign) []jsonSign {
	out := make([]jsonSign, 0, len(list))
	for _, s := range list {
		out = append(out, jsonSign{s.Text, s.Hours})
	}
	return out
}

func named(list []inventory.Name) []jsonName {
	out := make([]jsonName, 0, len(list))
	for _, n := range list {
		out = append(out, jsonName{n.Text, n.From})
	}
	return out
}

func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
