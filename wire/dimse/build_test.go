package dimse_test

import (
	"encoding/binary"
	"slices"
	"strings"

	"chaperone/internal/wiretest"
	"chaperone/wire"
)

// The builders below write what no correct sender writes; package clinicsim has the others.

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

// pdu is a PDU of any type with its true length.
func pdu(kind byte, body ...[]byte) []byte {
	b := cat(body...)
	return cat([]byte{kind, 0}, binary.BigEndian.AppendUint32(nil, uint32(len(b))), b)
}

// pdv is one fragment: flags 1 is a command, 2 the last one.
func pdv(context, flags byte, b []byte) []byte {
	return cat(binary.BigEndian.AppendUint32(nil, uint32(len(b)+2)), []byte{context, flags}, b)
}

// element is an element in implicit VR little endian.
func element(tag uint32, value []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(tag>>16))
	b = binary.LittleEndian.AppendUint16(b, uint16(tag))
	return cat(binary.LittleEndian.AppendUint32(b, uint32(len(value))), value)
}

func us(tag uint32, v uint16) []byte { return element(tag, binary.LittleEndian.AppendUint16(nil, v)) }

func text(tag uint32, s string) []byte {
	return element(tag, []byte(s+strings.Repeat(" ", len(s)%2)))
}

// command is a command set with its group length; a response says which message it answers.
func command(field, id uint16, dataSet bool, more ...[]byte) []byte {
	kind := uint16(0x0101)
	if dataSet {
		kind = 1
	}
	number := uint32(0x00000110)
	if field&0x8000 != 0 {
		number = 0x00000120
	}
	body := cat(us(0x00000100, field), us(number, id), us(0x00000800, kind), cat(more...))
	return cat(element(0, binary.LittleEndian.AppendUint32(nil, uint32(len(body)))), body)
}

func status(v uint16) []byte { return us(0x00000900, v) }

// item is an item of A-ASSOCIATE.
func item(kind byte, parts ...[]byte) []byte {
	b := cat(parts...)
	return cat([]byte{kind, 0}, binary.BigEndian.AppendUint16(nil, uint16(len(b))), b)
}

// associate is an A-ASSOCIATE-RQ (1) or -AC (2) from MODALITY to PACS with one presentation context.
func associate(kind, context byte, syntax string) []byte {
	head := cat([]byte{0, 1, 0, 0}, []byte("PACS            MODALITY        "), make([]byte, 32))
	if kind == 1 {
		return pdu(1, head, item(0x20, []byte{context, 0, 0, 0}, item(0x30, []byte("1.2")), item(0x40, []byte(syntax))))
	}
	return pdu(2, head, item(0x21, []byte{context, 0, 0, 0}, item(0x40, []byte(syntax))))
}

const (
	implicit = "1.2.840.10008.1.2"
	explicit = "1.2.840.10008.1.2.1"
	deflated = "1.2.840.10008.1.2.1.99"

	cStore, cGet, cFind, cMove, cCancel, response = 0x0001, 0x0010, 0x0020, 0x0021, 0x0FFF, 0x8000
)

func client(parts ...[]byte) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromClient, Bytes: cat(parts...)}
}

func server(parts ...[]byte) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromServer, Bytes: cat(parts...)}
}

func gap(t wiretest.Turn) wiretest.Turn {
	return wiretest.Turn{Dir: t.Dir, Gap: int64(len(t.Bytes))}
}
