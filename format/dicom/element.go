package dicom

import "chaperone/format"

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
	w.have = 0
	w.keeping = false
	if w.strict != nil {
		w.strict(tag, vr, length)
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
	sequence := string(vr[:]) == "SQ" || w.implicit() && sequences[tag]
	if length == undefined {
		next := opening{end: -1, implicit: w.implicit()}
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
	if sequence {
		w.push(opening{end: w.pos + int64(length), implicit: w.implicit()})
		w.closeEnded()
		return
	}
	w.left = int64(length)
	if w.want(tag) && w.room(w.left) {
		w.kept += w.left
		w.Elements = append(w.Elements, Element{Tag: tag, Depth: len(w.open) / 2, within: w.last})
		w.keeping = true
	}
	if length == 0 {
		w.closeEnded()
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
			w.left = int64(length)
			return
		}
		next := opening{end: -1, item: true, implicit: w.implicit()}
		if length != undefined {
			w.checkEnd(int64(length))
			next.end = w.pos + int64(length)
		}
		w.push(next)
		w.closeEnded()
	case itemEnd, sequenceEnd:
		isItem := tag == itemEnd
		if n == 0 || w.open[n-1].item != isItem {
			w.note("delimiter without its beginning")
			return
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
