package detect

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
)

// opens lets a system open a port of another.
func opens(when time.Time, from, to netip.Addr, port uint16, edits ...func(*exchange.Contact)) func(*scene) {
	return func(s *scene) { s.connect(when, from, to, port, edits...) }
}

func TestDevice(t *testing.T) {
	smb, rdp := speaks(chaperone.SMB), speaks(chaperone.RDP)
	const acts = "device-acts-like-pc high ct>shares"
	trials := []trial{
		{name: "a modality opens shared files", play: opens(at(3, 9, 0), ct, shares, 445, smb), want: acts},
		{name: "a remote desktop on another port", play: opens(at(3, 9, 0), ct, shares, 33890, rdp), want: acts},
		{name: "in vain", play: opens(at(3, 9, 0), ct, shares, 445, failed), want: acts},
		{name: "an engine does", play: opens(at(3, 9, 0), engine, shares, 445, smb), want: "device-acts-like-pc high engine>shares"},
		{name: "a workstation does: everyday work", play: opens(at(3, 9, 0), desk, shares, 445, smb)},
		{name: "a viewer does", play: opens(at(3, 9, 0), viewer, shares, 445, smb)},
		{name: "a device speaks what it should", play: opens(at(3, 9, 0), ct, planner, 104, speaks(chaperone.DICOM))},
		{name: "a known protocol on a port of others", play: opens(at(3, 9, 0), ct, planner, 22, speaks(chaperone.DICOM))},
		{name: "an unknown protocol on a port of nothing", play: opens(at(3, 9, 0), ct, planner, 8080)},
		{name: "who began is not certain", play: opens(at(3, 9, 0), ct, shares, 445, smb, midstream)},
		{name: "the first day is learning", play: opens(at(1, 23, 59), ct, shares, 445, smb)},
		{name: "the second day is not", play: opens(at(2, 0, 0), ct, shares, 445, smb), want: acts},
		{name: "it did so on the first day", play: after(opens(at(5, 9, 0), ct, shares, 445, smb), opens(at(1, 9, 0), ct, shares, 445, smb))},
		{name: "another port of a system that it knows", play: after(opens(at(1, 9, 0), ct, shares, 445, smb), opens(at(5, 9, 0), ct, shares, 3389, rdp)), want: acts},
		{name: "another system than it knows", play: after(opens(at(1, 9, 0), ct, gate, 445, smb), opens(at(5, 9, 0), ct, shares, 445, smb)), want: acts},
		{name: "two ports are two findings", play: after(opens(at(3, 9, 0), ct, shares, 445, smb), opens(at(3, 9, 0), ct, shares, 3389, rdp)), want: acts + "; " + acts},
		{name: "the outside", play: opens(at(3, 9, 0), ct, vendor, 443), want: "device-outside medium ct>vendor"},
		{name: "the outside's desktop", play: opens(at(3, 9, 0), ct, vendor, 3389, rdp), want: "device-outside medium ct>vendor"},
		{name: "the outside, in vain", play: opens(at(3, 9, 0), ct, vendor, 443, failed)},
		{name: "the outside, as since the first day", play: after(opens(at(1, 9, 0), ct, vendor, 443), opens(at(3, 9, 0), ct, vendor, 443))},
		{name: "a workstation goes outside", play: opens(at(3, 9, 0), desk, vendor, 443)},
		{name: "the outside comes to a device", play: opens(at(3, 9, 0), vendor, ct, 3389, rdp)},
	}
	for _, port := range []uint16{22, 23, 135, 139, 445, 1433, 1521, 3306, 3389, 5432, 5900, 5985, 5986} {
		trials = append(trials, trial{name: fmt.Sprintf("port %d, whatever it speaks", port), play: opens(at(3, 9, 0), ct, shares, port), want: acts})
	}
	try(t, week, trials, DeviceActs, DeviceOutside)
}

// TestDeviceShort: where the evidence is too short to say what is usual, what a device should never do is told more softly.
func TestDeviceShort(t *testing.T) {
	smb := speaks(chaperone.SMB)
	try(t, evening, []trial{
		{name: "shared files", play: opens(at(1, 19, 0), ct, shares, 445, smb), want: "device-acts-like-pc medium ct>shares"},
		{name: "what it should", play: opens(at(1, 19, 0), ct, planner, 104, speaks(chaperone.DICOM))},
		{name: "the outside", play: opens(at(1, 19, 0), ct, vendor, 443)},
		{name: "a workstation", play: opens(at(1, 19, 0), desk, shares, 445, smb)},
	}, DeviceActs, DeviceOutside, NewRemote)
}

