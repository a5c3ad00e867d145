package evtx

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"chaperone/format"
)

// Kinds of values (MS-EVEN6 section 2.2.12.6). A kind with kindArray is an array of them.
const (
	kindNull            = 0x00
	kindString          = 0x01
	kindANSI            = 0x02
	kindInt8            = 0x03
	kindUint8           = 0x04
	kindInt16           = 0x05
	kindUint16          = 0x06
	kindInt32           = 0x07
	kindUint32          = 0x08
	kindInt64           = 0x09
	kindUint64          = 0x0A
	kindFloat           = 0x0B
	kindDouble          = 0x0C
	kindBool            = 0x0D
	kindBinary          = 0x0E
	kindGUID            = 0x0F
	kindSize            = 0x10
	kindFiletime        = 0x11
	kindSystemtime      = 0x12
	kindSID             = 0x13
	kindHex32           = 0x14
	kindHex64           = 0x15
	kindXML             = 0x21
	kindXMLText         = 0x23
	kindArray      byte = 0x80
)

// timeLayout is how times are shown: in units of 100 ns.
const timeLayout = "2006-01-02T15:04:05.0000000Z"

// appendValue renders a value as the XML of the event viewer does. One whose size does not fit its kind, or whose kind
// is unknown, is shown as its bytes.
func appendValue(text []byte, kind byte, b []byte) []byte {
	switch kind {
	case kindString, kindXMLText:
		return appendUTF16(text, trimNUL(b))
	case kindANSI:
		return append(text, format.Text(bytes.TrimRight(b, "\x00"), format.Guess)...)
	case kindInt8, kindInt16, kindInt32, kindInt64:
		if whole(b) {
			shift := 64 - 8*len(b)
			return strconv.AppendInt(text, int64(uint64At(b)<<shift)>>shift, 10)
		}
	case kindUint8, kindUint16, kindUint32, kindUint64:
		if whole(b) {
			return strconv.AppendUint(text, uint64At(b), 10)
		}
	case kindSize, kindHex32, kindHex64:
		if whole(b) {
			return strconv.AppendUint(append(text, "0x"...), uint64At(b), 16)
		}
	case kindFloat:
		if len(b) == 4 {
			return strconv.AppendFloat(text, float64(math.Float32frombits(uint32(uint64At(b)))), 'g', -1, 32)
		}
	case kindDouble:
		if len(b) == 8 {
			return strconv.AppendFloat(text, math.Float64frombits(uint64At(b)), 'g', -1, 64)
		}
	case kindBool:
		if whole(b) {
			return strconv.AppendBool(text, uint64At(b) != 0)
		}
	case kindGUID:
		if len(b) == 16 {
			le := binary.LittleEndian
			return fmt.Appendf(text, "{%08X-%04X-%04X-%X-%X}", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:])
		}
	case kindFiletime:
		if len(b) == 8 {
			return filetime(uint64At(b)).AppendFormat(text, timeLayout)
		}
	case kindSystemtime:
		if len(b) == 16 {
			return appendSystemtime(text, b)
		}
	case kindSID:
		if n := sidSize(b); n > 0 && n == len(b) {
			return appendSID(text, b)
		}
	}
	return fmt.Appendf(text, "%X", b)
}

// itemSize gives the size of the first item of an array of at least one byte. Strings end with NUL.
func itemSize(kind byte, b []byte) int {
	size := len(b)
	switch kind {
	case kindString, kindXMLText:
		for i := 0; i+1 < len(b); i += 2 {
			if b[i] == 0 && b[i+1] == 0 {
				return i + 2
			}
		}
	case kindANSI:
		if i := bytes.IndexByte(b, 0); i >= 0 {
			return i + 1
		}
	case kindInt8, kindUint8:
		size = 1
	case kindInt16, kindUint16:
		size = 2
	case kindInt32, kindUint32, kindFloat, kindBool, kindHex32:
		size = 4
	case kindInt64, kindUint64, kindDouble, kindFiletime, kindHex64, kindSize:
		size = 8
	case kindGUID, kindSystemtime:
		size = 16
	case kindSID:
		size = sidSize(b)
	}
	if size == 0 || size > len(b) {
		return len(b)
	}
	return size
}

// whole reports whether b is as long as an integer is.
func whole(b []byte) bool { return len(b) == 1 || len(b) == 2 || len(b) == 4 || len(b) == 8 }

// uint64At reads a little endian integer of up to 8 bytes.
func uint64At(b []byte) (n uint64) {
	for i, x := range b {
		n |= uint64(x) << (8 * i)
	}
	return n
}

// filetime converts units of 100 ns since 1601 (MS-DTYP section 2.3.3).
func filetime(n uint64) time.Time {
	const unix = 11644473600 // seconds from 1601 to 1970
	return time.Unix(int64(n/1e7)-unix, int64(n%1e7)*100).UTC()
}

// appendSystemtime renders 8 u16: year, month, day of the week, day, hour, minute, second, millisecond (MS-DTYP section
// 2.3.13).
func appendSystemtime(text, b []byte) []byte {
	n := func(i int) uint16 { return binary.LittleEndian.Uint16(b[2*i:]) }
	return fmt.Appendf(text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", n(0), n(1), n(3), n(4), n(5), n(6), n(7))
}

// sidSize gives the size of the SID that b begins with, 0 when there is none. It is: revision u8, count u8, authority
// 48 bits big endian, and count u32 (MS-DTYP section 2.4.2.2).
func sidSize(b []byte) int {
	if len(b) < 8 || b[0] != 1 || b[1] > 15 || len(b) < 8+4*int(b[1]) {
		return 0
	}
	return 8 + 4*int(b[1])
}

func appendSID(text, b []byte) []byte {
	text = append(text, "S-1-"...)
	text = strconv.AppendUint(text, binary.BigEndian.Uint64(b)&(1<<48-1), 10)
	for b = b[8:]; len(b) >= 4; b = b[4:] {
		text = append(text, '-')
		text = strconv.AppendUint(text, uint64(binary.LittleEndian.Uint32(b)), 10)
	}
	return text
}

// trimNUL takes off the zeros that end a string.
func trimNUL(b []byte) []byte {
	for len(b) >= 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0 && len(b)%2 == 0 {
		b = b[:len(b)-2]
	}
	return b
}

// appendUTF16 appends UTF-16 as UTF-8; half a pair becomes U+FFFD, half a unit is left out.
func appendUTF16(text, b []byte) []byte {
	for len(b) >= 2 {
		if len(b) >= 8 { // four ASCII characters at once: almost all text is
			if four := binary.LittleEndian.Uint64(b); four&0xFF80FF80FF80FF80 == 0 {
				text = append(text, byte(four), byte(four>>16), byte(four>>32), byte(four>>48))
				b = b[8:]
				continue
			}
		}
		r := rune(binary.LittleEndian.Uint16(b))
		b = b[2:]
		if utf16.IsSurrogate(r) {
			pair := rune(utf8.RuneError)
			if len(b) >= 2 {
				pair = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b)))
			}
			if r = pair; pair != utf8.RuneError {
				b = b[2:]
			}
		}
		text = utf8.AppendRune(text, r)
	}
	return text
}
