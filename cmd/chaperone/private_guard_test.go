package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone/internal/clinicsim"
)

const privateSite = `site: north
log: json
metrics: ${metrics}
inside: [127.0.0.0/8]
ledger: ${DIR}/ledger
keys: ${DIR}/keys
identity: {authority: ${DIR}/authority, certificate: ${DIR}/own/guard.pem, key: ${DIR}/own/guard.key}
parties:
  - {name: lab, role: lab, applications: [LAB@NORTH], addresses: [127.0.0.1/32]}
  - {name: ehr, role: engine, applications: [EHR@NORTH]}
  - {name: ct1, role: modality, titles: [CT1], addresses: [127.0.0.2/32]}
  - {name: pacs, role: pacs, titles: [PACS]}
  - {name: viewer1, role: viewer, titles: [VIEWER1], addresses: [127.0.0.3/32]}
  - {name: ct-service, role: vendor, approval: true, addresses: [127.0.0.4/32]}
grants:
  - {name: results, parties: [lab], actions: [hl7.send], to: [ehr]}
  - {name: questions, parties: [lab], actions: [hl7.query], to: [self]}
  - {name: images, parties: [ct1], actions: [dicom.associate, dicom.store], to: [pacs]}
  - {name: looks, parties: [viewer1], actions: [dicom.associate, dicom.find], to: [self], whose: all, budget: {24h: 600}}
  - {name: service, parties: [ct-service], actions: [tcp.connect], to: [ct1]}
listeners:
  - {name: hl7, protocol: hl7, listen: "${hl7}", upstream: {address: "${ENGINE}", tls: none, party: ehr}, spool: {bytes: 64MiB}}
  - {name: clear, protocol: hl7, listen: "${clear}", tls: none, because: a test, upstream: {address: "${ENGINE}", tls: none, party: ehr}}
  - {name: seen, protocol: hl7, listen: "${seen}", tls: none, because: a test, mode: observe, upstream: {address: "${ENGINE}", tls: none, party: ehr}}
  - {name: images, protocol: dicom, listen: "${images}", tls: none, because: a test, upstream: {address: "${ARCHIVE_TLS}", party: pacs}, spool: {bytes: 64MiB}}
  - {name: images-seen, protocol: dicom, listen: "${images_seen}", tls: none, because: a test, mode: observe, upstream: {address: "${ARCHIVE}", tls: none, party: pacs}}
  - {name: desktop, protocol: tcp, listen: "${desktop}", tls: none, because: a test, upstream: {address: "${DESKTOP}", tls: none, party: ct1}}
`

const privateCases = `cases:
  - {name: a result, party: lab, action: hl7.send, to: ehr, permit: true}
`

// guardedSite is a guard that runs, and the systems behind it.
type guardedSite struct {
	*private
	dir, site string
	address   map[string]string // in privateSite; device is that of a companion
	said      func() string     // by the guard
	stop      []func()          // what runs
	engine    *engine
	behind    *peer // the engine's
	images    *peer // the archive, behind a companion
}

// guarded passes marked patients through a guard and a companion, has others refused and kept, and calls the commands that are about a guard.
func (p *private) guarded() {
	p.Helper()
	g := p.newGuardedSite()
	g.begin()
	g.messages()
	g.oddities()
	g.associations()
	g.approvals()
	g.kept()
	g.keptImage()
	g.live()
	g.monitored()
	for _, stop := range slices.Backward(g.stop) {
		stop()
	}
	g.afterwards()
}

