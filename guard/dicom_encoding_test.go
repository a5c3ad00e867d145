package guard

import (
	"encoding/binary"
	"strings"
)

const noLength = 0xFFFFFFFF

// encoding writes elements in one way.
type encoding struct{ implicit, big bool }

// head writes an element with a length of its own, true or not.
func (e encoding) head(tag uint32, vr string, length uint32, value string) string {
	var order binary.AppendByteOrder = binary.LittleEndian
	if e.big {
		order = binary.BigEndian
	}
	b := order.AppendUint16(order.AppendUint16(nil, uint16(tag>>16)), uint16(tag))
	switch {
	case e.implicit || tag>>16 == 0xFFFE:
		b = order.AppendUint32(b, length)
	case strings.Contains("OB OD OF OL OV OW SQ SV UC UN UR UT UV", vr):
		b = order.AppendUint32(append(append(b, vr...), 0, 0), length)
	default:
		b = order.AppendUint16(append(b, vr...), uint16(length))
	}
	return string(b) + value
}

// element writes an element whose length is true, and even.
func (e encoding) element(tag uint32, vr, value string) string {
	if len(value)%2 == 1 {
		value += map[bool]string{true: "\x00", false: " "}[vr == "UI" || vr == "OB"]
	}
	return e.head(tag, vr, uint32(len(value)), value)
}

// item writes one item; open: its end is a delimiter.
func (e encoding) item(open bool, content string) string {
	if open {
		return e.head(0xFFFEE000, "", noLength, content) + e.head(0xFFFEE00D, "", 0, "")
	}
	return e.head(0xFFFEE000, "", uint32(len(content)), content)
}

// sequence writes a sequence of items.
func (e encoding) sequence(tag uint32, vr string, open bool, items ...string) string {
	content := strings.Join(items, "")
	if open {
		return e.head(tag, vr, noLength, content) + e.head(0xFFFEE0DD, "", 0, "")
	}
	return e.head(tag, vr, uint32(len(content)), content)
}
