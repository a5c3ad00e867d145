package smb_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"

	"chaperone"
	"chaperone/internal/wiretest"
	"chaperone/wire"
	"chaperone/wire/smb"
)

// head is what a test says in a header.
type head struct {
	Command uint16
	Status  uint32
	Flags   uint32
	ID      uint64
	Tree    uint32
	Session uint64
}

const (
	negotiate = iota
	setup
	logoff
	treeConnect
	treeDisconnect
	create
	closing
	flush
	read
	write
	lock
)

const (
	answer  = 1
	async   = 2
	related = 4
	signed  = 8

	nobody   = 1<<64 - 1
	pending  = 0x103
	goesOn   = 0xC0000016
	badLogon = 0xC000006D
)

var le = binary.LittleEndian

// message writes a header in front of a body (MS-SMB2 section 2.2.1).
func message(h head, body []byte) []byte {
	b := make([]byte, 64, 64+len(body))
	copy(b, "\xfeSMB\x40\x00")
	le.PutUint32(b[8:], h.Status)
	le.PutUint16(b[12:], h.Command)
	le.PutUint32(b[16:], h.Flags)
	le.PutUint64(b[24:], h.ID)
	le.PutUint32(b[36:], h.Tree)
	le.PutUint64(b[40:], h.Session)
	return append(b, body...)
}

// frame joins messages as a chain in a NetBIOS session message.
func frame(messages ...[]byte) []byte {
	var all []byte
	for i, m := range messages {
		if i < len(messages)-1 {
			m = append(bytes.Clone(m), make([]byte, -len(m)&7)...)
			le.PutUint32(m[20:], uint32(len(m)))
		}
		all = append(all, m...)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(all))), all...)
}

// fields writes the fixed part of a body: an int is a byte, the others have their size.
func fields(values ...any) []byte {
	var b []byte
	for _, v := range values {
		switch v := v.(type) {
		case int:
			b = append(b, byte(v))
		case uint16:
			b = le.AppendUint16(b, v)
		case uint32:
			b = le.AppendUint32(b, v)
		case uint64:
			b = le.AppendUint64(b, v)
		case []byte:
			b = append(b, v...)
		default:
			panic(fmt.Sprintf("no field: %T", v))
		}
	}
	return b
}

func zero(n int) []byte { return make([]byte, n) }

func utf(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = le.AppendUint16(b, u)
	}
	return b
}

// file is the number of an open file.
func file(n byte) []byte { return append([]byte{n, 0, 0, 0, 0, 0, 0, 0, n}, zero(7)...) }

var sameFile = bytes.Repeat([]byte{0xFF}, 16)

// The bodies, by the sections of MS-SMB2 (2.2.3 to 2.2.27).
func negotiated(dialect uint16, mode int) []byte {
	return fields(uint16(65), uint16(mode), dialect, zero(58))
}
func setupAsk(token []byte) []byte {
	return append(fields(uint16(25), 0, 1, zero(8), uint16(88), uint16(len(token)), zero(8)), token...)
}
func setupAnswer(flags uint16, token []byte) []byte {
	return append(fields(uint16(9), flags, uint16(72), uint16(len(token))), token...)
}
func failed() []byte { return fields(uint16(9), zero(7)) }
func treeAsk(path string) []byte {
	return append(fields(uint16(9), uint16(0), uint16(72), uint16(len(utf(path)))), utf(path)...)
}
func treeAnswer(flags uint32) []byte { return fields(uint16(16), 1, 0, flags, zero(8)) }
func createAsk(name string) []byte {
	return append(fields(uint16(57), zero(42), uint16(120), uint16(len(utf(name))), zero(8)), append(utf(name), 0)...)
}
func createAnswer(id []byte, size uint64, attributes uint32) []byte {
	return fields(uint16(89), zero(46), size, attributes, zero(4), id, zero(8))
}
func closeAsk(id []byte) []byte { return fields(uint16(24), zero(6), id) }
func closed() []byte            { return fields(uint16(60), zero(58)) }
func readAsk(id []byte, offset uint64, n uint32) []byte {
	return fields(uint16(49), zero(2), n, offset, id, zero(17))
}
func readAnswer(data string) []byte {
	return append(fields(uint16(17), 80, 0, uint32(len(data)), zero(8)), data...)
}
func writeAsk(id []byte, offset uint64, data string) []byte {
	return append(fields(uint16(49), uint16(112), uint32(len(data)), offset, id, zero(16)), data...)
}
func written(n uint32) []byte { return fields(uint16(17), uint16(0), n, zero(9)) }
func lockAsk(id []byte, ranges ...[3]uint64) []byte {
	b := fields(uint16(48), uint16(len(ranges)), zero(4), id)
	for _, r := range ranges {
		b = append(b, fields(r[0], r[1], uint32(r[2]), zero(4))...)
	}
	return b
}
func locked() []byte { return fields(uint16(4), uint16(0)) }

