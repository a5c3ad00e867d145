package investigate

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/detect"
	"chaperone/incident"
	"chaperone/inventory"
	"chaperone/page"
	"chaperone/patient"
	"chaperone/watch"
)

// night is when the invented theft begins.
var night = time.Date(2026, 3, 12, 1, 12, 0, 0, time.UTC)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// invent makes a report of a theft in a clinic with some systems; bad is added to every name.
func invent(systems int, bad string) *Report {
	intruder, entry, server, archive, files := addr("203.0.113.77"), addr("192.0.2.10"), addr("192.0.2.20"), addr("192.0.2.30"), addr("192.0.2.31")
	all := []inventory.System{
		{Addr: entry, Names: []inventory.Name{{Text: "RDS-FRONT" + bad, From: "RDP"}}, Role: inventory.Server, Sure: 0.97, Signs: []inventory.Sign{{Text: "lets users in by remote desktop", Hours: 9}}, Connections: 412},
		{Addr: server, Names: []inventory.Name{{Text: "READING-03" + bad, From: "SMB"}}, Role: inventory.Viewer, Sure: 0.98},
		{Addr: archive, Claimed: []string{"PACS_MAIN" + bad}, Role: inventory.PACS, Sure: 1, Connections: 12345},
		{Addr: files, Names: []inventory.Name{{Text: "FS1" + bad, From: "SMB"}}, Role: inventory.FileServer, Sure: 0.99},
	}
	edges := []watch.Edge{{From: chaperone.Party{Addr: archive}, To: chaperone.Party{Addr: server, Claimed: "READ3" + bad}, Protocol: chaperone.DICOM, Protection: chaperone.InClear, Messages: 4900, Records: 19800, Patients: 4812, First: night, Last: night.Add(2 * time.Hour)}}
	roles := []inventory.Role{inventory.Modality, inventory.Viewer, inventory.Workstation, inventory.Engine, inventory.Unknown}
	for i := len(all); i < systems; i++ {
		a := netip.AddrFrom4([4]byte{192, 0, 2, byte(40 + i)})
		role := roles[i%len(roles)]
		all = append(all, inventory.System{Addr: a, Claimed: []string{fmt.Sprintf("%s_%02d%s", []string{"CT", "READER", "DESK", "ENGINE", "HOST"}[i%5], i, bad)}, Role: role, Sure: 0.96})
		one, other := a, archive
		if role == inventory.Viewer {
			one, other = archive, a
		}
		edges = append(edges, watch.Edge{From: chaperone.Party{Addr: one}, To: chaperone.Party{Addr: other}, Protocol: chaperone.DICOM, Protection: chaperone.InClear, Messages: 10 * i, Records: 30 * i, Patients: 7 * i, First: night.Add(-40 * time.Hour), Last: night})
		if i%7 == 0 {
			edges = append(edges, watch.Edge{From: chaperone.Party{Addr: all[4].Addr}, To: chaperone.Party{Addr: a}, Protocol: chaperone.HL7, Messages: i, Records: i, Patients: i, First: night, Last: night})
		}
	}
	all = append(all, inventory.System{Addr: addr("192.0.2.250")}, inventory.System{Addr: addr("198.51.100.9"), Role: inventory.Outside, Sure: 1}, inventory.System{Addr: intruder, Role: inventory.Outside, Sure: 1})
	site := &inventory.Site{Systems: all, Own: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Why: "given", Begin: night.Add(-50 * time.Hour), End: night.Add(80 * time.Hour)}
	find := func(rule string, sev chaperone.Severity, technique, title string, from, to netip.Addr, after time.Duration, lasts time.Duration, record uint64) chaperone.Finding {
		e := chaperone.Evidence{File: "evidence/lan" + bad + ".pcap", Packet: 18231}
		if record > 0 {
			e = chaperone.Evidence{File: "evidence/Security" + bad + ".evtx", Record: record}
		}
		return chaperone.Finding{Rule: rule, Severity: sev, Technique: technique, Title: title + bad, Advice: "Close remote desktop to the outside; let users in over a VPN with a second factor." + bad,
			From: chaperone.Party{Addr: from}, To: chaperone.Party{Addr: to}, Account: "m.keller" + bad, First: night.Add(after), Last: night.Add(after + lasts), Count: 3, Evidence: e}
	}
	none := netip.Addr{}
	stages := map[incident.Stage][]chaperone.Finding{
		incident.Guessed:   {find(detect.RDPGuessed, chaperone.High, "T1110.001", "1,204 failed logons from one outside address.", intruder, entry, -7*time.Hour, 6*time.Hour, 4711)},
		incident.Entered:   {find(detect.GuessedIn, chaperone.Critical, "T1078", "A password was guessed: a logon succeeded after the failures.", intruder, entry, 0, 0, 5934)},
		incident.Escalated: {find(detect.Privileges, chaperone.Medium, "T1078.002", "The session has administrator's privileges.", intruder, entry, time.Second, 0, 5935)},
		incident.Moved:     {find(detect.DeviceActs, chaperone.High, "T1021.001", "It opened a remote desktop it had never opened before.", entry, server, 19*time.Minute, 0, 0), find(detect.FanOut, chaperone.Medium, "T1046", "It tried 54 systems in a minute.", entry, none, 6*time.Minute, time.Minute, 0)},
		incident.Collected: {find(detect.StoreSweep, chaperone.Critical, "T1213", "It asked the archive for everything.", server, archive, 31*time.Minute, 95*time.Minute, 0)},
		incident.Left:      {find(detect.Volume, chaperone.High, "T1048", "18.2 GB left to an address nobody had used before.", server, addr("198.51.100.9"), 2*time.Hour, 50*time.Minute, 0)},
	}
	story := incident.Story{Intruder: []netip.Addr{addr("198.51.100.9"), intruder}, Entry: entry, Reached: []netip.Addr{entry, server}}
	r := &Report{Watch: &watch.Result{Site: site, Systems: all, Edges: edges, Patients: patient.Counts{Patients: 9120}}, Read: night.Add(100 * time.Hour), Took: 43 * time.Second}
	for _, stage := range incident.Stages {
		s := incident.Step{Stage: stage, Because: "a capture of the public address in the days before would show it" + bad}
		if list := stages[stage]; len(list) > 0 {
			s = incident.Step{Stage: stage, Found: true, First: list[0].First, Last: list[0].Last, Says: list[0].Title, Belief: incident.Observed, Because: "the same target, and the address that came in", Findings: list, Account: list[0].Account}
			if list[0].Evidence.Record > 0 {
				s.Belief = incident.Logged
			}
			for _, f := range list {
				s.By, s.At = with(s.By, f.From.Addr), with(s.At, f.To.Addr)
			}
			r.Watch.Findings = append(r.Watch.Findings, list...)
		}
		story.Steps = append(story.Steps, s)
	}
	posted := night.Add(60 * time.Hour)
	story.Steps[8] = incident.Step{Stage: incident.Offered, Found: true, First: posted, Last: posted, Says: "The records are offered at market" + bad + " for 4 BTC.", Belief: incident.Inferred, Because: "numbers in the dump are those of patients in this evidence"}
	story.Taken = incident.Taken{Patients: patient.Counts{Patients: 4812, Min: 4790, Max: 5017, Weak: 3}, Unidentified: 12, Records: 19800, Bytes: 18e9, Outside: 18.2e9,
		Sources: []incident.Source{{From: chaperone.Party{Addr: archive, Claimed: "PACS_MAIN" + bad}, To: chaperone.Party{Addr: server, Claimed: "READ3"}, Protocol: chaperone.DICOM, Action: "C-STORE", Patients: 4812, Records: 19800, First: night.Add(31 * time.Minute), Last: night.Add(2 * time.Hour), Evidence: chaperone.Evidence{File: "evidence/lan.pcap", Packet: 90210}}},
		Files:   []incident.File{{Name: `\\FS1\share\patients` + bad + `.mdb`, Size: 81e6, Read: 81e6, By: server, At: files, Time: night.Add(time.Hour), Evidence: chaperone.Evidence{File: "evidence/lan.pcap", Packet: 70123}}}}
	story.Claims = []incident.Claim{{Evidence: chaperone.Evidence{File: "evidence/post.txt"}, Posted: posted, Place: "market" + bad, Price: "4 BTC", Claimed: 250000, Dump: "evidence/sample.csv", Rows: 500, Proven: 487, Taken: 487, Unmatched: 13}}
	r.Story = story
	for _, f := range r.Watch.Findings[:5] {
		r.Findings = append(r.Findings, Ranked{f, whyUsed})
	}
	for i, name := range []string{"lan.pcap", "Security.evtx", "post.txt", "sample.csv", "notes.docx"} {
		f := File{Path: "evidence/" + bad + name, Kind: []Kind{Capture, EventLog, Offer, Table, Other}[i], Size: 9e8 >> (4 * i), SHA256: strings.Repeat("0123456789abcdef", 4), Items: int64(1 + i*77)}
		if i == 4 {
			f.Items, f.Problem = 0, "no kind of evidence that this program reads"+bad
		}
		r.Files = append(r.Files, f)
	}
	return r
}

