package guard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	clinic "chaperone/internal/clinicsim"
)

const (
	bigEndianVR = "1.2.840.10008.1.2.2"
	deflatedVR  = "1.2.840.10008.1.2.1.99"
)

// piece is an element of the data set itself, or something that takes its place.
type piece struct {
	tag   uint32
	bytes string
}

// inventor makes up a data set that receivers may read in several ways. Each number and each name in it is one of its own.
type inventor struct {
	*rand.Rand
	encoding
	syntax  string
	i, slot int
	pieces  []piece
}

// syntaxes are those of the presentation contexts 1, 3, 5, 7 and 9.
var syntaxes = []string{clinic.ExplicitLE, clinic.ImplicitLE, bigEndianVR, deflatedVR, clinic.JPEGLossless}

// invented gives the data set of a number, and which of the syntaxes it is in.
func invented(r *rand.Rand, i int) (syntax int, data []byte) {
	v := &inventor{Rand: r, i: i}
	syntax = []int{0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 4}[r.IntN(12)]
	v.syntax = syntaxes[syntax]
	v.encoding = encoding{v.syntax == clinic.ImplicitLE, v.syntax == bigEndianVR}
	v.usual()
	for range r.IntN(4) {
		tricks[r.IntN(len(tricks))](v)
	}
	var b strings.Builder
	for _, p := range v.pieces {
		b.WriteString(p.bytes)
	}
	data = []byte(b.String())
	switch r.IntN(24) {
	case 0: // cut
		data = data[:r.IntN(len(data)+1)]
	case 1: // damaged
		for range 1 + r.IntN(3) {
			if len(data) > 0 {
				data[r.IntN(len(data))] = byte(r.IntN(256))
			}
		}
	case 2: // a piece that is missing
		from := r.IntN(len(data) + 1)
		data = slices.Concat(data[:from], data[min(len(data), from+2*r.IntN(8)):])
	}
	if v.syntax == deflatedVR {
		data = deflated(data)
	}
	return syntax, data
}

func (v *inventor) number() string { v.slot++; return fmt.Sprintf("d%ds%d", v.i, v.slot) }
func (v *inventor) name() string   { v.slot++; return fmt.Sprintf("N%dS%d^A", v.i, v.slot) }
func (v *inventor) coin() bool     { return v.IntN(2) == 0 }

func pick[T any](v *inventor, list ...T) T { return list[v.IntN(len(list))] }

// usual is a data set as devices send it.
func (v *inventor) usual() {
	add := func(tag uint32, vr, value string) { v.pieces = append(v.pieces, piece{tag, v.element(tag, vr, value)}) }
	if v.coin() {
		add(0x00080005, "CS", pick(v, "ISO_IR 100", "ISO_IR 192", "", "ISO_IR 144"))
	}
	add(0x00080016, "UI", clinic.CTImage)
	add(0x00080018, "UI", fmt.Sprintf("2.25.%d", v.i))
	add(0x00080060, "CS", "CT")
	if v.IntN(8) > 0 {
		add(0x00100010, "PN", v.name())
	}
	if v.IntN(8) > 0 {
		add(0x00100020, "LO", v.number())
	}
	if v.IntN(4) == 0 {
		add(0x00100021, "LO", "NORTH")
	}
	add(0x00100030, "DA", pick(v, "19700101", ""))
	add(0x00100040, "CS", pick(v, "F", "M", ""))
	add(0x0020000D, "UI", fmt.Sprintf("2.25.%d.1", v.i))
	add(0x0020000E, "UI", fmt.Sprintf("2.25.%d.1.1", v.i))
	if v.syntax == clinic.JPEGLossless {
		v.pieces = append(v.pieces, piece{0x7FE00010, v.fragments("")})
		return
	}
	add(0x7FE00010, "OW", "pixels, not many")
}

// fragments is encapsulated pixel data with something between its fragments.
func (v *inventor) fragments(between string) string {
	fragment := v.head(0xFFFEE000, "", 0, "")
	return v.head(0x7FE00010, "OB", noLength, fragment) + v.head(0xFFFEE000, "", 4, "\xff\xd8\xff\xd9") + between + v.head(0xFFFEE0DD, "", 0, "")
}

// insert puts a piece where its tag belongs; misplace puts it anywhere.
func (v *inventor) insert(tag uint32, bytes string) {
	at := slices.IndexFunc(v.pieces, func(p piece) bool { return p.tag > tag })
	if at < 0 {
		at = len(v.pieces)
	}
	v.pieces = slices.Insert(v.pieces, at, piece{tag, bytes})
}

func (v *inventor) misplace(tag uint32, bytes string) {
	v.pieces = slices.Insert(v.pieces, v.IntN(len(v.pieces)+1), piece{tag, bytes})
}

// replace puts something in the place of an element, if it is there.
func (v *inventor) replace(tag uint32, bytes string) {
	for i := range v.pieces {
		if v.pieces[i].tag == tag {
			v.pieces[i].bytes = bytes
		}
	}
}

func (v *inventor) drop(tag uint32) {
	v.pieces = slices.DeleteFunc(v.pieces, func(p piece) bool { return p.tag == tag })
}

// patient is the content of an item that shows somebody.
func (v *inventor) patient(e encoding) string {
	var b string
	if v.IntN(6) == 0 {
		b += e.element(0x00080005, "CS", pick(v, "ISO_IR 100", "ISO_IR 192", `\ISO 2022 IR 87`, "ISO_IR 13", "GB18030"))
	}
	kind := v.IntN(6)
	if kind != 0 {
		b += e.element(0x00100010, "PN", v.name())
	}
	if kind != 1 {
		b += e.element(0x00100020, "LO", v.number())
	}
	if v.IntN(3) == 0 {
		b += e.element(0x00100021, "LO", pick(v, "NORTH", "SOUTH"))
	}
	if v.IntN(8) == 0 {
		b += e.sequence(0x00101002, "SQ", v.coin(), e.item(v.coin(), e.element(0x00100020, "LO", v.number())))
	}
	return b
}
