package dicom

import (
	"encoding/binary"

	"chaperone/format"
)

// element acts on a whole element header.
func (w *Walker) element() {
	tag, o := w.tag(), w.order()
	var vr [2]byte
	var length uint32
	switch {
	case w.implicit() || tag.Group() == 0xFFFE:
		length = o.Uint32(w.header[4:])
	case w.have == 12:
		vr = [2]byte(w.header[4:6])
		length = o.Uint32(w.header[8:])
	default:
		vr = [2]byte(w.header[4:6])
		length = uint32(o.Uint16(w.header[6:]))
		if !shortLength(vr) {
			w.note("unknown value representation")
		}
	}
	w.checkEnd(0) // the header itself
	w.have = 0
	w.keeping = false
	if w.strict != nil {
		w.strict.element(tag, vr, length)
	}
	if tag.Group() == 0xFFFE {
		w.delimiter(tag, length)
		return
	}
	if len(w.open) == 0 {
		if tag <= w.last {
			w.note("elements are not in ascending order")
		}
		w.last = max(tag, w.last)
	}
	if n := len(w.open); n > 0 && !w.open[n-1].item {
		w.note("element outside an item")
	}
	w.value(tag, vr, length)
}

// value opens what stands behind a header: a sequence, or bytes to keep or to skip.
func (w *Walker) value(tag Tag, vr [2]byte, length uint32) {
	_, same := w.at()
	same = same && samePatient(tag)
	sequence := string(vr[:]) == "SQ" || w.implicit() && sequences[tag]
	unknown := w.strict != nil && (w.implicit() || string(vr[:]) == "UN") // its sender did not say, or not know, what it is
	if length == undefined {
		next := opening{end: -1, same: same, implicit: w.implicit()}
		switch string(vr[:]) {
		case "SQ", "\x00\x00":
		case "UN":
			next.implicit = true
		case "OB", "OW":
			next.fragments = true
		default:
			w.stop("undefined length of a value that cannot have one", format.ErrMalformed)
			return
		}
		next.fragments = next.fragments || tag == pixelData
		w.push(next)
		return
	}
	w.checkEnd(int64(length))
	if sequence || unknown && isSequence(tag) {
		w.push(opening{end: w.pos + int64(length), same: same, implicit: w.implicit() || string(vr[:]) == "UN"})
		w.closeEnded()
		return
	}
	w.left, w.suspect = int64(length), false
	if unknown && length >= 4 && !w.want(tag) {
		w.peeking = tag
	}
	if w.want(tag) && w.room(w.left) {
		w.kept += w.left
		number, same := w.at()
		w.Elements = append(w.Elements, Element{Tag: tag, Depth: len(w.open) / 2, within: w.last, item: number, same: same})
		w.keeping = true
	}
	if length == 0 {
		w.closeEnded()
	}
}

// peeked looks at the first bytes of a value of which its sender did not say, or not know, what it is. When they are an item tag,
// receivers read a sequence in implicit VR (PS3.5 section 6.2.2), and so does this.
func (w *Walker) peeked() {
	tag := w.peeking
	w.peeking = 0
	switch binary.LittleEndian.Uint32(w.header[:]) {
	case 0xE000FFFE: // the item tag: group, then element
		if w.syntax.BigEndian {
			w.note("sequence of unknown representation in big endian")
		}
		_, same := w.at()
		w.push(opening{end: w.pos + w.left, same: same && samePatient(tag), implicit: true})
		w.left = 0 // and the item's header has begun
		return
	case 0x00E0FEFF: // the same in big endian
		w.note("sequence of unknown representation in big endian")
	}
	w.suspect, w.recent = isPrivateSequence(tag), 0
	w.have = 0
	if w.left == 0 {
		w.closeEnded()
	}
}

// scan looks for whom a value may show that begins with no item, and that some take for a sequence all the same: their dictionary
// says so, and they go on at any tag.
func (w *Walker) scan(b []byte) {
	for _, c := range b {
		w.recent = w.recent<<8 | Tag(c)
		tag := w.recent
		if !w.syntax.BigEndian {
			tag = tag>>8&0x00FF00FF | tag<<8&0xFF00FF00
		}
		switch tag {
		case PatientName, PatientID, OtherPatientIDs:
			w.note("a patient in a value that some take for a sequence")
		}
	}
}

// room reports whether a value of so many bytes may be kept.
func (w *Walker) room(length int64) bool {
	if length > maxValue || w.kept+length > maxKept || len(w.Elements) == maxElements {
		w.note("more identifying elements than are kept")
		return false
	}
	return true
}

// delimiter handles items and the ends of items and sequences (PS3.5 section 7.5).
func (w *Walker) delimiter(tag Tag, length uint32) {
	n := len(w.open)
	switch tag {
	case item:
		if n == 0 || w.open[n-1].item {
			w.note("item outside a sequence")
		}
		if n > 0 && w.open[n-1].fragments {
			if length == undefined {
				w.stop("pixel data fragment of undefined length", format.ErrMalformed)
				return
			}
			w.left, w.suspect = int64(length), false
			return
		}
		w.items++
		next := opening{end: -1, item: true, number: w.items, same: n > 0 && w.open[n-1].same, implicit: w.implicit()}
		if length != undefined {
			w.checkEnd(int64(length))
			next.end = w.pos + int64(length)
		}
		w.push(next)
		w.closeEnded()
	case itemEnd, sequenceEnd:
		isItem := tag == itemEnd
		if length != 0 {
			w.note("delimiter with a length")
		}
		if n == 0 || w.open[n-1].item != isItem {
			w.note("delimiter without its beginning")
			return
		}
		if w.open[n-1].end >= 0 {
			w.note("delimiter of what has a length")
		}
		w.open = w.open[:n-1]
		w.closeEnded()
	default:
		w.note("unknown delimiter")
		w.left = int64(length)
		if length == undefined {
			w.left = 0
		}
	}
}

func (w *Walker) push(o opening) {
	if len(w.open) >= 2*w.depth { // a level is a sequence and an item
		w.stop("sequences nested too deep", format.ErrLimit)
		return
	}
	w.open = append(w.open, o)
}

// checkEnd notes a value that is longer than what encloses it.
func (w *Walker) checkEnd(length int64) {
	for i := len(w.open) - 1; i >= 0; i-- {
		if end := w.open[i].end; end >= 0 {
			if w.pos+length > end {
				w.note("value longer than its sequence")
			}
			return
		}
	}
}

// closeEnded closes the sequences and items of defined length that end here.
func (w *Walker) closeEnded() {
	for n := len(w.open); n > 0 && w.open[n-1].end >= 0 && w.open[n-1].end <= w.pos; n-- {
		w.open = w.open[:n-1]
	}
}
