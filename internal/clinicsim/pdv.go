package clinicsim

import "encoding/binary"

// pdvHead is the length of a presentation data value's head: length, context ID, control header (PS3.8 section 9.3.5.1).
const pdvHead = 6

// fragment is one presentation data value.
type fragment struct {
	control byte // bit 0: command, bit 1: last (PS3.8 Annex E.2)
	bytes   []byte
}

// Write sends one DIMSE message: its command set and, unless nil, its data set, both encoded.
func (a *Association) Write(d Dir, context byte, command, data []byte) {
	pdus := a.pdus(d, context, a.cut(d, command, data))
	if a.Rand == nil || a.held != nil || a.Rand.IntN(2) == 0 {
		var all []byte
		for _, p := range pdus {
			all = append(all, p...)
		}
		a.send(d, all)
		return
	}
	for _, p := range pdus {
		a.send(d, p)
	}
}

// writePart sends the command set and the first n bytes of the data set; its last fragment is missing.
func (a *Association) writePart(d Dir, context byte, command, data []byte, n int) {
	limit := a.room(d)
	list := []fragment{{3, command}}
	for at := 0; at < n; {
		size := min(limit, 1024, even(n-at+1))
		list = append(list, fragment{0, data[at : at+size]})
		at += size
	}
	for _, p := range a.pdus(d, context, list) {
		a.send(d, p)
	}
}

// room gives the bytes of a message that fit into one PDU for the receiver of direction d.
func (a *Association) room(d Dir) int {
	if most := a.MaxPDU[d.Other()]; most > 0 {
		return even(most - pdvHead)
	}
	return 1<<16 - pdvHead
}

// cut makes the fragments of a message. Senders differ a lot here, so Rand decides.
func (a *Association) cut(d Dir, command, data []byte) []fragment {
	commandSize, dataSize, emptyLast := a.room(d), a.room(d), false
	if a.Rand != nil {
		if a.Rare && a.Rand.IntN(4) == 0 {
			commandSize = even(len(command)/2) + 2
		}
		if a.Rand.IntN(3) == 0 {
			dataSize = min(dataSize, even(64+len(data)/16+a.Rand.IntN(max(256, len(data)/4))))
		}
		emptyLast = a.Rare && a.Rand.IntN(4) == 0
	}
	list := split(command, commandSize, 1, false)
	if data != nil {
		list = append(list, split(data, dataSize, 0, emptyLast)...)
	}
	return list
}

// even rounds down: fragments are of even length (PS3.8 Annex E.1, PS3.5 section 7.1.1).
func even(n int) int { return n &^ 1 }

func split(b []byte, size int, control byte, emptyLast bool) []fragment {
	var list []fragment
	for len(b) > size {
		list = append(list, fragment{control, b[:size]})
		b = b[size:]
	}
	if emptyLast {
		return append(list, fragment{control, b}, fragment{control | 2, nil})
	}
	return append(list, fragment{control | 2, b})
}

// pdus packs fragments into P-DATA-TF PDUs: one each, or as many as the receiver takes.
func (a *Association) pdus(d Dir, context byte, list []fragment) [][]byte {
	pack := a.Rand != nil && a.Rand.IntN(2) == 0
	limit := a.room(d) + pdvHead
	var out [][]byte
	var body []byte
	flush := func() {
		if len(body) > 0 {
			head := append([]byte{0x04, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
			out = append(out, append(head, body...))
			body = nil
		}
	}
	for _, f := range list {
		if !pack || len(body)+pdvHead+len(f.bytes) > limit {
			flush()
		}
		body = binary.BigEndian.AppendUint32(body, uint32(len(f.bytes)+2))
		body = append(body, context, f.control)
		body = append(body, f.bytes...)
	}
	flush()
	return out
}
