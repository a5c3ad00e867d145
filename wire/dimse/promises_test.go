package dimse_test

import (
	"bytes"
	"compress/flate"
	"testing"

	"chaperone/internal/clinicsim"
	"chaperone/internal/wiretest"
	"chaperone/wire/dimse"
)

func TestPromises(t *testing.T) {
	c := wiretest.Of(clinicsim.DICOMSample(1, 64))
	c.Floods = floods
	wiretest.Run(t, dimse.Protocol, c)
}

// TestSmallPromises is small enough for every prefix, span and flipped byte.
func TestSmallPromises(t *testing.T) { wiretest.Run(t, dimse.Protocol, small) }

var (
	storeSet = cat(text(0x00100010, "DOE^JOHN"), text(0x00100020, "1234567"), text(0x00100030, "19700101"), text(0x0020000D, "1.2.345678"))
	matchSet = text(0x00100020, "7654321")
)

var small = wiretest.Conversation{
	Turns: []wiretest.Turn{
		client(associate(1, 1, implicit)),
		server(associate(2, 1, implicit)),
		client(pdu(4, pdv(1, 3, command(cStore, 1, true)), pdv(1, 0, storeSet[:20]), pdv(1, 2, storeSet[20:]))),
		server(pdu(4, pdv(1, 3, command(cStore|response, 1, false, status(0))))),
		client(pdu(4, pdv(1, 3, command(cFind, 2, true)), pdv(1, 2, text(0x00080052, "STUDY")))),
		server(pdu(4, pdv(1, 3, command(cFind|response, 2, true, status(0xFF00))), pdv(1, 2, matchSet))),
		server(pdu(4, pdv(1, 3, command(cFind|response, 2, false, status(0))))),
		client(pdu(5, make([]byte, 4))),
		server(pdu(6, make([]byte, 4))),
	},
	Secrets: []string{"DOE^JOHN", "1234567", "19700101", "1.2.345678", "7654321"},
}

// The identity of a data set that is as large as one may be, with as many numbers as fit.
var (
	uids     = bytes.Repeat([]byte(`1\`), 32<<10)
	numbers  = bytes.Repeat(text(0x00101000, "1"), 1<<10)
	identity = cat(element(0x00080005, uids), element(0x00100010, uids), element(0x00100020, uids), element(0x0020000D, uids[:len(uids)-2]))
)

var floods = []wiretest.Flood{
	each("requests without an answer", func(i int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(4, pdv(1, 3, command(0x0030, uint16(i), false))))}
	}),
	each("stores without an answer", func(i int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cStore, uint16(i), true)), pdv(1, 2, identity)))}
	}),
	each("moves of many studies", func(i int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cMove, uint16(i), true)), pdv(1, 2, element(0x0020000D, uids[2:]))))}
	}),
	each("moves to a long name", func(i int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cMove, uint16(i), false, element(0x00000600, uids[:60<<10])))))}
	}),
	each("answers to nobody", func(i int) []wiretest.Turn {
		return []wiretest.Turn{server(pdu(4, pdv(1, 3, command(cFind|response, uint16(i), false, status(0xFF00)))))}
	}),
	{Name: "data sets that never end, in all contexts", Bytes: 128 << 20, Next: func(i int) []wiretest.Turn {
		store := pdu(4, pdv(byte(i), 3, command(cStore, uint16(i), true)), pdv(byte(i), 0, identity))
		return []wiretest.Turn{client(store), server(store)}
	}},
	each("commands that never end, in all contexts", func(i int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(4, pdv(byte(i), 1, make([]byte, 60<<10))))}
	}),
	{Name: "a command that never ends", Next: func(int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(4, pdv(1, 1, make([]byte, 1<<20))))}
	}},
	{Name: "a data set of numbers", First: []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cStore, 1, true))))}, Next: func(int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(4, pdv(1, 0, numbers)))}
	}},
	{Name: "a data set of sequences", First: []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cStore, 1, true))))}, Next: func(int) []wiretest.Turn {
		open := []byte{0x00, 0x01, 0x75, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF}
		return []wiretest.Turn{client(pdu(4, pdv(1, 0, bytes.Repeat(open, 4<<10))))}
	}},
	{Name: "associations", Next: func(int) []wiretest.Turn {
		return []wiretest.Turn{client(pdu(1, associate(1, 1, implicit)[6:], bytes.Repeat(item(0x20, []byte{1, 0, 0, 0}, item(0x40, uids[:60<<10])), 15)))}
	}},
	{Name: "an association that never ends", First: []wiretest.Turn{client([]byte{1, 0, 0, 0xF, 0xFF, 0xFF})}, Next: func(int) []wiretest.Turn {
		return []wiretest.Turn{client(uids)}
	}},
	deflateBombs(),
}

func each(name string, next func(i int) []wiretest.Turn) wiretest.Flood {
	return wiretest.Flood{Name: name, Next: next}
}

// deflateBombs are data sets that expand a thousand times.
func deflateBombs() wiretest.Flood {
	bomb := deflate(bytes.Repeat(text(0x00101000, "1"), 4<<20))
	return wiretest.Flood{
		Name:  "deflated data sets",
		First: []wiretest.Turn{client(associate(1, 1, deflated)), server(associate(2, 1, deflated))},
		Next: func(i int) []wiretest.Turn {
			return []wiretest.Turn{client(pdu(4, pdv(1, 3, command(cStore, uint16(i), true)), pdv(1, 2, bomb)))}
		},
	}
}

func deflate(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestCompression) // this level exists
	_, _ = w.Write(b)                                    // a buffer takes everything
	_ = w.Close()
	return out.Bytes()
}
