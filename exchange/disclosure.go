package exchange

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"chaperone"
	"chaperone/patient"
	"chaperone/wire"
)

// unannounced is the action of a message whose beginning was not seen.
const unannounced = "?"

// finish makes a disclosure of a draft, if it bears a patient.
func (c *Connection) finish(d *draft, m *wire.Message, at time.Time) {
	r := c.recorder
	if m.Role == wire.Move {
		r.moves.finish(d, m, at, r.now)
	}
	if d.disclosed.Records == 0 {
		return
	}
	out := d.disclosed
	out.Bytes = m.Bytes
	out.Outcome = m.Outcome
	slices.Sort(out.Nodes)
	out.Nodes = slices.Compact(out.Nodes)
	out.ID = c.id(m, out)
	if c.forked != nil {
		if c.forked[out.ID] {
			return
		}
		c.forked[out.ID] = true
	}
	if m.Action == "C-STORE" || c.Protocol == chaperone.DICOM && m.Action == unannounced {
		r.store(m, out, d.number)
		return
	}
	r.disclose(out)
}

func (r *Recorder) disclose(out Disclosed) {
	if out.unwanted {
		return
	}
	r.Counters.Disclosures++
	r.Counters.Records += int64(out.Records)
	r.Counters.Unidentified += int64(out.Unidentified)
	r.emit(out)
}

// id is a keyed digest of when, on which connection, at which byte and what: the same bytes seen again, in another
// file or with finer time stamps, give the same id.
func (c *Connection) id(m *wire.Message, out Disclosed) [16]byte {
	b := binary.BigEndian.AppendUint64(c.recorder.scratch[:0], uint64(m.At.Time.UnixMicro()))
	for _, end := range []chaperone.Party{out.From, out.To} {
		addr := end.Addr.As16()
		b = append(b, addr[:]...)
		b = binary.BigEndian.AppendUint16(b, end.Port)
	}
	b = binary.BigEndian.AppendUint32(b, c.ISN[m.Dir]+uint32(m.Start))
	b = append(b, m.Digest[:]...)
	tokens := make([]chaperone.PatientToken, 0, 4)
	for _, n := range out.Nodes {
		tokens = append(tokens, c.recorder.Census.Token(n))
	}
	slices.SortFunc(tokens, func(x, y chaperone.PatientToken) int { return bytes.Compare(x[:], y[:]) })
	for _, t := range tokens {
		b = append(b, t[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(out.Unidentified))
	c.recorder.scratch = b
	return c.recorder.tokens.Digest("chaperone/disclosure/v1", b)
}

// maxStudies bounds the map from studies to patients: 40 bytes each.
const maxStudies = 1 << 20

// studies remembers whose a study is. When it is full, the older half is forgotten.
type studies struct {
	young, old map[chaperone.PatientToken]chaperone.PatientToken
	half       int
}

func newStudies(bound int) studies {
	return studies{young: map[chaperone.PatientToken]chaperone.PatientToken{}, half: bound / 2}
}

// learn notes the patient of a study; the zero study is none. The first one said stays.
func (s *studies) learn(study, patient chaperone.PatientToken) {
	if (study == chaperone.PatientToken{}) {
		return
	}
	if _, ok := s.patient(study); ok {
		return
	}
	if len(s.young) >= s.half {
		s.old, s.young = s.young, map[chaperone.PatientToken]chaperone.PatientToken{}
	}
	s.young[study] = patient
}

func (s *studies) patient(study chaperone.PatientToken) (chaperone.PatientToken, bool) {
	if p, ok := s.young[study]; ok {
		return p, true
	}
	p, ok := s.old[study]
	if ok {
		s.young[study] = p
	}
	return p, ok
}

// patients gives the nodes behind the keys of a retrieve, who they are, and how many keys lead nowhere.
func (r *Recorder) patients(keys []chaperone.Record) (nodes []patient.Node, who []patient.Identity, unknown int) {
	for _, k := range keys {
		i := r.tokens.Identify(k)
		if len(i.Numbers) == 0 {
			if token, ok := r.studies.patient(i.Study); ok {
				i.Numbers = append(i.Numbers, token)
			}
		}
		if len(i.Numbers) == 0 {
			unknown++
			continue
		}
		if n, ok := r.Census.Add(i); ok {
			nodes = append(nodes, n)
			who = append(who, i)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes), who, unknown
}
