package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"chaperone"
	"chaperone/internal/clinicsim"
)

// killDICOM kills a guard while images are stored, found, brought and moved through it. Nobody is in two deliveries: for everybody of whom
// something arrived, at the archive, at a client or where it was moved to, exactly one disclosure of it to whom it arrived at is on record, and can
// be proven. More may be on record only of what was in flight at a kill.
func killDICOM(ctx context.Context, o options) error {
	g, err := unconfigured(ctx, o.dir)
	if err != nil {
		return err
	}
	a, err := newArchive()
	if err != nil {
		return err
	}
	defer a.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // storescp
	tools, err := startDCMTK(ctx, o.dir)
	if err != nil {
		return err
	}
	third, ward, err := a.openRoom(tools)
	if err != nil {
		return err
	}
	defer third.Close()
	text := fmt.Sprintf(dicomSite, g.dir, g.address, a.Addr()) + ward
	if tools != nil {
		text += fmt.Sprintf(dcmtkListener, tools.listen, tools.archive)
	}
	if err := g.write(text); err != nil {
		return err
	}
	l := &dicomLoad{address: g.address, archive: a, tools: tools}
	unknown, err := g.kills(ctx, o, l, 500*time.Millisecond, func() error { return nil })
	if err != nil {
		return err
	}
	if err := errors.Join(g.start(ctx), g.ready(), g.stop()); err != nil {
		return err
	}
	time.Sleep(100 * time.Millisecond) // what the archive has in its sockets
	a.mu.Lock()
	defer a.mu.Unlock()
	c := &captured{got: a.got, taken: a.first, links: l.links[:], unknown: unknown, delivery: object}
	byTools := map[byte]int{}
	if tools != nil {
		patients, err := tools.arrived()
		if err != nil {
			return err
		}
		for _, id := range patients {
			c.got[id]++
			c.taken = append(c.taken, id) // they are in the order of their numbers
			byTools[id[0]]++
		}
	}
	for _, link := range c.links {
		c.acked += len(link)
	}
	if err := c.check(ctx, g, "S9999999", "M9999999", "T9999999"); err != nil {
		return err
	}
	kinds := map[byte]int{}
	for id := range c.got {
		kinds[id[0]]++
	}
	fmt.Fprintf(o.stdout, "dicom: %d kills, of %d patients something arrived (%d stored, %d of them from storescu at storescp, %d found, %d brought, %d moved past the guard, %d of them to storescp, %d moved through it; %d acknowledged), %d disclosures on record, of %d patients nothing arrived (%d in flight at the kills), %d proven, %d operations refused\n",
		o.n, len(c.got), kinds['S'], byTools['S'], kinds['F'], kinds['G'], kinds['M'], byTools['M'], kinds['T'], c.acked, c.rows, c.ahead, unknown, c.proven, l.refused.Load())
	if kinds['S'] == byTools['S'] || tools != nil && len(byTools) < 2 || kinds['F'] == 0 || kinds['G'] == 0 || kinds['M'] == 0 || kinds['T'] == 0 {
		return broken("not everything was done: the run shows too little")
	}
	return nil
}

const dicomSite = `site: north
inside: [127.0.0.0/8]
ledger: %[1]s/ledger
keys: %[1]s/keys
parties:
  - {name: ct, role: modality, titles: [CT], addresses: [127.0.0.1/32]}
  - {name: pacs, role: research, titles: [PACS], addresses: [127.0.0.3/32]}
  - {name: room, role: research, titles: [ROOM, WARD], addresses: [127.0.0.5/32]}
grants:
  - {name: everything, parties: [ct], actions: [dicom.*], to: [pacs, self, room], whose: all, budget: {365d: 100000000}}
  - {name: what is moved, parties: [pacs], actions: [dicom.associate, dicom.store], to: [room], whose: all, budget: {365d: 100000000}}
listeners:
  - name: dicom
    protocol: dicom
    listen: %[2]s
    tls: none
    because: this is a test
    upstream: {address: "%[3]s", tls: none, because: this is a test, party: pacs}
    destinations: {ROOM: room, WARD: room}
`

// object gives the patient of what arrived, and what its disclosures are on record as: what is brought was asked for and then stored, and so is
// what is moved through the guard. What is moved past it is on record as asked for, to whom the destination's title belongs.
func object(id string) (chaperone.Identifier, []release) {
	releases := map[byte][]release{
		'S': {{"C-STORE", "PACS", ""}}, 'F': {{"C-FIND", "CT", "CT"}}, 'G': {{"C-GET", "CT", "CT"}, {"C-STORE", "CT", "CT"}},
		'M': {{"C-MOVE", pastTitle, "CT"}}, 'T': {{"C-MOVE", throughTitle, "CT"}, {"C-STORE", throughTitle, ""}},
	}
	return chaperone.Identifier{Kind: chaperone.DICOMPatientID, Value: chaperone.NewPHI(id)}, releases[id[0]]
}

// numbers are patients' numbers: of the images that are stored, of those who are found, and of those whose images are brought, or moved past the
// guard or through it.
var numbers = regexp.MustCompile(`[SFGMT][0-9]{7}`)

// study is one patient's, as it is found.
func study(patient string) clinicsim.DataSet {
	return clinicsim.DataSet{
		clinicsim.Text(0x00080020, "DA", "20260301"), clinicsim.Text(0x00080052, "CS", "STUDY"),
		clinicsim.Text(0x00100010, "PN", "DOE^JANE"), clinicsim.Text(0x00100020, "LO", patient), clinicsim.Text(0x0020000D, "UI", uidOf(patient)),
	}
}

// uidOf gives a patient's study; that of nobody matches any.
func uidOf(patient string) string {
	if patient == "" {
		return ""
	}
	return fmt.Sprintf("2.25.%d%s", patient[0], patient[1:])
}

// image is one patient's, of several PDUs.
func image(patient string) clinicsim.Object {
	instance := uidOf(patient) + ".1.1"
	return clinicsim.Object{Class: clinicsim.CTImage, Instance: instance, DataSet: clinicsim.DataSet{
		clinicsim.Text(0x00080016, "UI", clinicsim.CTImage), clinicsim.Text(0x00080018, "UI", instance),
		clinicsim.Text(0x00100010, "PN", "DOE^JANE"), clinicsim.Text(0x00100020, "LO", patient),
		clinicsim.Text(0x0020000D, "UI", uidOf(patient)), clinicsim.Text(0x0020000E, "UI", uidOf(patient)+".1"),
		clinicsim.Short(0x00280010, 100), clinicsim.Short(0x00280011, 200), clinicsim.Raw(0x7FE00010, "OW", make([]byte, 100*200*2)),
	}}
}

// foundTogether is how many patients an answer to a query has.
const foundTogether = 5