func with(list []netip.Addr, a netip.Addr) []netip.Addr {
	if a.IsValid() {
		return append(list, a)
	}
	return list
}

func render(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.HTML(&b, time.UTC); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("PAGES"); dir != "" { // to look at them
		_ = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-")+".html"), b.Bytes(), 0o600)
	}
	return b.String()
}

func TestPage(t *testing.T) {
	got := render(t, invent(9, ""))
	wellFormed(t, got)
	for _, want := range []string{
		"4,812", "at least 4,790, at most 5,017", "RDS-FRONT", "203.0.113.77", "m.keller", "lan.pcap, packet 18231", "Security.evtx, record 5934", "T1110.001",
		"No evidence.", "would show it", "250,000", "487", "unmatched", "PACS_MAIN", "0123456789abcdef", `\\FS1\share\patients.mdb`, "--json", chaperone.Version,
		"Offered them for sale", "1 system without patient records", "the intruder used it", "html lang=", `class="narrow"`, patient.CountingRule[:40],
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	order := []string{"summary", "story", "map", "patients", "fix", "findings", "systems", "evidence", "limits"}
	at := 0
	for _, id := range order {
		i := strings.Index(got, `<section id="`+id+`"`)
		if i < at {
			t.Errorf("section %q is missing or out of order", id)
		}
		at = i
	}
	if n := strings.Count(got, `<li class="gap">`); n != 2 {
		t.Errorf("got %d gaps, want 2", n)
	}
}

func TestPageWithoutStory(t *testing.T) {
	r := invent(9, "")
	r.Story, r.Findings, r.Stopped = incident.Story{}, nil, true
	got := render(t, r)
	wellFormed(t, got)
	for _, want := range []string{"No theft is shown by this evidence", "There is no story to tell", "Nothing was found that has to be fixed", "stopped before everything was read", "PACS_MAIN", "Archives and file servers"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(got, `class="theft"`) || strings.Contains(got, "patients whose records were taken") {
		t.Error("the page shows a theft")
	}
}

// TestEmptyPage: nothing at all was found, and nothing is assumed to be there.
func TestEmptyPage(t *testing.T) {
	wellFormed(t, render(t, &Report{Watch: &watch.Result{Site: &inventory.Site{}}}))
}

// TestPageHarmless puts into every name what intruders would.
func TestPageHarmless(t *testing.T) {
	plain := render(t, invent(9, ""))
	for name, bad := range map[string]string{
		"script": `<script>alert(1)</script>`, "attribute": `" onmouseover="alert(1)`, "image": `'><img src=x onerror=alert(1)>`, "style": `</style><style>*{display:none}`,
		"comment": "<!--", "steering": "a\u202egpj.exe\u2066\u200f\x1b[2J\x00\xff", "lines": "one\ntwo\r\u2028three", "template": "{{.}}", "title": "</title></svg>",
		"marks": "a" + strings.Repeat("\u0316", 400), "long": strings.Repeat("W", 5000), "link": "javascript:alert(1) https://example.org/x",
	} {
		t.Run(name, func(t *testing.T) {
			got := render(t, invent(9, bad))
			wellFormed(t, got)
			if a, b := tags(got), tags(plain); a != b {
				t.Errorf("the names changed the page's elements:\n%.300s", different(a, b))
			}
			for i, r := range got {
				if r != '\n' && page.Steers(r) {
					t.Fatalf("steering character %U at %d", r, i)
				}
			}
			if strings.Contains(got, strings.Repeat("\u0316", 3)) {
				t.Error("marks are piled up")
			}
			if longest := regexp.MustCompile(`W{1000,}`).FindString(got); longest != "" {
				t.Errorf("a name of %d letters is not cut", len(longest))
			}
		})
	}
}

func TestPageIsBounded(t *testing.T) {
	r := invent(40, "")
	for i := range 500 {
		e := r.Watch.Edges[i%30]
		e.From.Claimed = fmt.Sprintf("AE%d", i)
		r.Watch.Edges = append(r.Watch.Edges, e)
		f := r.Watch.Findings[i%5]
		f.Title = strings.Repeat("many words ", 40)
		r.Watch.Findings = append(r.Watch.Findings, f)
		r.Files = append(r.Files, r.Files[0])
	}
	got := render(t, r)
	wellFormed(t, got)
	if len(got) > 1_500_000 {
		t.Errorf("got %d bytes, want at most 1.5 MB", len(got))
	}
	if strings.Count(got, "more; --json has all") != 3 {
		t.Error("the page does not say how much it leaves out")
	}
}

// TestPageLoadsNothing: no reference leaves the page.
func TestPageLoadsNothing(t *testing.T) {
	got := render(t, invent(40, "https://example.org/"))
	if !strings.Contains(got, `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:;`) {
		t.Error("the page has no strict policy")
	}
	for _, m := range regexp.MustCompile(`(?i)\s(src|href|xlink:href|action|srcset|poster|data|background|formaction)\s*=\s*"?([^"\s>]*)`).FindAllStringSubmatch(stripText(got), -1) {
		if !strings.HasPrefix(m[2], "#") && m[2] != "data:," {
			t.Errorf("reference to %q", m[2])
		}
	}
	style := got[strings.Index(got, "<style>"):strings.Index(got, "</style>")]
	for _, word := range []string{"url(", "@import", "expression", "http"} {
		if strings.Contains(style, word) {
			t.Errorf("the style has %q", word)
		}
	}
	for _, word := range []string{"<script", "<iframe", "<object", "<embed", "<form", " onload=", " onclick=", `style="`} {
		if strings.Contains(got, word) {
			t.Errorf("the page has %q", word)
		}
	}
}

// TestPageZones: the page says in which zone its times are, both when clocks change.
func TestPageZones(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no zones on this system")
	}
	r := invent(9, "")
	words := &text{Report: r, zone: zone}
	if got, want := words.zones(), "UTC+01:00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Watch.Site.End = night.Add(30 * 24 * time.Hour)
	if got, want := words.zones(), "UTC+01:00 and UTC+02:00"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
