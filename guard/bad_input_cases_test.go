package guard

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone/identity"
	clinic "chaperone/internal/clinicsim"
)

// badInputs are all that TestBadInput tries. What is said bears the mark wherever there is room for it.
func badInputs(t *testing.T, p *papers, ct1 tls.Certificate) (list []badInput) {
	sends := func(b ...byte) func(net.Conn) { return func(c net.Conn) { _, _ = c.Write(b) } }
	leaves := func(b ...byte) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Write(b)
			_ = c.(interface{ CloseWrite() error }).CloseWrite()
		}
	}
	resets := func(b ...byte) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Write(b)
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}
	hello := helloOf(t)
	message := framed([]byte(result("LAB|NORTH", mark, mark)))
	ask := request("CT1", "PACS", offer(1, clinic.CTImage, clinic.ExplicitLE), offer(9, clinic.Verification, implicitVR))
	associate := wrap(pduAssociateRQ, ask.body(pduAssociateRQ))

	strange := map[string][]byte{
		"http": []byte("GET /" + mark + " HTTP/1.1\r\nHost: x\r\n\r\n"), "ssh": []byte("SSH-2.0-" + mark + "\r\n"),
		"rdp":     append([]byte{3, 0, 0, 19 + 6, 14, 0xE0, 0, 0, 0, 0, 0, 1, 0, 8, 0, 3, 0, 0, 0}, mark...),
		"rubbish": bytes.Repeat([]byte("\xA5\x5A"+mark), 300), "TLS": hello, "half a hello": hello[:60],
		"HL7": message, "DICOM": associate,
	}
	listeners := map[string]string{"hl7": "HL7", "dicom": "DICOM", "hl7s": "TLS", "dicoms": "TLS"}
	for listener, speaks := range listeners {
		for name, b := range strange {
			one := badInput{name + " to " + listener, listener, sends(b...), nil, "nothing", "malformed", 1}
			switch {
			case speaks == "TLS" && name == "half a hello":
				one.want, one.why = "nothing", "handshake"
			case speaks == "TLS" && name == "TLS":
				continue // a client that waits for what we say: in the handshakes below
			case speaks == "TLS":
				one.want, one.why = "alert: tls: unexpected message", "handshake"
				if name == "rdp" || name == "rubbish" || name == "HL7" || name == "DICOM" || name == "ssh" || name == "http" {
					one.want = "nothing" // crypto/tls has no alert for what is no record
				}
			case speaks == name:
				continue
			case listener == "dicom" && name == "rdp": // its first byte is that of a PDU
				one.want = "abort 6"
			}
			list = append(list, one)
		}
		why := map[bool]string{true: "handshake", false: "silent"}[speaks == "TLS"]
		list = append(list,
			badInput{"silence to " + listener, listener, nil, nil, "nothing", why, 1},
			badInput{"come and gone at " + listener, listener, leaves(), nil, "nothing", "", 0},
			badInput{"come and reset at " + listener, listener, resets(), nil, "nothing", "", 0},
			badInput{"a byte to " + listener, listener, sends(map[string]byte{"HL7": startBlock, "DICOM": pduAssociateRQ, "TLS": 0x16}[speaks]), nil, "nothing", why, 1})
	}
	list = append(list, badInput{"HTTP to desk", "desk", leaves(strange["http"]...), nil, "nothing", "refused", 1})
	list = append(list, badHL7(sends, leaves, message)...)
	list = append(list, badDICOM(sends, leaves, associate, ask)...)

	other, err := identity.Create(filepath.Join(t.TempDir(), "authority"), "north")
	if err != nil {
		t.Fatal(err)
	}
	foreign, _ := (&papers{Authority: other}).issue(t, "ct1", false)
	gone, serial := p.issue(t, "gone", false)
	p.revoke(t, serial)
	good := client(ct1)
	for listener, b := range map[string][]byte{"hl7s": message, "dicoms": associate} {
		for name, one := range map[string]struct {
			config *tls.Config
			want   string
		}{
			"no certificate": {client(), "alert: certificate required"}, "a foreign certificate": {client(foreign), "alert: bad certificate"},
			"a certificate that is over": {client(p.over(t)), "alert: bad certificate"}, "a revoked certificate": {client(gone), "alert: bad certificate"},
			"TLS 1.0": {upTo(good, tls.VersionTLS10), "alert: protocol version not supported"}, "TLS 1.1": {upTo(good, tls.VersionTLS11), "alert: protocol version not supported"},
		} {
			list = append(list, badInput{name + " to " + listener, listener, sends(b...), one.config, one.want, "handshake", 1})
		}
		list = append(list,
			badInput{"a hello to " + listener + ", and gone", listener, leaves(hello...), nil, "a hello", "handshake", 1},
			badInput{"half a hello to " + listener + ", and reset", listener, resets(hello[:60]...), nil, "nothing", "handshake", 1},
			badInput{"HTTP under TLS to " + listener, listener, sends(strange["http"]...), good, "nothing", "malformed", 1},
			badInput{"silence under TLS to " + listener, listener, nil, good, "nothing", "silent", 1},
			badInput{"half of it under TLS to " + listener, listener, sends(b[:40]...), good, "nothing", "silent", 1})
	}
	return list
}

