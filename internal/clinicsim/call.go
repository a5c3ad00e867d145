package clinicsim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// call is one association of the day.
type call struct {
	Association
	day            *day
	flow           *flow
	wait           func(time.Duration)
	client, server Host
}

// dial opens a connection and an association on it.
func (d *day) dial(r *rand.Rand, wait func(time.Duration), at time.Duration, client, server Host, port uint16, contexts ...Context) *call {
	c := &call{day: d, wait: wait, client: client, server: server, flow: d.net.open(r, at, client.Addr, server.Addr, port)}
	for i := range contexts {
		contexts[i].ID = byte(2*i + 1)
	}
	varied := r
	if d.plain {
		varied = nil
	}
	c.Association = Association{
		To: c.flow, Calling: client.Name, Called: server.Name, Contexts: contexts, Rand: varied, Rare: d.rare(),
		MaxPDU: [2]int{pick(r, 16384, 16382, 32768, 0), pick(r, 16384, 4096, 65536, 131072)},
	}
	d.tally.truth.DICOMAssociations++
	return c
}

// until lets time pass.
func (c *call) until(t time.Duration) {
	c.flow.at(t)
	c.wait(c.flow.now)
}

func (c *call) hangUp() {
	c.Release()
	c.flow.close(FromClient)
	c.wait(c.flow.now)
}

// disclosure begins a disclosure whose data travels in direction data.
func (c *call) disclosure(action string, data Dir) Disclosure {
	d := Disclosure{Time: c.day.net.begin.Add(c.flow.now), Protocol: "dicom", Action: action, Outcome: "delivered",
		From: c.client.Addr.String(), To: c.server.Addr.String()}
	if data == FromServer {
		d.From, d.To = d.To, d.From
		d.RequestedBy = d.To
	}
	return d
}

// store sends one image of a study. For a C-MOVE origin is set and by is who asked.
func (c *call) store(dir Dir, s *study, i int, origin *MoveOrigin, by string, status uint16) {
	_, ts := c.Context(s.class)
	d := c.disclosure("C-STORE", dir)
	d.Records = []Record{s.record()}
	if by != "" {
		d.RequestedBy = by
	}
	if status != Success {
		d.Outcome = "refused"
	}
	c.Store(dir, s.object(i, c.day.Images, ts), origin, status)
	c.day.tally.truth.DICOMObjects++
	c.day.tally.disclose(d)
	c.day.tally.stored(s.record())
	c.wait(c.flow.now)
}

// find is a C-FIND whose matches pass to the client.
func (c *call) find(class string, keys DataSet, matches []DataSet, list []Record) {
	d := c.disclosure("C-FIND", FromServer)
	d.Records = list
	c.Find(class, keys, matches)
	if len(list) > 0 {
		c.day.tally.disclose(d)
	}
	c.wait(c.flow.now)
}

// list is a C-FIND with many matches: the archive sends as many at once as fit into a segment.
func (c *call) list(class string, keys DataSet, matches []DataSet, list []Record) {
	d := c.disclosure("C-FIND", FromServer)
	d.Records = list
	id := c.FindRequest(class, keys)
	for part := range slices.Chunk(matches, 3) {
		c.together(FromServer, func() { c.FindAnswers(class, id, part) })
	}
	c.FindEnd(class, id, Success)
	if len(list) > 0 {
		c.day.tally.disclose(d)
	}
	c.wait(c.flow.now)
}

func accepted(abstract string, transferSyntaxes ...string) Context {
	return Context{Abstract: abstract, Offered: transferSyntaxes, Accepted: transferSyntaxes[0]}
}
