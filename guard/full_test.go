package guard

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
)

// TestDcmtkFull: who comes to a full listener is told so in DICOM's words, and gets in when there is room again.
func TestDcmtkFull(t *testing.T) {
	port := freePort(t)
	start(t, port, peer(t, "storescp"), "-od", t.TempDir(), port)
	for _, limit := range []string{"connections", "per_address"} {
		t.Run(limit, func(t *testing.T) {
			file := strings.Replace(fmt.Sprintf(dicomSite, 100, "127.0.0.1:"+port), "  - name: dicom\n", "  - name: dicom\n    limits: {"+limit+": 1}\n", 1)
			r := begin(t, file)
			k := r.talk()
			k.associate()
			echo := func() (string, error) {
				return run(t, peer(t, "echoscu"), "-v", "-aet", "CT1", "-aec", "PACS", "127.0.0.1", r.port())
			}
			for range 3 {
				if out, err := echo(); err == nil || !strings.Contains(out, "Rejected Transient") || !strings.Contains(out, "Local Limit Exceeded") {
					t.Errorf("got %v, %s", err, out)
				}
			}
			if n := r.findings()["refused-busy"]; n != 1 {
				t.Errorf("got %d of the finding at once, want 1", n)
			}
			r.guard.refused.flush(r.guard.now(), true)
			if n := r.findings()["refused-busy"]; n != 3 {
				t.Errorf("got %d of the finding, want 3", n)
			}
			if log := r.log.String(); strings.Count(log, fullListener) != 1 || strings.Count(log, "connections were turned away") != 1 || !strings.Contains(log, "count=2") {
				t.Errorf("got the log %s", log)
			}
			_ = k.conn.Close()
			eventually(t, "there is room again", func() bool { _, err := echo(); return err == nil })
		})
	}
}

// TestGoodbye: only a request for an association is answered, and nobody is waited for long.
func TestGoodbye(t *testing.T) {
	q := request("CT1", "PACS", offer(9, clinic.Verification, implicitVR)).body(pduAssociateRQ)
	head := func(kind byte, n int) string { return string([]byte{kind, 0, 0, 0, byte(n >> 8), byte(n)}) }
	for _, test := range []struct{ name, sent, want string }{
		{"a request", head(pduAssociateRQ, len(q)) + string(q), "\x03\x00\x00\x00\x00\x04\x00\x02\x03\x02"},
		{"nothing", "", ""},
		{"half of one", head(pduAssociateRQ, len(q)) + string(q[:40]), ""},
		{"half a header", "\x01\x00", ""},
		{"too long a one", "\x01\x00\x7f\x00\x00\x00", ""},
		{"data", head(pduData, 6) + "\x00\x00\x00\x02\x09\x03", ""},
		{"another protocol", "GET / HTTP/1.1\r\n\r\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, socket := net.Pipe()
			defer client.Close()
			go func() {
				_ = socket.SetDeadline(time.Now().Add(300 * time.Millisecond))
				_ = goodbye(socket, congested)
				_ = socket.Close()
			}()
			_ = client.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = io.WriteString(client, test.sent) // it may be closed already
			got, err := io.ReadAll(client)
			if string(got) != test.want || err != nil {
				t.Errorf("got % x, %v; want % x", got, err, test.want)
			}
		})
	}
}

// TestFull: who is told nothing finds its connection closed: of HL7 all, of DICOM those beyond the bound.
func TestFull(t *testing.T) {
	e := newEngine(t)
	for _, test := range []struct {
		name, file, listener string
		place                func(r *rig) // taken by somebody who owes nothing
		told                 int          // at once
	}{
		{"HL7", fmt.Sprintf(hl7Site, e.Addr()), "hl7", func(r *rig) { r.call("hl7").send(result("LAB|NORTH", "m1", "1")) }, 0},
		{"DICOM", fmt.Sprintf(dicomSite, 100, newArchive(t, well).Addr()), "dicom", func(r *rig) { r.talk().associate() }, mostGoodbyes},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := full(t, test.file, test.listener, 1)
			test.place(r)
			var waiting []net.Conn
			for range mostGoodbyes {
				waiting = append(waiting, r.call(test.listener))
			}
			l := r.guard.listeners[test.listener]
			eventually(t, "they are told", func() bool { return int(l.goodbyes.Load()) == test.told })
			if !over(r.call(test.listener)) {
				t.Error("one more was not closed")
			}
			began := time.Now()
			for _, c := range waiting {
				if !over(c) {
					t.Error("one is still there")
				}
			}
			if took := time.Since(began); took > 10*goodbyeTime {
				t.Errorf("they stayed for %s", took)
			}
			eventually(t, "none is left", func() bool { return l.goodbyes.Load() == 0 })
		})
	}
}