func badHL7(sends, leaves func(...byte) func(net.Conn), message []byte) []badInput {
	odd := func(old, with string) func(net.Conn) {
		return leaves(bytes.Replace(message, []byte(old), []byte(with), 1)...)
	}
	return []badInput{
		{"half a frame", "hl7", sends(message[:40]...), nil, "nothing", "silent", 1},
		{"half a frame, and gone", "hl7", leaves(message[:40]...), nil, "nothing", "malformed", 1},
		{"a frame in a frame", "hl7", sends(append(message[:40:40], message...)...), nil, "nothing", "malformed", 1},
		{"a frame that is no HL7", "hl7", leaves(framed([]byte(mark))...), nil, "nothing", "refused", 1},
		{"a header and no more", "hl7", leaves(framed([]byte("MSH|" + mark))...), nil, "nothing", "refused", 1},
		{"lines that end in LF", "hl7", odd("\rPID", "\nPID"), nil, "AR", "refused", 1},
		{"somebody else's name", "hl7", odd("LAB|NORTH", "LAB|"+mark), nil, "AR", "refused", 1},
		{"a frame without end", "hl7", func(c net.Conn) {
			_, _ = c.Write(message[:40])
			for chunk, n := bytes.Repeat([]byte(mark), 10<<10), 0; n < 64<<20; n += len(chunk) {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		}, nil, "nothing", "malformed", 1},
		{"byte by byte", "hl7", func(c net.Conn) {
			for range 200 {
				if _, err := c.Write([]byte(" ")); err != nil {
					return
				}
				time.Sleep(20 * time.Millisecond) // it is what is tried
			}
		}, nil, "nothing", "malformed", 1},
	}
}

func badDICOM(sends, leaves func(...byte) func(net.Conn), associate []byte, ask *association) []badInput {
	changed := func(change func(q *association)) func(net.Conn) {
		q := *ask
		change(&q)
		return sends(wrap(pduAssociateRQ, q.body(pduAssociateRQ))...)
	}
	titled := func(at int, title string) func(net.Conn) {
		return changed(func(q *association) { copy(q.head[at:at+16], title+"                ") })
	}
	length := func(kind byte, n uint32) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{kind, 0}, n), strings.Repeat(mark, 40)...)
	}
	pdv := func(context, flags byte, b []byte) []byte {
		return wrap(pduData, append(append(binary.BigEndian.AppendUint32(nil, uint32(len(b)+2)), context, flags), b...))
	}
	store := set(1, fieldStore, 1, true, clinic.Text(0x1000, "UI", "1.2.3.4"))
	head := imageOf(mark+"2", "1.2.3", 12)
	head = head[:bytes.Index(head, []byte{0xE0, 0x7F, 0x10, 0})]
	// element is an image that ends with the head of an element of a length.
	element := func(group, number uint16, vr string, n uint32) []byte {
		b := binary.LittleEndian.AppendUint16(append([]byte(nil), head...), group)
		b = append(append(binary.LittleEndian.AppendUint16(b, number), vr...), 0, 0)
		return append(binary.LittleEndian.AppendUint32(b, n), mark...)
	}
	// then says more in an association; release asks for its end behind the answer.
	then := func(release bool, more ...[]byte) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = c.Write(associate)
			head := make([]byte, 6)
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head[2:])))
			for _, b := range more {
				_, _ = c.Write(b)
			}
			if release {
				time.Sleep(100 * time.Millisecond) // for the refusal: a release in the middle of a request would be another mistake
				_, _ = c.Write(wrap(pduReleaseRQ, make([]byte, 4)))
			}
		}
	}
	one := func(name string, say func(net.Conn), want, why string) badInput {
		return badInput{name, "dicom", say, nil, want, why, 1}
	}
	return []badInput{
		one("a request of 4 GB", sends(length(pduAssociateRQ, 0xFFFFFFFF)...), "abort 6", "malformed"),
		one("a request of 2 GB", sends(length(pduAssociateRQ, 0x7FFFFFFF)...), "abort 6", "malformed"),
		one("4 GB before an association", sends(length(pduData, 0xFFFFFFFF)...), "abort 6", "malformed"),
		one("a message before an association", sends(pdv(1, 3, store)...), "abort 2", "malformed"),
		one("a release before an association", sends(wrap(pduReleaseRQ, make([]byte, 4))...), "abort 2", "malformed"),
		one("half a request", sends(associate[:50]...), "nothing", "silent"),
		one("half a request, and gone", leaves(associate[:50]...), "abort 6", "malformed"),
		one("another version", sends(changedAt(associate, 7, 2)...), "reject 1 2 2", "malformed"),
		one("a called title of nobody", titled(4, mark), "reject 1 1 7", "refused"),
		one("a calling title of somebody else", titled(20, mark), "reject 1 1 3", "refused"),
		one("a calling title that is none", titled(20, mark+"\x01"), "reject 1 1 3", "malformed"),
		one("a called title that is none", titled(4, "\\"+mark), "reject 1 1 7", "malformed"),
		one("an even presentation context", changed(func(q *association) { q.contexts = []proposed{offer(2, clinic.CTImage, clinic.ExplicitLE)} }), "abort 6", "malformed"),
		one("data of 4 GB", then(false, length(pduData, 0xFFFFFFFF)), "abort 6", "malformed"),
		one("an item of 4 GB", then(false, wrap(pduData, []byte{0xFF, 0xFF, 0xFF, 0xFF, 1, 3, 0, 0})), "abort 6", "malformed"),
		one("a command that is none", then(false, pdv(1, 3, []byte(strings.Repeat(mark, 9)))), "abort 6", "malformed"),
		one("a command without end", then(false, bytes.Repeat(pdv(1, 1, make([]byte, 16000)), 8)), "abort 6", "malformed"),
		one("half a command", then(false, pdv(1, 1, store[:20])), "abort 0", "silent"),
		one("half a PDU", then(false, pdv(1, 3, store)[:20]), "abort 0", "silent"),
		one("a command and no data set", then(false, pdv(1, 3, store)), "abort 0", "silent"),
		one("an element of 4 GB", then(true, pdv(1, 3, store), pdv(1, 2, element(0x0010, 0x1000, "UT", 0xFFFFFFFE))), "an answer", "refused"),
		one("an element without end", then(true, pdv(1, 3, store), pdv(1, 2, element(0x0010, 0x1000, "UT", 0xFFFFFFFF))), "an answer", "refused"),
		one("pixels of 4 GB", then(true, pdv(1, 3, store), pdv(1, 2, element(0x7FE0, 0x0010, "OW", 0xFFFFFFFE))), "an answer", "refused"),
		one("a data set that is none", then(true, pdv(1, 3, store), pdv(1, 2, bytes.Repeat([]byte(mark), 300))), "an answer", "refused"),
		one("a message and half of the next, and gone", func(c net.Conn) {
			then(false, pdv(1, 3, store))(c)
			_ = c.(*net.TCPConn).CloseWrite()
		}, "abort 6", "malformed"),
	}
}