func TestNewRemote(t *testing.T) {
	smb := speaks(chaperone.SMB)
	const found = "new-remote-access info desk>gate"
	try(t, week, []trial{
		{name: "a workstation opens shared files", play: opens(at(3, 9, 0), desk, gate, 445, smb), want: found},
		{name: "a shell", play: opens(at(3, 9, 0), desk, gate, 22), want: found},
		{name: "a page", play: opens(at(3, 9, 0), desk, gate, 443)},
		{name: "in vain", play: opens(at(3, 9, 0), desk, gate, 445, failed)},
		{name: "in vain on the first day, with success later", play: after(opens(at(1, 9, 0), desk, gate, 445, failed), opens(at(3, 9, 0), desk, gate, 445, smb)), want: found},
		{name: "the first day is learning", play: opens(at(1, 9, 0), desk, gate, 445, smb)},
		{name: "from outside", play: opens(at(3, 9, 0), thief, gate, 3389)},
		{name: "to the outside", play: opens(at(3, 9, 0), desk, thief, 22)},
		{name: "a device: another rule says it", play: opens(at(3, 9, 0), ct, gate, 445, smb)},
	}, NewRemote)
}

// TestDeviceSays: what was opened, when, how often.
func TestDeviceSays(t *testing.T) {
	s := week()
	s.connect(at(3, 9, 0), ct, shares, 445, failed)
	s.connect(at(3, 9, 1), ct, shares, 445, speaks(chaperone.SMB))
	s.connect(at(4, 9, 0), engine, vendor, 443, failed)
	s.connect(at(4, 9, 1), engine, vendor, 443)
	s.connect(at(4, 9, 2), engine, vendor, 443)
	s.connect(at(5, 9, 0), desk, gate, 5900)
	for i, want := range []struct {
		title       string
		first, last time.Time
		count       int
		packet      int64
	}{
		{"A modality opened shared files (SMB) to a system that it never used before: it acts like a PC.", at(3, 9, 0), at(3, 9, 1), 2, 1},
		{"A HL7 engine connected to an outside address that it never used before.", at(4, 9, 1), at(4, 9, 2), 3, 4},
		{"A system opened port 5900 to another for the first time.", at(5, 9, 0), at(5, 9, 0), 1, 6},
	} {
		f := s.judged(DeviceActs, DeviceOutside, NewRemote)[i]
		if f.Title != want.title {
			t.Errorf("got  %s\nwant %s", f.Title, want.title)
		}
		if !f.First.Equal(want.first) || !f.Last.Equal(want.last.Add(time.Second)) || f.Count != want.count || f.Evidence.Packet != want.packet {
			t.Errorf("got %d from %s to %s, packet %d; want %+v", f.Count, f.First, f.Last, f.Evidence.Packet, want)
		}
	}
}

// TestWays: whoever got through to another's desktop or files, and when first, new or not; a story asks for them.
func TestWays(t *testing.T) {
	s := week()
	s.connect(at(1, 9, 0), desk, gate, 3389, speaks(chaperone.RDP))
	s.connect(at(2, 9, 0), thief, gate, 3389, failed)
	s.connect(at(2, 12, 0), thief, gate, 3389, speaks(chaperone.RDP))
	s.connect(at(2, 10, 0), thief, gate, 3389, speaks(chaperone.RDP))
	s.connect(at(2, 9, 0), thief, shares, 445, failed)
	s.connect(at(2, 9, 0), desk, gate, 443)
	s.connect(at(3, 9, 0), ct, shares, 445, speaks(chaperone.SMB))
	got := ""
	for _, f := range s.Ways() {
		got += fmt.Sprintf("%s>%s %s, packet %d; ", end(f.From), end(f.To), f.First.Format("2 15:04"), f.Evidence.Packet)
	}
	if want := "ct>shares 5 09:00, packet 7; desk>gate 3 09:00, packet 1; thief>gate 4 10:00, packet 4; "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