// ntlmFields writes an NTLMSSP message: its fixed part with fields at the given places, and what they point at.
func ntlmFields(kind, size int, flags uint32, flagsAt int, values map[int][]byte) []byte {
	m := append(append([]byte("NTLMSSP\x00"), byte(kind), 0, 0, 0), zero(size-12)...)
	le.PutUint32(m[flagsAt:], flags)
	for at := 12; at < size; at += 4 {
		if v, ok := values[at]; ok {
			le.PutUint16(m[at:], uint16(len(v)))
			le.PutUint16(m[at+2:], uint16(len(v)))
			le.PutUint32(m[at+4:], uint32(len(m)))
			m = append(m, v...)
		}
	}
	return m
}

// ntlmChallenge is what a server named RECORDS says (MS-NLMP section 2.2.1.2).
func ntlmChallenge() []byte {
	var pairs []byte
	for id, name := range []string{1: "RECORDS", 2: "CLINIC", 3: "records.clinic.example", 4: "clinic.example"} {
		if id > 0 {
			pairs = append(pairs, fields(uint16(id), uint16(len(utf(name))), utf(name))...)
		}
	}
	m := ntlmFields(2, 56, 1|1<<25, 20, map[int][]byte{40: append(pairs, 0, 0, 0, 0)})
	copy(m[48:], fields(10, 0, uint16(17763)))
	return append([]byte("\xa1\x81\xf0\x30"), m...)
}

// ntlmAnswer is what a client claims (MS-NLMP section 2.2.1.3).
func ntlmAnswer(flags uint32, text func(string) []byte, domain, user, machine string) []byte {
	values := map[int][]byte{28: text(domain), 36: text(user), 44: text(machine), 20: zero(24)}
	if user == "" {
		delete(values, 20)
	}
	return append([]byte("\xa1\x81\xf0\x30"), ntlmFields(3, 64, flags, 60, values)...)
}

func bytesOf(s string) []byte { return []byte(s) }

func client(messages ...[]byte) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromClient, Bytes: frame(messages...)}
}
func server(messages ...[]byte) wiretest.Turn {
	return wiretest.Turn{Dir: wire.FromServer, Bytes: frame(messages...)}
}

// exchange is a request and its answer, of session 7 and tree 3.
func exchange(id uint64, command uint16, ask, reply []byte) []wiretest.Turn {
	return []wiretest.Turn{client(message(head{Command: command, ID: id, Tree: 3, Session: 7}, ask)),
		server(message(head{Command: command, ID: id, Tree: 3, Session: 7, Flags: answer}, reply))}
}

// told gives what a session notes of turns, in words.
func told(midstream bool, turns ...wiretest.Turn) []string {
	s := smb.New(wire.DefaultLimits, midstream)
	var lines []string
	hear := func(events []wire.Event) {
		for _, e := range events {
			if e.Stage == wire.Malformed {
				lines = append(lines, "malformed")
			} else {
				lines = append(lines, words(e.Fact))
			}
		}
	}
	for _, turn := range turns {
		if turn.Gap > 0 {
			hear(s.Gap(turn.Dir, turn.Gap, chaperone.Mark{}))
		} else {
			hear(s.Feed(turn.Dir, turn.Bytes, chaperone.Mark{}))
		}
	}
	hear(s.Close(chaperone.Mark{}))
	return lines
}

func words(f wire.Fact) string {
	flag := func(on bool, word string) string {
		if on {
			return " " + word
		}
		return ""
	}
	switch f := f.(type) {
	case wire.FileServer:
		return fmt.Sprintf("server %04X", f.Dialect) + flag(f.Signing, "signs") + flag(f.Encrypted, "seals")
	case wire.Logon:
		return fmt.Sprintf("logon %d %08X %s\\%s@%s to %s\\%s %s", f.Session, f.Status, f.Domain, f.Account, f.Workstation, f.ServerDomain, f.Server, f.Build) +
			flag(f.Guest, "guest") + flag(f.Anonymous, "anonymous") + flag(f.Kerberos, "kerberos")
	case wire.Share:
		return fmt.Sprintf("share %d %08X %s", f.Session, f.Status, f.Path) + flag(f.Encrypted, "sealed")
	case wire.FileUse:
		step := []string{"open", "read", "write", "lock", "close"}[f.Step]
		switch {
		case f.Step == wire.FileOpened:
			return fmt.Sprintf("open %d/%d %08X %s %s of %d", f.Session, f.ID[0], f.Status, f.Share, f.Name, f.Size)
		case f.Step == wire.FileClosed:
			return fmt.Sprintf("close %d/%d", f.Session, f.ID[0])
		}
		return fmt.Sprintf("%s %d/%d %d+%d", step, f.Session, f.ID[0], f.Offset, f.Length)
	}
	return strings.TrimSpace(fmt.Sprintf("%T", f))
}