func (p *private) newGuardedSite() *guardedSite {
	p.Helper()
	g := &guardedSite{private: p, dir: p.at("guard"), site: filepath.Join(p.asked, "site.yaml"), address: map[string]string{}, engine: &engine{}}
	authority := []string{"--authority", filepath.Join(g.dir, "authority")}
	enroll := func(args ...string) {
		p.Helper()
		p.call(0, "", append(append([]string{"enroll"}, args...), authority...)...)
	}
	enroll("init", "--site", "north")
	enroll("guard", "--server", "--dns", "guard", "--address", "127.0.0.1", "--out", filepath.Join(g.dir, "own"))
	enroll("lab", "--out", filepath.Join(g.dir, "lab"))
	enroll("pacs", "--server", "--address", "127.0.0.1", "--out", filepath.Join(g.dir, "pacs"))
	enroll("old", "--out", filepath.Join(g.dir, "old"))
	enroll("renew", "old", "--out", filepath.Join(g.dir, "old"))
	enroll("revoke", "old", "--reason", "keyCompromise")
	enroll("list")
	enroll("list", "--json")

	g.behind = newPeer(p.T, g.engine.serve)
	images, desktop := newPeer(p.T, (&archive{}).serve), newPeer(p.T, echo)
	g.images = images
	inward, stop := p.start(g.companion("pacs", "--inward", "--listen", "127.0.0.1:0", "--to", images.address)...)
	g.stop = append(g.stop, stop)
	g.free("metrics", "hl7", "clear", "seen", "images", "images_seen", "desktop")
	g.address["DIR"], g.address["ENGINE"], g.address["ARCHIVE"], g.address["DESKTOP"] = filepath.ToSlash(g.dir), g.behind.address, images.address, desktop.address
	g.address["ARCHIVE_TLS"] = p.word(inward, "listening at ")
	p.must(os.WriteFile(g.site, []byte(os.Expand(privateSite, func(name string) string { return g.address[name] })), 0o600))
	p.call(0, "", "guard", "--site", g.site, "--check")
	p.call(0, "", "guard", "--example")
	cases := filepath.Join(p.asked, "cases.yaml")
	p.must(os.WriteFile(cases, []byte(privateCases), 0o600))
	p.call(0, "", "policy", "test", cases, "--site", g.site)
	p.call(0, "", "policy", "test", cases, "--site", g.site, "--json")
	return g
}

// begin starts the guard, and a companion before it.
func (g *guardedSite) begin() {
	g.Helper()
	var stopGuard func()
	g.said, stopGuard = g.start("guard", "--site", g.site, "--drain", "5s", "--ledger-reserve", "0")
	for _, name := range []string{"hl7", "clear", "seen", "images", "images-seen", "desktop"} {
		g.word(g.said, `"listening","listener":"`+name+`","address":"`)
	}
	beside, stopCompanion := g.start(g.companion("lab", "--listen", "127.0.0.1:0", "--to", g.address["hl7"])...)
	g.address["device"] = g.word(beside, "listening at ")
	g.stop = append(g.stop, stopGuard, stopCompanion)
}

// companion is the command of one beside the device of a party.
func (g *guardedSite) companion(party string, args ...string) []string {
	device := filepath.Join(g.dir, party)
	return append([]string{"companion", "--site", "north", "--authority", device, "--certificate", filepath.Join(device, party+".pem"), "--key", filepath.Join(device, party+".key")}, args...)
}

// free finds addresses at which nobody listens.
func (g *guardedSite) free(names ...string) {
	g.Helper()
	for _, name := range names {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		g.must(err)
		defer l.Close() // when all are different
		g.address[name] = l.Addr().String()
	}
}

// kept has messages kept while the engine is away, rejected when it is back, and sent again. What lies on disk meanwhile is sealed.
func (g *guardedSite) kept() {
	g.Helper()
	const messages = 60
	g.behind.leave()
	g.send(g.address["device"], 20_000, 20_000+messages)
	g.list("waiting", messages)
	g.sealed("*.spool", 1)
	g.engine.rejects.Store(true)
	g.behind.come(g.T)
	g.list("rejected", messages)
	g.sealed("rejected/*.spool", messages)
	g.call(0, "", "spool", "--site", g.site)
	g.call(0, "", "__complete", "spool", "again", "--site", g.site, "")
	g.call(0, "", "spool", "again", "c200000", "--site", g.site)
	g.call(statusNot, "", "spool", "again", mark, "--site", g.site)
	g.engine.rejects.Store(false)
	g.call(0, "", "spool", "again", "--all", "--listener", "hl7", "--site", g.site)
	g.list("rejected", 0)
	g.list("waiting", 0)
}

// keptImage has an image kept while the archive is away and its companion is not, and delivered when it is back.
func (g *guardedSite) keptImage() {
	g.Helper()
	g.images.leave()
	if err := g.associate(g.address["images"], "CT1", clinicsim.CTImage, func(a *clinicsim.Association) { storeOne(a, 0) }); err != nil {
		g.Errorf("an image was not kept: %v: %s", err, lastLine(g.said()))
	}
	g.list("waiting", 1)
	if n := g.unmarked(filepath.Join(g.dir, "spool", "images")); n < 3 {
		g.Errorf("%d files of the spool: the test looks at nothing", n)
	}
	g.call(0, "", "spool", "--site", g.site)
	g.images.come(g.T)
	g.list("waiting", 0)
}

