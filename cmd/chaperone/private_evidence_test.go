package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chaperone/internal/clinicsim"
)

// evidence makes evidence of marked patients, and reads it with each command that does.
func (p *private) evidence() {
	p.Helper()
	capture := p.put("lan.pcap", markedCapture(markedPatients))
	images := p.put("images.pcap", markedImages(markedPatients))
	p.put("dump.csv", markedTable(500))
	p.put("offer.txt", []byte("Selling 10k patient records of a clinic, fresh. Price 2 BTC. Sample: dump.csv\n"))
	p.put("one.dcm", append(append(make([]byte, 128), "DICM"...), markedImage(4).Encode(clinicsim.ExplicitLE)...))
	p.put("one.hl7", clinicsim.Message(clinicsim.Header{From: "REG|CLINIC", To: "EHR|CLINIC", Time: mark, Type: "ADT^A01", Control: mark}, segments(5)...))
	log := p.put("Security.evtx", markedLog())
	names := filepath.Join(p.asked, "names.csv")
	p.must(os.WriteFile(names, []byte("address,name\n192.0.2.10,REG\n192.0.2.60,PACS\n"), 0o600))

	p.call(0, "", "watch", "--propose-site", p.at("site.yaml"), "--names", names, p.dir+"/lan.pcap")
	p.call(0, "", "watch", "--json", capture, images)
	p.call(0, string(markedImages(20)), "watch", "--follow", "--json", "-")
	p.call(0, "", p.ledger("watch", capture, images)...)
	p.call(0, "", "inspect", capture, images, log, filepath.Join(p.dir, "one.dcm"), filepath.Join(p.dir, "one.hl7"), filepath.Join(p.dir, "dump.csv"))
	p.call(0, "", "inspect", "--json", capture, images, log, filepath.Join(p.dir, "one.dcm"))
	p.call(0, "", p.ledger("investigate", "--out", p.at("report"), "--html", p.at("page.html"), p.dir)...)
	p.call(0, "", p.ledger("investigate", "--json", "--names", names, p.dir)...)
}

// ledger adds which ledger is meant: that of the evidence.
func (p *private) ledger(args ...string) []string {
	return append(args, "--ledger", p.at("l"), "--keys", p.at("k"))
}

// recorded asks the ledger of the evidence with each command that does, also beside a witness.
func (p *private) recorded() {
	p.Helper()
	p.witnessed()
	roster, names := filepath.Join(p.asked, "roster.csv"), filepath.Join(p.asked, "names.csv")
	p.must(os.WriteFile(roster, markedTable(3000), 0o600))
	for _, format := range [][]string{nil, {"--json"}} {
		ask := func(args ...string) { p.Helper(); p.call(0, "", p.ledger(append(args, format...)...)...) }
		ask("scope", "--authority", mark, "--roster", roster, "--out", filepath.Join(p.asked, "notify"+strings.Join(format, "")+".csv"))
		ask("scope", "--detail", "--names", names)
		ask("disclosures", "--names", names)
		ask("ledger", "status")
		ask("ledger", "verify", "--deep")
		for _, number := range []string{"hl7 " + mark + " " + mark + "000017\n", "dicom " + mark + " " + mark + "000017\n"} {
			for _, args := range [][]string{{"scope"}, {"disclosures"}, {"report", "--as", "accounting", "--names", names}} {
				p.call(0, number, p.ledger(append(append(args, "--patient"), format...)...)...)
			}
		}
	}
	scope := p.call(0, "", p.ledger("scope", "--detail", "--json")...)
	rows := p.call(0, "", p.ledger("disclosures", "--json")...)
	p.call(0, "", p.ledger("disclosures", "--csv")...)
	p.call(0, "", p.ledger("digest", "--since", "2025-03-03", "--until", "2025-03-05", "--names", names)...)
	p.call(0, "", p.ledger("ledger", "prove", "--count", "--out", p.at("count.json"))...)
	p.call(0, "", p.ledger("ledger", "prove", "--count", "--party", "198.51.100.30", "--protocol", "hl7", "--names", names)...)
	p.call(0, "", p.ledger("ledger", "prove", firstID(p.T, rows))...)
	p.call(0, "", p.ledger("ledger", "export", "--json", "--csv", "--log", "--out", p.at("exported"))...)
	p.call(0, "", p.ledger("ledger", "export", "--csv")...)
	p.call(0, "", p.ledger("ledger", "backup", p.at("copy"))...)
	p.call(0, "", "ledger", "restore", p.at("copy"), "--keys", p.at("k"), "--ledger", p.at("back"), "--unasked")
	p.call(0, "", "ledger", "restore", p.at("copy"), "--keys", p.at("k"), "--ledger", p.at("branch"), "--as-branch", "--unasked")
	p.call(0, "", p.ledger("ledger", "note", "nothing to see")...)
	p.call(0, "", p.ledger("ledger", "note")...)
	p.call(0, "", p.ledger("ledger", "reindex")...)
	p.call(0, "", p.ledger("ledger", "purge", "--day", "2025-03-04", "--dry-run")...)
	p.call(0, "", p.ledger("ledger", "purge", "--day", "2025-03-04", "--yes")...)

	var summary struct{ Patients int }
	if err := json.Unmarshal([]byte(lastLine(scope)), &summary); err != nil || summary.Patients < 2*markedPatients {
		p.Fatalf("got %d patients on record, want at least %d by each protocol: the test looks at nothing (%v)", summary.Patients, markedPatients, err)
	}
	if b, err := os.ReadFile(filepath.Join(p.asked, "notify.csv")); err != nil || len(search(b)) == 0 {
		p.Errorf("the list of people to notify names nobody: the test looks at nothing (%v)", err)
	}
}

