package rdp_test

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"chaperone/internal/wiretest"
	"chaperone/wire"
)

// The parts of a beginning, built from the tables of MS-RDPBCGR without the decoder's help.

func client(parts ...string) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromClient, Bytes: []byte(strings.Join(parts, ""))}
}

func server(parts ...string) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromServer, Bytes: []byte(strings.Join(parts, ""))}
}

func little(size int, n uint32) string {
	return string(binary.LittleEndian.AppendUint32(nil, n)[:size])
}
func big(size int, n int) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(n))[4-size:])
}

func tpkt(x string) string { return "\x03\x00" + big(2, 4+len(x)) + x }

// x224 is a request or confirm: its length, code, references and class, then the variable part.
func x224(code string, variable ...string) string {
	v := code + "\x00\x00\x12\x34\x00" + strings.Join(variable, "")
	return tpkt(big(1, min(len(v), 254)) + v)
}

func request(variable ...string) string { return x224("\xE0", variable...) }
func confirm(variable ...string) string { return x224("\xD0", variable...) }

func asks(protocols uint32) string   { return "\x01\x00\x08\x00" + little(4, protocols) }
func selects(protocol uint32) string { return "\x02\x1F\x08\x00" + little(4, protocol) }
func refuses(code uint32) string     { return "\x03\x00\x08\x00" + little(4, code) }

var correlated = "\x01\x08\x08\x00" + little(4, 3) + "\x06\x00\x24\x00" + strings.Repeat("i", 32)

func user(name string) string { return "Cookie: mstshash=" + name + "\r\n" }

// block is a block of the client's data.
func block(kind uint32, body ...string) string {
	b := strings.Join(body, "")
	return little(2, kind) + little(2, uint32(4+len(b))) + b
}

func core(machine string, keyboard, build uint32) string {
	name := ""
	for _, unit := range utf16.Encode([]rune(machine)) {
		name += little(2, uint32(unit))
	}
	name += strings.Repeat("\x00", 32-len(name))
	return block(0xC001, little(4, 0x80004), little(2, 1024), little(2, 768), little(4, 0), little(4, keyboard), little(4, build), name,
		strings.Repeat("\x00", 64))
}

func network(channels ...string) string {
	list := little(4, uint32(len(channels)))
	for _, name := range channels {
		list += name + strings.Repeat("\x00", 8-len(name)) + little(4, 0xC0000000)
	}
	return block(0xC003, list)
}

// connect is an MCS Connect-Initial with these blocks (T.125, T.124).
func connect(blocks ...string) string {
	value := func(tag, body string) string { return tag + "\x82" + big(2, len(body)) + body }
	gcc := func(prefix, body string) string { return prefix + big(2, 0x8000|len(body)) + body }
	data := gcc("\x00\x05\x00\x14\x7C\x00\x01", gcc("\x00\x08\x00\x10\x00\x01\xC0\x00Duca", strings.Join(blocks, "")))
	parameters := "\x30\x03\x02\x01\x22"
	return tpkt("\x02\xF0\x80" + value("\x7F\x65", "\x04\x01\x01\x04\x01\x01\x01\x01\xFF"+strings.Repeat(parameters, 3)+value("\x04", data)))
}

// record is a TLS record.
func record(kind byte, payload string) string {
	return string([]byte{kind, 3, 3}) + big(2, len(payload)) + payload
}

// hello is a ClientHello or ServerHello of TLS 1.2.
func hello(kind byte) string {
	body := "\x03\x03" + strings.Repeat("r", 32) + "\x00"
	if kind == 1 {
		body += "\x00\x02\x00\x2F\x01\x00" + "\x00\x18" + "\x00\x00\x00\x14\x00\x12\x00\x00\x0Frds.example.org"
	} else {
		body += "\x00\x2F\x00"
	}
	return record(22, string(rune(kind))+big(3, len(body))+body)
}

var (
	changeCipher = record(20, "\x01")
	data         = record(23, strings.Repeat("x", 40))
)
