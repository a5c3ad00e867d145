package watch

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/patient"
)

// JSON writes a run as JSON Lines: disclosures, systems, findings, and the summary last. Times are UTC.
//
// The patients of a disclosure are named as the whole run knows them, so that counting distinct ones over all lines
// gives the summary's number. Therefore the lines wait in a temporary file until the run is over, unless it follows a
// growing capture.
type JSON struct {
	out    *bufio.Writer
	names  Names
	census *patient.Census
	now    bool
	spool  *os.File
	w      *bufio.Writer
	n      int
	err    error
}

// NewJSON makes a writer. now: write each line as it comes.
func NewJSON(out io.Writer, names Names, now bool) *JSON {
	return &JSON{out: bufio.NewWriter(out), names: names, now: now}
}

// Begin is for Options.Begin.
func (j *JSON) Begin(c *patient.Census) { j.census = c }

// Each is for Options.Each.
func (j *JSON) Each(d exchange.Disclosed) {
	if j.err != nil {
		return
	}
	line, err := json.Marshal(j.disclosure(d))
	if err != nil {
		j.err = err
		return
	}
	if j.now {
		j.line(line, d.Nodes)
		j.err = errors.Join(j.err, j.out.Flush())
		return
	}
	if j.spool == nil {
		if j.spool, j.err = os.CreateTemp("", "chaperone-*.spool"); j.err != nil { // mode 0600; it holds tokens, no patient data
			return
		}
		j.w = bufio.NewWriterSize(j.spool, 1<<20)
	}
	b := binary.AppendUvarint(nil, uint64(len(line)))
	b = append(b, line...)
	b = binary.AppendUvarint(b, uint64(len(d.Nodes)))
	for _, n := range d.Nodes {
		b = binary.AppendUvarint(b, uint64(n))
	}
	_, j.err = j.w.Write(b)
	j.n++
}

// Close writes what waits and the rest of the result. r may be nil.
func (j *JSON) Close(r *Result) error {
	if j.spool != nil {
		defer os.Remove(j.spool.Name())
		defer j.spool.Close()
		j.err = errors.Join(j.err, j.replay())
	}
	if j.err == nil && r != nil {
		j.rest(r)
	}
	return errors.Join(j.err, j.out.Flush())
}

func (j *JSON) replay() error {
	if err := j.w.Flush(); err != nil {
		return err
	}
	if _, err := j.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r := bufio.NewReaderSize(j.spool, 1<<20)
	var line []byte
	var nodes []patient.Node
	for range j.n {
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
		line = append(line[:0], make([]byte, size)...)
		if _, err := io.ReadFull(r, line); err != nil {
			return fmt.Errorf("temporary file: %w", err)
		}
		count, _ := binary.ReadUvarint(r)
		nodes = nodes[:0]
		for range count {
			n, err := binary.ReadUvarint(r)
			if err != nil {
				return fmt.Errorf("temporary file: %w", err)
			}
			nodes = append(nodes, patient.Node(n))
		}
		j.line(line, nodes)
	}
	return nil
}

// line completes a disclosure with its patients and writes it.
func (j *JSON) line(line []byte, nodes []patient.Node) {
	tokens := make([]chaperone.PatientToken, 0, len(nodes))
	have := map[chaperone.PatientToken]bool{}
	for _, n := range nodes {
		if t := j.census.Person(n); !have[t] {
			have[t] = true
			tokens = append(tokens, t)
		}
	}
	slices.SortFunc(tokens, func(a, b chaperone.PatientToken) int { return bytes.Compare(a[:], b[:]) })
	patients, err := json.Marshal(tokens)
	if err != nil {
		j.err = err
		return
	}
	j.out.Write(line[:len(line)-1])
	j.out.WriteString(`,"patients":`)
	j.out.Write(patients)
	j.out.WriteString("}\n")
}

func (j *JSON) put(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		j.err = errors.Join(j.err, err)
		return
	}
	j.out.Write(append(b, '\n'))
}

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
