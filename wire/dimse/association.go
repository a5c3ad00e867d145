package dimse

import (
	"encoding/binary"
	"fmt"

	"chaperone"
	"chaperone/format"
	"chaperone/wire"
)

// controlPDU acts on a whole PDU that is not P-DATA.
func (s *Session) controlPDU(d wire.Dir, kind byte, body []byte, at chaperone.Mark) {
	h := &s.half[d]
	switch kind {
	case associateRQ:
		s.associationRequest(d, body, at)
	case associateAC:
		if !readContexts(body, s.contexts) {
			s.malformed(d, at, fmt.Errorf("dimse: items of the A-ASSOCIATE-AC at offset %d: %w", h.start, format.ErrMalformed))
		}
		if calling, called, ok := titles(body); ok && s.titles == [2]string{} {
			s.titles[d], s.titles[d.Other()] = called, calling // the request was not seen; the answer repeats its titles
		}
		s.software(d, body, at)
		s.associationAnswer(d, chaperone.Delivered, "accepted", at)
	case associateRJ:
		s.associationAnswer(d, chaperone.Refused, rejection(body), at)
	case abort:
		s.finishAll(at)
		s.half[wire.FromClient].over, s.half[wire.FromServer].over = true, true
	}
}

// associationRequest opens the association. A second request on a connection starts over (PS3.8 allows none).
func (s *Session) associationRequest(d wire.Dir, body []byte, at chaperone.Mark) {
	h := &s.half[d]
	calling, called, ok := titles(body)
	if !ok {
		s.malformed(d, at, fmt.Errorf("dimse: A-ASSOCIATE-RQ of %d bytes at offset %d: %w", len(body), h.start, format.ErrMalformed))
		return
	}
	if s.assoc != nil || s.titles != [2]string{} {
		s.malformed(d, at, fmt.Errorf("dimse: second A-ASSOCIATE-RQ at offset %d: %w", h.start, format.ErrMalformed))
	}
	clear(s.contexts)
	if !readContexts(body, s.contexts) {
		s.malformed(d, at, fmt.Errorf("dimse: items of the A-ASSOCIATE-RQ at offset %d: %w", h.start, format.ErrMalformed))
	}
	s.titles[d], s.titles[d.Other()] = calling, called
	s.assocDir = d
	s.assoc = &wire.Message{
		Seq: s.next(), Action: "A-ASSOCIATE", Role: wire.Control, Dir: d, Data: d, From: calling, To: called,
		Start: h.start, At: h.startAt, Outcome: chaperone.Unknown, Ended: true,
	}
	s.emit(d, wire.Head, s.assoc, at)
	s.emit(d, wire.Tail, s.assoc, at)
	s.software(d, body, at)
}

// software notes what a side says of its program.
func (s *Session) software(d wire.Dir, body []byte, at chaperone.Mark) {
	if class, version := readSoftware(body); class+version != "" {
		s.events = append(s.events, wire.Event{Stage: wire.Noted, Dir: d, End: s.half[d].offset, At: at,
			Fact: wire.Software{Dir: d, Name: version, Maker: class, Context: "A-ASSOCIATE"}})
	}
}

// associationAnswer closes the association's message; d is the direction of the answer.
func (s *Session) associationAnswer(d wire.Dir, outcome chaperone.Outcome, status string, at chaperone.Mark) {
	if s.assoc == nil {
		return
	}
	s.assoc.Outcome, s.assoc.Status = outcome, status
	s.emit(d, wire.Answer, s.assoc, at)
	s.assoc = nil
}

// Sniff looks for an A-ASSOCIATE-RQ, or in the middle of a connection for a PDU.
func Sniff(client, server []byte, midstream bool) wire.Verdict {
	if midstream {
		return sniffMidstream(client, server)
	}
	if len(client) == 0 && len(server) == 0 {
		return wire.Maybe
	}
	for _, b := range [][]byte{client, server} {
		if len(b) == 0 {
			continue
		}
		if b[0] != associateRQ && b[0] != associateAC && b[0] != associateRJ {
			return wire.No
		}
		if b[0] == associateRJ && len(b) >= 6 && binary.BigEndian.Uint32(b[2:]) == 4 {
			continue // it may be all that was seen of its direction
		}
		ok, more := plausible(b)
		switch {
		case ok:
			return wire.Yes
		case !more:
			return wire.No
		}
	}
	return wire.Maybe
}

func sniffMidstream(client, server []byte) wire.Verdict {
	const window = 64 << 10
	for _, b := range [][]byte{client, server} {
		for i := range b {
			if ok, _ := plausible(b[i:]); ok {
				return wire.Yes
			}
		}
	}
	if len(client) > window || len(server) > window {
		return wire.No
	}
	return wire.Maybe
}
