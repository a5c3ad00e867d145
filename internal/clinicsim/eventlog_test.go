package clinicsim

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// winEvents makes n events of the kinds that tell a break-in: guesses, a logon, its rights, a service, a cleared log.
func winEvents(n int) []WinEvent {
	const security, audit = "Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-A5BA-3E3B0328C30D}"
	at := time.Date(2026, 11, 8, 1, 2, 3, 456789100, time.UTC)
	base := func(id uint16, provider, guid, channel string) WinEvent {
		return WinEvent{ID: id, Provider: provider, ProviderGUID: guid, Channel: channel, Computer: "PRAXIS-SRV.praxis.example",
			Process: 612, Thread: 4711, Keywords: 0x8010000000000000}
	}
	guess := base(4625, security, audit, "Security")
	guess.Task = 12544
	guess.Data = []WinField{{"SubjectUserSid", "S-1-0-0"}, {"SubjectUserName", "-"}, {"SubjectLogonId", "0x0"},
		{"TargetUserName", "Ärztin"}, {"TargetDomainName", ""}, {"Status", "0xc000006d"}, {"FailureReason", "%%2313"},
		{"SubStatus", "0xc000006a"}, {"LogonType", "3"}, {"LogonProcessName", "NtLmSsp "}, {"WorkstationName", "kali<&>"},
		{"IpAddress", "203.0.113.66"}, {"IpPort", "0"}}
	logon := base(4624, security, audit, "Security")
	logon.Version = 2
	logon.Data = []WinField{{"TargetUserSid", "S-1-5-21-1111111111-2222222222-3333333333-500"}, {"TargetUserName", "Administrator"},
		{"TargetLogonId", "0x3e71a2b3"}, {"LogonType", "10"}, {"LogonGuid", "{00000000-0000-0000-0000-00000000002A}"}, {"IpAddress", "203.0.113.66"}}
	cleared := base(1102, "Microsoft-Windows-Eventlog", "{FC65DDD8-D6EF-4962-83D5-6E5CFE9CE148}", "Security")
	cleared.Level, cleared.UserData = 4, "LogFileCleared"
	cleared.Data = []WinField{{"SubjectUserSid", "S-1-5-18"}, {"SubjectUserName", "Administrator"}, {"SubjectLogonId", "0x3e71a2b3"}}
	remote := base(1149, "Microsoft-Windows-TerminalServices-RemoteConnectionManager", "", "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational")
	remote.Level, remote.UserData, remote.User = 4, "EventXML", "S-1-5-20"
	remote.Data = []WinField{{"Param1", "Administrator"}, {"Param2", ""}, {"Param3", "203.0.113.66"}}
	old := base(1000, "Praxisprogramm", "", "Application")
	old.Computer, old.Data = "EMPFANG", []WinField{{"", "first text"}, {"", "second text"}}

	kinds := []WinEvent{guess, guess, logon, remote, cleared, old}
	all := make([]WinEvent, n)
	for i := range all {
		all[i] = kinds[i%len(kinds)]
		all[i].Time = at.Add(time.Duration(i) * 1234567 * 100)
	}
	return all
}

// shownEvent is an event as evtxexport shows it.
type shownEvent struct {
	Provider struct {
		Name string `xml:",attr"`
		Guid string `xml:",attr"`
	} `xml:"System>Provider"`
	ID       uint16 `xml:"System>EventID"`
	Level    uint8  `xml:"System>Level"`
	Keywords string `xml:"System>Keywords"`
	Time     struct {
		SystemTime time.Time `xml:",attr"`
	} `xml:"System>TimeCreated"`
	Record   uint64 `xml:"System>EventRecordID"`
	Channel  string `xml:"System>Channel"`
	Computer string `xml:"System>Computer"`
	Security struct {
		UserID string `xml:",attr"`
	} `xml:"System>Security"`
	Data []struct {
		Name  string `xml:",attr"`
		Value string `xml:",chardata"`
	} `xml:"EventData>Data"`
	UserData struct {
		Element struct {
			XMLName xml.Name
			Leaves  []struct {
				XMLName xml.Name
				Value   string `xml:",chardata"`
			} `xml:",any"`
		} `xml:",any"`
	}
}

// TestEventLogPeer lets libevtx read what was written.
func TestEventLogPeer(t *testing.T) {
	tool, err := exec.LookPath("evtxexport")
	if err != nil {
		t.Skip("evtxexport is not installed (Debian: libevtx-utils)")
	}
	events := winEvents(600)
	path := filepath.Join(t.TempDir(), "Security.evtx")
	var b bytes.Buffer
	if err := WriteEventLog(&b, events); err != nil {
		t.Fatal(err)
	}
	if n := (b.Len() - logHeader) / chunkSize; n < 3 {
		t.Fatalf("got %d chunks, want several", n)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, "-f", "xml", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := bytes.Cut(out, []byte("\n"))
	d := xml.NewDecoder(bytes.NewReader(text))
	for i, e := range events {
		var got shownEvent
		if err := d.Decode(&got); err != nil {
			t.Fatalf("event %d: %v", i+1, err)
		}
		if got, want := showPeer(got), showEvent(e, i+1); got != want {
			t.Fatalf("event %d: got\n%s\nwant\n%s", i+1, got, want)
		}
	}
	var more shownEvent
	if err := d.Decode(&more); err == nil {
		t.Error("there are more events than were written")
	}
}

func showPeer(e shownEvent) string {
	s := fmt.Sprintln(e.Record, e.ID, e.Level, e.Keywords, e.Time.SystemTime.UTC(), e.Provider.Name, e.Provider.Guid, e.Channel, e.Computer, e.Security.UserID, e.UserData.Element.XMLName.Local)
	for _, f := range e.Data {
		s += fmt.Sprintf("%s=%s\n", f.Name, unpad(f.Value))
	}
	for _, f := range e.UserData.Element.Leaves {
		s += fmt.Sprintf("%s=%s\n", f.XMLName.Local, unpad(f.Value))
	}
	return s
}

func showEvent(e WinEvent, record int) string {
	s := fmt.Sprintln(record, e.ID, e.Level, fmt.Sprintf("0x%016x", e.Keywords), e.Time.UTC().Truncate(100), e.Provider, e.ProviderGUID, e.Channel, e.Computer, e.User, e.UserData)
	for _, f := range e.Data {
		s += fmt.Sprintf("%s=%s\n", f.Name, f.Value)
	}
	return s
}

// unpad takes off the zeros that libevtx puts in front of hexadecimal numbers; Windows does not.
func unpad(s string) string {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok {
		return s
	}
	if digits = strings.TrimLeft(digits, "0"); digits == "" {
		digits = "0"
	}
	return "0x" + digits
}

func TestEventLogIsDeterministic(t *testing.T) {
	var a, b bytes.Buffer
	started := time.Now()
	if err := WriteEventLog(&a, winEvents(20_000)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(started)
	if err := WriteEventLog(&b, winEvents(20_000)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same events gave different bytes")
	}
	if took > 10*time.Second {
		t.Errorf("20000 events took %v", took)
	}
	t.Logf("20000 events: %d bytes, %v", a.Len(), took)
}

func TestEventLogEdges(t *testing.T) {
	var b bytes.Buffer
	if err := WriteEventLog(&b, nil); err != nil || b.Len() != logHeader+chunkSize {
		t.Errorf("no events: got %d bytes and %v", b.Len(), err)
	}
	huge := winEvents(2)
	huge[1].Data = []WinField{{"Text", strings.Repeat("x", chunkSize)}}
	if err := WriteEventLog(&b, huge); err == nil {
		t.Error("an event larger than a chunk was written")
	}
}
