package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
)

// TestPeerRefused: what real clients say when they are refused, and that the archives never see it.
func TestPeerRefused(t *testing.T) {
	for name, startArchive := range archives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, room := freePort(t), freePort(t)
			startArchive(t, port, room)
			files := objects(t)
			if out, err := run(t, peer(t, "storescu"), append([]string{"-aec", "PACS", "127.0.0.1", port}, files...)...); err != nil {
				t.Fatalf("storescu past the guard: %v: %s", err, out)
			}
			r := begin(t, strings.Replace(fmt.Sprintf(dicomSite, 2, "127.0.0.1:"+port), "budget: {1h: 12}", "budget: {1h: 1}", 1))
			out, err := run(t, peer(t, "storescu"), append([]string{"-v", "-aet", "CT1", "-aec", "PACS", "127.0.0.1", r.port()}, files[0], files[4])...)
			if err == nil || !strings.Contains(out, "Received Store Response (Success)") || !strings.Contains(out, "Unknown Status: 0x124") {
				t.Errorf("storescu: got %v: %s", err, out)
			}
			out, _ = run(t, peer(t, "findscu"), r.viewer("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID")...)
			if n := strings.Count(out, "(Pending)"); n == 0 || n > 2*archiveStudies || strings.Contains(out, "(Success)") || !strings.Contains(out, "Unknown Status: 0x124") {
				t.Errorf("findscu: got %d matches: %s", n, out)
			}
			dir := t.TempDir()
			out, _ = run(t, peer(t, "getscu"), r.viewer("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "+B", "-od", dir)...)
			if n := len(glob(t, dir+"/*")); n != 0 || strings.Contains(out, "(Success)") {
				t.Errorf("getscu of everything: got %d objects: %s", n, out)
			}
			out, _ = run(t, peer(t, "movescu"), r.viewer("-aem", "ROGUE", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1.1")...)
			if !strings.Contains(out, "MoveDestinationUnknown") {
				t.Errorf("movescu to somebody unknown: %s", out)
			}
			out, _ = run(t, peer(t, "movescu"), "-v", "-aet", "ROGUE", "-aec", "PACS", "-aem", "ROOM", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=2.25.1.1", "127.0.0.1", r.port())
			if !strings.Contains(out, "Calling AE Title Not Recognized") {
				t.Errorf("movescu of somebody unknown: %s", out)
			}
			if n, _ := r.covered("C-FIND"); n > 2 {
				t.Errorf("got %d patients on record for queries, want at most 2", n)
			}
			if n, _ := r.covered("C-STORE"); n != 1 {
				t.Errorf("got %d patients on record for objects, want 1", n)
			}
		})
	}
}

// TestPeerSamePatients: the same keys cover the same patients, whether they are asked for, got, or moved.
func TestPeerSamePatients(t *testing.T) {
	for name, startArchive := range archives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, room := freePort(t), freePort(t)
			start(t, room, peer(t, "storescp"), "+xa", "-aet", "ROOM", "-od", t.TempDir(), room)
			startArchive(t, port, room)
			if out, err := run(t, peer(t, "storescu"), append([]string{"-aec", "PACS", "127.0.0.1", port}, objects(t)...)...); err != nil {
				t.Fatalf("storescu past the guard: %v: %s", err, out)
			}
			for _, query := range [][]string{
				{"-P", "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID=P1"},
				{"-P", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=P2", "-k", "StudyInstanceUID=2.25.2.2"},
				{"-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", "StudyInstanceUID=2.25.3.1"},
				{"-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID", "-k", `StudyInstanceUID=2.25.3.1\2.25.4.2`},
				{"-S", "-k", "QueryRetrieveLevel=SERIES", "-k", "StudyInstanceUID=2.25.5.1", "-k", "SeriesInstanceUID=2.25.5.1.1"},
			} {
				r := dicomRig(t, "127.0.0.1:"+port, 100)
				var said []string
				for _, ask := range [][]string{{"findscu"}, {"getscu", "-od", t.TempDir()}, {"movescu", "-aem", "ROOM"}} {
					out, err := run(t, peer(t, ask[0]), r.viewer(slices.Concat(ask[1:], query)...)...)
					said = append(said, fmt.Sprint(err, out))
				}
				who := func(action string) (all string) {
					people := map[string]bool{}
					for _, row := range r.rows() {
						for _, p := range row.People {
							if row.Action == action {
								people[p.String()] = true
							}
						}
						if row.Unidentified > 0 {
							t.Errorf("%v: somebody is unidentified", query)
						}
					}
					for p := range people {
						all += p + " "
					}
					list := strings.Fields(all)
					slices.Sort(list)
					return strings.Join(list, " ")
				}
				find, get, move := who("C-FIND"), who("C-GET"), who("C-MOVE")
				if find == "" || find != get || get != move {
					t.Errorf("%v: found %q, got %q, moved %q: %s", query, find, get, move, strings.Join(said, "\n"))
				}
				r.end()
			}
		})
	}
}

