package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"chaperone/internal/clinicsim"
)

// markedTable is a table of marked patients, as a hospital or a seller has it.
func markedTable(n int) []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, "MRN,Last Name,First Name,DOB,Sex,Street,City,State,Zip,SSN")
	for i := range n {
		fmt.Fprintf(&b, "%s%06d,%sSON,%sINE,1950-01-%02d,F,%d %s Street,%s City,OK,74101,%s\n", mark, i, mark, mark, 1+i%28, i, mark, mark, mark)
	}
	return b.Bytes()
}

// markedCapture is a capture in which marked patients pass, with the mark in every field that says nothing of systems, and
// in some that should.
func markedCapture(n int) []byte {
	w := newWire()
	for from := 0; from < n; from += 500 {
		w.connection(from, min(from+500, n))
	}
	return w.out.Bytes()
}

// wire writes packets of TCP connections over raw IP as a pcap.
type wire struct {
	out   bytes.Buffer
	at    time.Time
	ports [2]uint16
	seq   [2]uint32
	hosts [2]netip.Addr
}

func newWire() *wire {
	w := &wire{at: time.Date(2025, 3, 3, 8, 0, 0, 0, time.UTC), ports: [2]uint16{40000, 2575},
		hosts: [2]netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("198.51.100.30")}}
	b := binary.LittleEndian.AppendUint32(nil, 0xA1B2C3D4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 1<<18)
	w.out.Write(binary.LittleEndian.AppendUint32(b, 101)) // LINKTYPE_RAW
	return w
}

const synFlag, ackFlag = 2, 16

// packet writes one of a side.
func (w *wire) packet(side int, flags byte, payload []byte) {
	w.at = w.at.Add(time.Millisecond)
	le, be := binary.LittleEndian, binary.BigEndian
	size := uint32(40 + len(payload))
	b := le.AppendUint32(nil, uint32(w.at.Unix()))
	b = le.AppendUint32(b, uint32(w.at.Nanosecond()/1000))
	b = le.AppendUint32(le.AppendUint32(b, size), size)
	ip := make([]byte, 40)
	ip[0], ip[8], ip[9], ip[32], ip[33] = 0x45, 64, 6, 5<<4, flags
	be.PutUint16(ip[2:], uint16(size))
	from, to := w.hosts[side].As4(), w.hosts[1-side].As4()
	copy(ip[12:], from[:])
	copy(ip[16:], to[:])
	be.PutUint16(ip[20:], w.ports[side])
	be.PutUint16(ip[22:], w.ports[1-side])
	be.PutUint32(ip[24:], w.seq[side])
	be.PutUint32(ip[28:], w.seq[1-side])
	w.out.Write(append(append(b, ip...), payload...))
	w.seq[side] += uint32(len(payload))
	if flags&synFlag != 0 {
		w.seq[side]++
	}
}

// connection writes one in which some patients pass.
func (w *wire) connection(from, until int) {
	w.ports[0]++
	w.at = w.at.Add(2 * time.Hour)
	w.packet(0, synFlag, nil)
	w.packet(1, synFlag|ackFlag, nil)
	for i := from; i < until; i++ {
		h := clinicsim.Header{From: "REG|CLINIC", To: "EHR|CLINIC", Time: mark, Type: "ADT^A01^ADT_A01", Control: fmt.Sprint(mark, i)}
		switch i % 50 {
		case 7: // MSH-9 is free text
			h.Type = mark + "^" + mark + "^" + mark
		case 8:
			h.Type = "ADT^" + mark
		case 6:
			h.Type = mark + "^A01"
		case 9:
			h.Version, h.Charset = mark, mark
		case 10: // neither HL7 nor anything else
			w.packet(0, ackFlag, clinicsim.Frame([]byte(mark+" "+mark)))
		case 11: // text in front of a message
			w.packet(0, ackFlag, []byte(mark))
		}
		w.packet(0, ackFlag, clinicsim.Frame(clinicsim.Message(h, segments(i)...)))
		ack := clinicsim.Ack(h, "AA", mark)
		if i%50 == 12 {
			ack = clinicsim.Message(h, "MSA|"+mark+"|"+h.Control+"|"+mark, "ERR|"+mark)
		}
		w.packet(1, ackFlag, clinicsim.Frame(ack))
	}
}

// segments are those of one patient: with numbers, or known by name only, or merged.
func segments(i int) []string {
	id := fmt.Sprintf("%s%06d", mark, i)
	name := fmt.Sprintf("%sSON%d^%sINE^%s", mark, i, mark, mark)
	pid := fmt.Sprintf("PID|1|%s^^^%s|%s^^^%s^MR~%sB^^^%s&%s&ISO^PI|%s|%s|%s|1950%02d%02d|F||%s|%s^^%s^OK^74101||%s|%s||||%s|%s", mark, mark,
		id, mark, id, mark, mark, mark, name, mark, 1+i%12, 1+i%28, mark, mark, mark, mark, mark, id, mark)
	switch i % 20 {
	case 3:
		pid = fmt.Sprintf("PID|1||||%s||1950%02d%02d|M", name, 1+i%12, 1+i%28)
	case 4:
		return []string{"EVN|A40|" + mark, pid, "MRG|" + id + "OLD^^^" + mark + "||||||" + name}
	}
	return []string{"EVN|A01|" + mark, pid, "NK1|1|" + name + "|" + mark, "PV1|1|I|" + mark, "OBX|1|TX|" + mark + "||" + mark,
		"IN1|1|" + mark, "ZPI|" + mark + "|" + id, mark + "|" + mark}
}
