package dicom

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"chaperone"
)

// encoder writes elements, right ones and wrong ones, in one encoding.
type encoder struct {
	order    binary.AppendByteOrder
	implicit bool
}

var (
	implicitLE = encoder{binary.LittleEndian, true}
	explicitLE = encoder{binary.LittleEndian, false}
	explicitBE = encoder{binary.BigEndian, false}
)

// element writes an element; length is that of the value unless it is given.
func (e encoder) element(tag Tag, vr, value string, length ...uint32) []byte {
	n := uint32(len(value))
	if len(length) > 0 {
		n = length[0]
	}
	b := e.order.AppendUint16(nil, tag.Group())
	b = e.order.AppendUint16(b, uint16(tag))
	switch {
	case e.implicit || tag.Group() == 0xFFFE:
		b = e.order.AppendUint32(b, n)
	case longLength([2]byte([]byte(vr))):
		b = e.order.AppendUint32(append(append(b, vr...), 0, 0), n)
	default:
		b = e.order.AppendUint16(append(b, vr...), uint16(n))
	}
	return append(b, value...)
}

// sequence writes a sequence of one item; both lengths are undefined or both are counted.
func (e encoder) sequence(tag Tag, vr string, open bool, content []byte) []byte {
	if open {
		return slices.Concat(e.element(tag, vr, "", undefined), e.element(item, "", "", undefined), content,
			e.element(itemEnd, "", ""), e.element(sequenceEnd, "", ""))
	}
	return e.element(tag, vr, string(e.element(item, "", string(content))))
}

func (e encoder) id(value string) []byte { return e.element(PatientID, "LO", value) }

// walk reads a data set whole.
func walk(s Syntax, data []byte) *Walker {
	w := NewWalker(s, 64, Identifying)
	w.Write(data)
	w.Finish()
	return w
}

// show writes the records of a data set down: issuer=number, alternates in brackets, then the rest. The people here
// are invented.
func show(w *Walker) string { return shown(Records(w.Elements)) }

func shown(records []chaperone.Record) string {
	var all []string
	for _, r := range records {
		var b strings.Builder
		for _, id := range r.Identifiers {
			fmt.Fprintf(&b, "%s=%s ", id.Authority.Reveal(), id.Value.Reveal())
		}
		for _, id := range r.Alternates {
			fmt.Fprintf(&b, "(%s=%s) ", id.Authority.Reveal(), id.Value.Reveal())
		}
		for _, p := range []chaperone.PHI{r.Name, r.Birth, r.Sex, r.Study} {
			if !p.Empty() {
				b.WriteString(p.Reveal() + " ")
			}
		}
		all = append(all, strings.TrimRight(b.String(), " "))
	}
	return strings.Join(all, "; ")
}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression) // this level exists
	_, _ = w.Write(b)                                    // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