// TestDICOMAborts: whoever aborts, the other is told with the same words; who vanishes is aborted to the other.
func TestDICOMAborts(t *testing.T) {
	a := newArchive(t, func(k *talker, c *command, _ []byte) {
		if c.id == 7 {
			k.abort(0, 0)
			return
		}
		well(k, c, nil)
	})
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	k.associate()
	k.message(9, set(9, fieldEcho, 7, false), nil)
	if _, _, end := k.reply(); end.kind != pduAbort || end.body[2] != 0 {
		t.Errorf("got PDU %d % x, want the archive's abort", end.kind, end.body)
	}
	for name, leave := range map[string]func(*talker){
		"abort": func(k *talker) { k.abort(0, 0) }, "close": func(k *talker) { _ = k.conn.Close() },
		"in an object": func(k *talker) {
			_, _, data := object(1, 1, 1)
			k.must(k.send(1, true, true, set(1, fieldStore, 1, true)))
			k.must(k.send(1, false, false, data[:4000]))
			_ = k.conn.Close()
		},
	} {
		a.mu.Lock()
		before := len(a.ends)
		a.mu.Unlock()
		k := r.talk()
		k.associate()
		leave(k)
		for range 1000 {
			a.mu.Lock()
			n := len(a.ends)
			a.mu.Unlock()
			if n > before {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		a.mu.Lock()
		if len(a.ends) == before || a.ends[before].kind != pduAbort {
			t.Errorf("%s: the archive was told %+v", name, a.ends[before:])
		}
		a.mu.Unlock()
	}
}

// TestDICOMReport: an archive reports a storage commitment on the association on which it was asked for.
func TestDICOMReport(t *testing.T) {
	const commitment = "1.2.840.10008.1.20.1"
	answered := make(chan *command, 1)
	list := clinic.DataSet{clinic.Text(0x00081195, "UI", "2.25.5")}.Encode(clinic.ImplicitLE)
	a := newArchive(t, func(k *talker, c *command, data []byte) {
		well(k, c, nil)
		if c.field == 0x0130 {
			k.message(13, set(13, fieldEventReport, 1, true, clinic.Text(0x1000, "UI", "1.2.840.10008.1.20.1.1"), clinic.Short(0x1002, 1)), list)
			answer, _, _ := k.reply()
			answered <- answer
		}
	})
	r := dicomRig(t, a.Addr().String(), 100)
	k := r.talk()
	q := request("CT1", "PACS", offer(13, commitment, implicitVR))
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	if p, err := k.pdu(); err != nil || p.kind != pduAssociateAC {
		t.Fatalf("got PDU %d, %v", p.kind, err)
	}
	k.message(13, set(13, 0x0130, 1, true, clinic.Text(0x1001, "UI", "1.2.840.10008.1.20.1.1"), clinic.Short(0x1008, 1)), list)
	if c, _, _ := k.reply(); c == nil || c.status != statusSuccess || c.field != 0x0130|answerBit {
		t.Fatalf("got %+v", c)
	}
	c, data, _ := k.reply()
	if c == nil || c.field != fieldEventReport || !slices.Equal(data, list) {
		t.Fatalf("got %+v", c)
	}
	k.message(13, c.reply(statusSuccess, ""), nil)
	if c := <-answered; c == nil || c.status != statusSuccess {
		t.Errorf("the archive was answered %+v", c)
	}
	if n := len(r.rows()); n != 0 {
		t.Errorf("got %d disclosures of nobody", n)
	}
}

// TestDICOMDrain: a guard that ends lets an object that is passing arrive, and does not wait for who says nothing.
func TestDICOMDrain(t *testing.T) {
	a := newArchive(t, well)
	r := dicomRig(t, a.Addr().String(), 100)
	silent, waiting, busy := r.talk(), r.talk(), r.talk()
	silent.associate()
	busy.associate()
	_, _, data := object(1, 1, 1)
	busy.must(busy.send(1, true, true, set(1, fieldStore, 1, true)))
	busy.must(busy.send(1, false, false, data[:4000]))
	for len(r.rows()) == 0 { // until the object has begun to pass
		time.Sleep(5 * time.Millisecond)
	}
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		done <- r.guard.Drain(ctx)
	}()
	if _, _, end := silent.reply(); end.kind != pduAbort {
		t.Errorf("who is silent got PDU %d, want an abort", end.kind)
	}
	if _, _, end := waiting.reply(); end.kind != 0 {
		t.Errorf("who has no association got PDU %d", end.kind)
	}
	_ = silent.conn.Close()
	_ = waiting.conn.Close()
	busy.must(busy.send(1, false, true, data[4000:]))
	if c, _, _ := busy.reply(); c == nil || c.status != statusSuccess {
		t.Errorf("got %+v, want success", c)
	}
	if _, _, end := busy.reply(); end.kind != pduAbort {
		t.Errorf("and then PDU %d, want an abort", end.kind)
	}
	_ = busy.conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
