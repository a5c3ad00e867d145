package guard

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/policy"

	clinic "chaperone/internal/clinicsim"
)

const moveSite = `site: north
inside: [127.0.0.0/8]
ignore_case: true
identity: {authority: %[1]s/authority, certificate: %[1]s/guard.pem, key: %[1]s/guard.key}
parties:
  - {name: viewer1, role: viewer, titles: [VIEWER1]}
  - {name: viewer2, role: viewer, titles: [VIEWER2]}
  - {name: room, role: viewer, titles: [ROOM]}
  - {name: pacs, role: pacs, titles: [PACS]}
grants:
  - {name: own, roles: [viewer], actions: ["dicom.*"], to: [pacs, self]}
listeners:
  - {name: dicom, protocol: dicom, listen: 127.0.0.1:2762, upstream: {address: "%[2]s", party: pacs}, destinations: {VIEWER1: viewer1, Viewer2: viewer2, ROOM: room}}
`

// TestRefusedMove: a C-MOVE that is refused is whose it is who asked, towards the destination that was asked for: on record, in the log
// and when its reference is explained. Each asker and destination is a kind of its own; a destination that is made up is one of one kind,
// by its asker, and the log alone has its title. A query is whose it is who asked, too.
func TestRefusedMove(t *testing.T) {
	p := newPapers(t)
	own, _ := p.issue(t, "pacs", true)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, fmt.Sprintf(moveSite, p.dir, archiveOn(t, l, library(nil)).Addr()), func(o *Options) { o.Trust, o.pace = p.trust, quick })
	uri := func(party string) string { return "spiffe://north/party/" + party }
	for _, party := range []string{"viewer1", "viewer2"} {
		c, _ := p.issue(t, party, false)
		raw, err := net.Dial("tcp", r.guard.Address("dicom").String())
		if err != nil {
			t.Fatal(err)
		}
		k := newTalker(t, tls.Client(raw, client(c)))
		k.associateAs(strings.ToUpper(party))
		other := map[string]string{"viewer1": "VIEWER2", "viewer2": "VIEWER1"}[party]
		for i, to := range []string{other, strings.ToLower(other), "ROOM", "MADE1", "MADE2", "MADE3", "NO\\TITLE"} {
			k.message(7, set(7, fieldMove, uint16(i+1), true, clinic.Text(0x0600, "AE", to)), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.2.1")))
			if c, _, _ := k.reply(); c == nil || c.status != statusDestination {
				t.Fatalf("%s to %q: got %+v", party, to, c)
			}
		}
		k.message(3, set(3, fieldFind, 20, true), keys("STUDY"))
		if c, _, _ := k.reply(); c == nil || c.status == statusSuccess {
			t.Fatalf("%s asks for everybody: got %+v", party, c)
		}
	}
	r.guard.refused.flush(r.guard.now(), true)
	got := map[string]int{}
	err = r.ledger.Findings(t.Context(), ledger.Query{}, func(f chaperone.Finding) error {
		got[fmt.Sprintf("%s %s to %s%s", strings.TrimPrefix(f.Rule, RefusedRule), f.From.Proven, f.To.Proven, f.To.Claimed)] += f.Count
		told, ok := r.toldOf(referenceOf(f.Evidence.Record))
		if !ok || told.Who() != f.From || told.Other() != f.To || told.Action != policy.Move && told.Action != policy.Find {
			t.Errorf("explained as of %+v, %+v, %s; want %+v, %+v", told.Who(), told.Other(), told.Action, f.From, f.To)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"destination " + uri("viewer1") + " to Viewer2": 2, "destination " + uri("viewer2") + " to VIEWER1": 2, // whatever its capitals
		"everybody " + uri("viewer1") + " to " + uri("pacs") + "PACS": 1, "everybody " + uri("viewer2") + " to " + uri("pacs") + "PACS": 1,
	}
	for _, party := range []string{"viewer1", "viewer2"} {
		want["destination "+uri(party)+" to ROOM"], want["destination-unknown "+uri(party)+" to "] = 1, 4
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("on record is\n%v, want\n%v", got, want)
	}
	for _, line := range []string{
		"what=C-MOVE reason=destination from=" + uri("viewer1") + " to=Viewer2 ", "what=C-MOVE reason=destination from=" + uri("viewer2") + " to=ROOM ",
		"what=C-MOVE reason=destination-unknown from=" + uri("viewer1") + " to=MADE1 ", " (to MADE2) ", " (to ?)", "what=C-FIND reason=everybody from=" + uri("viewer2") + " to=" + uri("pacs") + " ",
	} {
		if !strings.Contains(r.log.String(), line) {
			t.Errorf("the log has no %q:\n%s", line, r.log)
		}
	}
	if strings.Contains(r.log.String(), "TITLE") {
		t.Errorf("the log has what is no title:\n%s", r.log)
	}
}

// TestRefusedGet: a C-GET whose data may not go to who asks is refused with the status that the site file gives its party: C-MOVE alone
// has one for its destination.
func TestRefusedGet(t *testing.T) {
	file := strings.Replace(fmt.Sprintf(dicomSite, 100, newArchive(t, library(nil)).Addr()), "    titles: [CT1, VIEWER]\n", "    titles: [CT1, VIEWER]\n    refuse: {get: C000}\n", 1)
	r := begin(t, file)
	k := r.talk()
	q := request("CT1", "PACS", offer(5, clinic.StudyRootGet, implicitVR))
	k.must(k.control(pduAssociateRQ, q.body(pduAssociateRQ)))
	_, err := k.pdu()
	k.must(err)
	s := r.site(strings.Replace(file, "to: [pacs, self, room]", "to: [room]", 1)) // the association is there already
	s.Listeners[0].Listen = r.guard.rules.Load().site.Listeners[0].Listen
	k.must(r.guard.Reload(t.Context(), s))
	k.message(5, set(5, fieldGet, 3, true), keys("STUDY", clinic.Text(0x0020000D, "UI", "2.25.1.1")))
	if c, _, _ := k.reply(); c == nil || c.status != 0xC000 || r.findings()["refused-destination"] != 1 {
		t.Errorf("got %+v, findings %v", c, r.findings())
	}
}

// TestRefusedOlder: findings of guards that wrote both sides in the way of the data are read as they were meant.
func TestRefusedOlder(t *testing.T) {
	from, to := chaperone.Party{Proven: "from"}, chaperone.Party{Proven: "to"}
	for _, test := range []struct {
		ground     string
		who, other chaperone.Party
	}{
		{"guard hl7, policy 12, action hl7.send, grant results", from, to},
		{"guard dicom, policy 12, action dicom.find", to, from},
		{"guard dicom, policy 12, action dicom.move", chaperone.Party{}, to}, // who asked is not on record
		{"guard dicom, policy 12, asked for dicom.move", from, to},
		{"guard dicom, policy 12, asked for dicom.find, grant own, budget party viewer 24h 1", from, to},
		{"guard dicom, policy 12", from, to},
	} {
		f := chaperone.Finding{Rule: "refused-destination", From: from, To: to, First: time.Unix(1, 0), Evidence: chaperone.Evidence{File: test.ground, Record: 5}}
		told, ok, err := FindRefusal(t.Context(), 5, func(_ context.Context, each func(chaperone.Finding) error) error { return each(f) })
		if err != nil || !ok || told.Who() != test.who || told.Other() != test.other || told.Version != "12" {
			t.Errorf("%s: got %+v, %t, %v", test.ground, told, ok, err)
		}
	}
}
