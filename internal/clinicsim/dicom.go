package clinicsim

import "encoding/binary"

// Transfer syntaxes (PS3.6 Table A-1).
const (
	ImplicitLE   = "1.2.840.10008.1.2"
	ExplicitLE   = "1.2.840.10008.1.2.1"
	JPEGLossless = "1.2.840.10008.1.2.4.70"
)

const undefinedLength = 0xFFFFFFFF

// Element is one data element. A sequence has Items, encapsulated pixel data has Fragments; all others have a Value.
type Element struct {
	Tag       uint32 // group<<16 | element
	VR        string
	Value     []byte // of even length
	Items     []DataSet
	Fragments [][]byte
	Undefined bool // the sequence and its items are ended by delimiters instead of counted
}

// DataSet is a list of elements. The caller MUST keep them in the order of their tags.
type DataSet []Element

// Text makes an element of a text VR, padded to even length.
func Text(tag uint32, vr, s string) Element { return textBytes(tag, vr, []byte(s)) }

func textBytes(tag uint32, vr string, b []byte) Element {
	pad := byte(' ')
	if vr == "UI" {
		pad = 0
	}
	if len(b)%2 == 1 {
		b = append(b[:len(b):len(b)], pad)
	}
	return Element{Tag: tag, VR: vr, Value: b}
}

// Short makes a US element.
func Short(tag uint32, v uint16) Element {
	return Element{Tag: tag, VR: "US", Value: binary.LittleEndian.AppendUint16(nil, v)}
}

// Raw makes an element from bytes, padded to even length.
func Raw(tag uint32, vr string, b []byte) Element {
	if len(b)%2 == 1 {
		b = append(b[:len(b):len(b)], 0)
	}
	return Element{Tag: tag, VR: vr, Value: b}
}

// Sequence makes an SQ element of counted length.
func Sequence(tag uint32, items ...DataSet) Element { return Element{Tag: tag, VR: "SQ", Items: items} }

// OpenSequence makes an SQ element of undefined length, its items too.
func OpenSequence(tag uint32, items ...DataSet) Element {
	return Element{Tag: tag, VR: "SQ", Items: items, Undefined: true}
}

// Encode gives the bytes of the data set in little endian (PS3.5 section 7.1).
func (ds DataSet) Encode(transferSyntax string) []byte {
	return ds.append(nil, transferSyntax != ImplicitLE)
}

func (ds DataSet) append(b []byte, explicit bool) []byte {
	for _, e := range ds {
		b = e.append(b, explicit)
	}
	return b
}

func (e Element) append(b []byte, explicit bool) []byte {
	switch {
	case e.VR == "SQ":
		return e.appendSequence(b, explicit)
	case e.Fragments != nil:
		b = appendHead(b, e.Tag, e.VR, undefinedLength, explicit)
		b = appendItem(b, 0xFFFEE000, 0) // empty offset table
		for _, f := range e.Fragments {
			b = appendItem(b, 0xFFFEE000, uint32(len(f)))
			b = append(b, f...)
		}
		return appendItem(b, 0xFFFEE0DD, 0)
	default:
		b = appendHead(b, e.Tag, e.VR, uint32(len(e.Value)), explicit)
		return append(b, e.Value...)
	}
}

func (e Element) appendSequence(b []byte, explicit bool) []byte {
	var body []byte
	for _, item := range e.Items {
		content := item.append(nil, explicit)
		if e.Undefined {
			body = appendItem(body, 0xFFFEE000, undefinedLength)
			body = append(body, content...)
			body = appendItem(body, 0xFFFEE00D, 0)
			continue
		}
		body = appendItem(body, 0xFFFEE000, uint32(len(content)))
		body = append(body, content...)
	}
	if !e.Undefined {
		b = appendHead(b, e.Tag, "SQ", uint32(len(body)), explicit)
		return append(b, body...)
	}
	b = appendHead(b, e.Tag, "SQ", undefinedLength, explicit)
	b = append(b, body...)
	return appendItem(b, 0xFFFEE0DD, 0)
}

// appendHead writes tag, VR and length. Explicit VRs with a 32-bit length have two reserved bytes (PS3.5 Table 7.1-1).
func appendHead(b []byte, tag uint32, vr string, length uint32, explicit bool) []byte {
	b = appendTag(b, tag)
	if !explicit {
		return binary.LittleEndian.AppendUint32(b, length)
	}
	b = append(b, vr...)
	switch vr {
	case "OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV":
		b = append(b, 0, 0)
		return binary.LittleEndian.AppendUint32(b, length)
	}
	return binary.LittleEndian.AppendUint16(b, uint16(length))
}

func appendItem(b []byte, tag, length uint32) []byte {
	return binary.LittleEndian.AppendUint32(appendTag(b, tag), length)
}

func appendTag(b []byte, tag uint32) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(tag>>16))
	return binary.LittleEndian.AppendUint16(b, uint16(tag))
}