// witnessed has what comes last to the ledger cosigned.
func (p *private) witnessed() {
	p.Helper()
	var status struct{ Verifier string }
	p.must(json.Unmarshal([]byte(p.call(0, "", p.ledger("ledger", "status", "--json")...)), &status))
	args := []string{"--dir", p.at("w"), "--name", "witness.example"}
	key := strings.TrimSpace(p.call(0, "", append([]string{"witness", "key"}, args...)...))
	said, stop := p.start(append([]string{"witness", "--listen", "127.0.0.1:0", "--log", status.Verifier}, args...)...)
	url := p.word(said, "listening at ")
	p.must(os.WriteFile(filepath.Join(p.at("l"), witnessesFile), []byte("need 1\nwitness.example "+url+" "+key+"\n"), 0o600))
	p.call(0, "", p.ledger("watch", p.put("more.pcap", markedImages(300)))...)
	p.call(0, "", p.ledger("ledger", "verify")...)
	p.call(0, "", "ledger", "checkpoint", "--ledger", p.at("l"))
	p.call(0, "", "ledger", "checkpoint", "--cosigned", "--ledger", p.at("l"))
	stop()
}

// word waits until a command that runs has said something, and gives the word behind it.
func (p *private) word(said func() string, before string) string {
	p.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, word, ok := strings.Cut(said(), before)
		if i := strings.IndexAny(word, "\", \n"); ok && i >= 0 {
			return strings.TrimSuffix(word[:i], ",")
		}
		if time.Now().After(end) {
			p.Fatalf("it does not say %q, but %s", before, said())
		}
	}
}

// markedLog is an event log of a Windows computer on which people open and print what is named after patients.
func markedLog() []byte {
	at := time.Date(2025, 3, 3, 9, 0, 0, 0, time.UTC)
	var events []clinicsim.WinEvent
	add := func(id uint16, provider, channel string, data ...clinicsim.WinField) {
		at = at.Add(time.Minute)
		events = append(events, clinicsim.WinEvent{Time: at, ID: id, Provider: provider, Channel: channel, Computer: "FILES1", Process: 4, Thread: 8,
			Data: append([]clinicsim.WinField{{Name: "SubjectUserName", Value: "reception"}, {Name: "IpAddress", Value: "192.0.2.10"}}, data...)})
	}
	for range 30 {
		const audit, security = "Microsoft-Windows-Security-Auditing", "Security"
		add(4663, audit, security, clinicsim.WinField{Name: "ObjectName", Value: `C:\patients\` + mark + `^` + mark + `.pdf`})
		add(5145, audit, security, clinicsim.WinField{Name: "RelativeTargetName", Value: mark + `\` + mark + `.docx`})
		add(4688, audit, security, clinicsim.WinField{Name: "CommandLine", Value: `viewer.exe -patient ` + mark})
		add(307, "Microsoft-Windows-PrintService", "Microsoft-Windows-PrintService/Operational", clinicsim.WinField{Name: "Param2", Value: mark + " letter"})
	}
	var b bytes.Buffer
	if err := clinicsim.WriteEventLog(&b, events); err != nil {
		panic(err) // each is smaller than a chunk
	}
	return b.Bytes()
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
