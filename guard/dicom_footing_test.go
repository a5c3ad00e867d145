package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/approval"
	clinic "chaperone/internal/clinicsim"
)

// hourly is a site in which ct1 has the hour that it is.
func hourly(upstream string, now time.Time) string {
	h := now.Local().Hour()
	return strings.Replace(fmt.Sprintf(dicomSite, 100, upstream), "    role: modality\n", fmt.Sprintf("    role: modality\n    hours: \"%02d:00-%02d:00\"\n", h, (h+1)%24), 1)
}

// asApproved is a site in which ct1 needs an approval.
func asApproved(upstream string, _ time.Time) string {
	return strings.Replace(fmt.Sprintf(dicomSite, 100, upstream), "    role: modality\n", "    role: modality\n    approval: true\n", 1)
}

func always(upstream string, _ time.Time) string { return fmt.Sprintf(dicomSite, 100, upstream) }

// middle is something that happens in the middle of a study.
type middle struct {
	name string
	file func(upstream string, now time.Time) string
	then func(a *approvalRig, id string)
	cuts bool // at once
}

// middles are what may end a party's permission.
func middles() []middle {
	reload := func(old, now string) func(*approvalRig, string) {
		return func(a *approvalRig, _ string) {
			s := a.site(strings.Replace(a.file, old, now, 1))
			s.Listeners[0].Listen = a.guard.rules.Load().site.Listeners[0].Listen
			if err := a.guard.Reload(a.t.Context(), s); err != nil {
				a.t.Error(err)
			}
		}
	}
	return []middle{
		{"its hours end", hourly, func(a *approvalRig, _ string) { a.move(time.Hour) }, false},
		{"its grant is taken away", always, reload("actions: [dicom.*]", "actions: [dicom.other]"), false},
		{"its approval's time is over", asApproved, func(a *approvalRig, _ string) {
			a.move(time.Hour + time.Second)
			a.settle()
			a.settle()
			if n := a.findings()[ApprovalOverRule]; n != 0 {
				a.t.Error("the receipt did not wait for the study")
			}
		}, false},
		{"its approval is ended", asApproved, func(a *approvalRig, id string) {
			if _, _, err := approval.End(a.dir+"/approvals", id, a.now()); err != nil {
				a.t.Error(err)
			}
			a.settle()
		}, true},
		{"its approval's time is over, and then it is ended", asApproved, func(a *approvalRig, id string) {
			a.move(time.Hour + time.Second)
			a.settle()
			if _, _, err := approval.End(a.dir+"/approvals", id, a.now()); err != nil {
				a.t.Error(err)
			}
			a.settle()
		}, true},
	}
}

// midway begins with what a test does in the middle.
func (m *middle) midway(t *testing.T, archive *archive) (a *approvalRig, then func()) {
	t.Helper()
	file := m.file(archive.Addr().String(), newClock().now())
	a = beginApproved(t, file)
	id := ""
	if strings.Contains(file, "approval: true") {
		one, _ := a.approve(approval.Approve, "ct1", 5, time.Hour)
		id = one.ID
	}
	return a, func() { m.then(a, id) }
}

// TestRetrievalMidway: what ends a permission stops a C-GET between two studies, and not in the middle of one. An approval that somebody ends
// stops it at once.
func TestRetrievalMidway(t *testing.T) {
	const images = 4
	for _, m := range middles() {
		t.Run(m.name, func(t *testing.T) {
			var then func()
			stored := map[string][]uint16{}
			archive := newArchive(t, library(func(k *talker, c *command) {
				bring := func(study string, data []byte) {
					k.message(1, set(1, fieldStore, 10, true, clinic.Text(0x1000, "UI", "2.25.1"), clinic.Short(0x0700, 0)), data)
					if answer, _, _ := k.reply(); answer != nil {
						stored[study] = append(stored[study], answer.status)
					}
				}
				for i := 1; i <= images; i++ {
					_, _, data := object(1, 1, i)
					bring("first", data)
					if i == 1 {
						then()
					}
				}
				_, _, other := object(2, 1, 1)
				bring("another's", []byte(strings.Replace(string(other), "2.25.2.1", "2.25.1.1", -1))) // in the first study
				_, _, data := object(2, 1, 1)
				bring("second", data)
				well(k, c, nil)
			}))
			a, middle := m.midway(t, archive)
			then = middle
			k := a.talk()
			k.associate()
			k.message(5, set(5, fieldGet, 1, true), keys("STUDY", clinic.Text(0x0020000D, "UI", `2.25.1.1\2.25.2.1`)))
			got := 0
			for {
				c, _, end := k.reply()
				if c == nil {
					t.Fatalf("the association ended with PDU %d", end.kind)
				}
				if c.field == fieldStore {
					got++
					k.message(1, c.reply(statusSuccess, ""), nil)
					continue
				}
				if !failure(c.status) {
					t.Errorf("got %04X at the end, want a failure", c.status)
				}
				break
			}
			want := images
			if m.cuts {
				want = 1
			}
			if good := slices.Repeat([]uint16{statusSuccess}, want); got != want || !slices.Equal(stored["first"][:want], good) || len(stored["first"]) != images {
				t.Errorf("got %d objects, want %d; the archive was answered %04X", got, want, stored)
			}
			if n := len(stored["another's"]); n != 1 || stored["another's"][0] == statusSuccess || stored["second"][0] == statusSuccess {
				t.Errorf("the archive was answered %04X, want the others held back", stored)
			}
			rows := a.rows()
			if last := rows[len(rows)-1]; len(rows) != 1+got || !m.cuts && !last.Time.Equal(a.now()) && a.now().Sub(last.Time) > time.Second {
				t.Errorf("got %d disclosures, the last of %v; want %d and %v", len(rows), last.Time, 1+got, a.now())
			}
			if strings.Contains(a.file, "approval: true") {
				a.settle()
				if title := a.receipt(ApprovalOverRule).Title; !strings.Contains(title, fmt.Sprintf("%d disclosure", 1+got)) {
					t.Errorf("got receipt %q, want %d disclosures", title, 1+got)
				}
			}
		})
	}
}