// sealed looks at the files of the spool while something is in it.
func (g *guardedSite) sealed(pattern string, least int) {
	g.Helper()
	files, err := filepath.Glob(filepath.Join(g.dir, "spool", "hl7", pattern))
	g.must(err)
	size := 0
	for _, file := range files {
		g.unmarked(file)
		b, err := os.ReadFile(file)
		g.must(err)
		size += len(b)
	}
	if len(files) < least || size < 60*len(markedMessage(17)) {
		g.Errorf("%s: %d files with %d bytes: the test looks at nothing", pattern, len(files), size)
	}
}

// list waits until so many messages of the spool are in a state.
func (g *guardedSite) list(state string, want int) {
	g.Helper()
	g.eventually(fmt.Sprintf("%d messages %s", want, state), func() bool {
		return strings.Contains(lastLine(g.call(0, "", "spool", "--site", g.site, "--json")), fmt.Sprintf(`"%s":%d`, state, want))
	})
}

// eventually waits until something is so.
func (p *private) eventually(what string, so func() bool) {
	p.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			p.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// live asks and copies the ledger while the guard records in it.
func (g *guardedSite) live() {
	g.Helper()
	rows := g.call(0, "", g.own("disclosures", "--json", "--live")...)
	number := "hl7 NORTH " + mark + "000017\n"
	for _, args := range [][]string{
		{"scope", "--detail", "--json"}, {"digest"}, {"ledger", "status", "--json"}, {"ledger", "note"}, {"ledger", "export", "--json"}, {"ledger", "prove", firstID(g.T, rows)},
		{"ledger", "prove", "--count", "--party", "ehr"}, {"ledger", "backup", g.at("live copy")}, {"policy", "explain", firstID(g.T, rows), "--site", g.site},
		{"approve", "list", "--check", "--site", g.site},
		{"policy", "replay", "--site", g.site}, {"policy", "replay", "--site", g.site, "--json"},
	} {
		g.call(0, "", g.own(append(args, "--live")...)...)
	}
	g.call(0, number, g.own("scope", "--patient", "--live")...)
	g.call(0, number, g.own("report", "--as", "accounting", "--patient", "--json", "--live")...)
	var summary struct{ Patients int }
	p := lastLine(g.call(0, "", g.own("scope", "--json", "--live")...))
	if err := json.Unmarshal([]byte(p), &summary); err != nil || summary.Patients < markedPatients+400+2*foundTogether {
		g.Errorf("got %d patients on record: the test looks at nothing (%v)", summary.Patients, err)
	}
}

// own adds which ledger is meant: the guard's.
func (g *guardedSite) own(args ...string) []string {
	return append(args, "--ledger", filepath.Join(g.dir, "ledger"), "--keys", filepath.Join(g.dir, "keys"))
}

// monitored keeps what the guard tells machines.
func (g *guardedSite) monitored() {
	g.Helper()
	for _, page := range []string{"metrics", "healthz"} {
		answer, err := http.Get("http://" + g.address["metrics"] + "/" + page)
		g.must(err)
		b, err := io.ReadAll(answer.Body)
		g.must(errors.Join(err, answer.Body.Close()))
		if len(b) == 0 {
			g.Errorf("%s is empty", page)
		}
		g.must(os.WriteFile(g.at(page), b, 0o600))
	}
	for _, word := range []string{`"observed":true`, "budget-24h", "identity-application", "ambiguous", "malformed", "break-glass", "kept apart"} {
		if !strings.Contains(g.said(), word) {
			g.Errorf("the log does not say %q: the test shows less than it should", word)
		}
	}
}

// afterwards asks the ledger when the guard is not there any more.
func (g *guardedSite) afterwards() {
	g.Helper()
	g.call(0, "", g.own("ledger", "verify", "--deep")...)
	g.call(0, "", g.own("digest")...)
}

// firstID gives the id of the first disclosure in JSON Lines.
func firstID(t *testing.T, rows string) string {
	t.Helper()
	line, _, _ := strings.Cut(rows, "\n")
	var row struct{ ID string }
	if err := json.Unmarshal([]byte(line), &row); err != nil {
		t.Fatalf("no disclosure is on record: %v", err)
	}
	return row.ID
}