// TestPeerMidway: from real archives, a study that has begun when the hours end comes whole, and the next one not at all.
func TestPeerMidway(t *testing.T) {
	for name, startArchive := range archives() {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			startArchive(t, port, freePort(t))
			if out, err := run(t, peer(t, "storescu"), append([]string{"-aet", "CT1", "-aec", "PACS", "127.0.0.1", port}, objects(t)...)...); err != nil {
				t.Fatalf("storescu past the guard: %v: %s", err, out)
			}
			a := beginApproved(t, hourly("127.0.0.1:"+port, newClock().now()))
			k := a.talk()
			k.associateAs("VIEWER")
			k.message(5, set(5, fieldGet, 1, true, clinic.Short(0x0700, 0)), keys("STUDY", clinic.Text(0x0020000D, "UI", `2.25.1.1\2.25.1.2`)))
			var got []string
			for {
				c, _, end := k.reply()
				if c == nil {
					t.Fatalf("the association ended with PDU %d", end.kind)
				}
				if c.field == fieldStore {
					if got = append(got, c.instance); len(got) == 1 {
						a.move(time.Hour)
					}
					k.message(1, c.reply(statusSuccess, ""), nil)
					continue
				}
				if pending(c.status) {
					continue
				}
				if len(got) != archiveImages || got[0][:8] != got[1][:8] || c.status != 0xB000 && !failure(c.status) {
					t.Errorf("got %s and %04X, want one study, and the archive's warning or failure", got, c.status)
				}
				return
			}
		})
	}
}

// TestMovedMidway: the same of the objects of a C-MOVE that pass the guard; what is sent without one is decided object by object.
func TestMovedMidway(t *testing.T) {
	moved := []clinic.Element{clinic.Text(0x1030, "AE", "VIEWER"), clinic.Short(0x1031, 7)}
	again := []clinic.Element{clinic.Text(0x1030, "AE", "VIEWER"), clinic.Short(0x1031, 8)}
	for _, m := range middles() {
		t.Run(m.name, func(t *testing.T) {
			a, then := m.midway(t, newArchive(t, well))
			k := a.talk()
			k.associate()
			store := func(patient, image int, more []clinic.Element) bool {
				t.Helper()
				uid, _, data := object(patient, 1, image)
				k.message(1, set(1, fieldStore, 1, true, append(more, clinic.Text(0x1000, "UI", uid))...), data)
				c, _, end := k.reply()
				if c == nil {
					t.Fatalf("the association ended with PDU %d", end.kind)
				}
				return c.status == statusSuccess
			}
			if !store(1, 1, moved) {
				t.Fatal("the first is refused")
			}
			then()
			for i, one := range []struct {
				patient int
				more    []clinic.Element
				passes  bool
			}{{1, moved, !m.cuts}, {2, moved, false}, {1, moved, !m.cuts}, {1, nil, false}, {1, again, false}} {
				if got := store(one.patient, i+2, one.more); got != one.passes {
					t.Errorf("object %d passes: %t", i+2, got)
				}
			}
		})
	}
}

// TestFootings: a retrieval that is in the middle of many studies remembers the latest, and lets go of all approvals at its end.
func TestFootings(t *testing.T) {
	u := &use{}
	var s footings
	for i := range mostFootings + 10 {
		s.add(footing{study: chaperone.PatientToken{byte(i), 1}, use: u})
	}
	if len(s.list) != mostFootings || u.open.Load() != mostFootings {
		t.Errorf("got %d studies, and %d are under way", len(s.list), u.open.Load())
	}
	if s.over(); len(s.list) != 0 || u.open.Load() != 0 {
		t.Errorf("got %d studies, and %d are under way, at the end", len(s.list), u.open.Load())
	}
}
