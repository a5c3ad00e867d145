package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
	"chaperone/ledger/disk"
)

// TestMatch: how parties are named.
func TestMatch(t *testing.T) {
	names := map[netip.Addr]string{netip.MustParseAddr("192.0.2.60"): "PACS"}
	party := func(address, claimed string) chaperone.Party {
		p := chaperone.Party{Claimed: claimed}
		if address != "" {
			p.Addr = netip.MustParseAddr(address)
		}
		return p
	}
	proven := func(name, claimed string) chaperone.Party { return chaperone.Party{Proven: name, Claimed: claimed} }
	for _, test := range []struct {
		text  string
		party chaperone.Party
		want  bool
	}{
		{"192.0.2.60", party("192.0.2.60", ""), true}, {"::ffff:192.0.2.60", party("192.0.2.60", ""), true}, {"192.0.2.60", party("192.0.2.61", ""), false},
		{"192.0.2.99/24", party("192.0.2.60", ""), true}, {"::ffff:192.0.2.0/120", party("192.0.2.60", ""), true}, {"2001:db8::/32", party("2001:db8::1", ""), true}, {"pacs", party("", "PACS"), true},
		{"PACS", party("192.0.2.60", "other"), true}, {"REG@CLINIC", party("192.0.2.1", "REG@CLINIC"), true}, {"REG", party("192.0.2.1", "REG@CLINIC"), true}, {"RE", party("192.0.2.1", "REG@CLINIC"), false},
		{"ct1", proven("spiffe://north/party/ct1", "LAB@A5"), true}, {"spiffe://north/party/ct1", proven("spiffe://north/party/ct1", ""), true}, {"ct1", proven("spiffe://north/party/ct12", ""), false},
		{"ct1", proven("spiffe://north", ""), false}, {"CN=ct1,O=Hospital", proven("CN=ct1,O=Hospital", ""), true},
	} {
		t.Run(test.text, func(t *testing.T) {
			list, err := match(test.text, names)
			if err != nil {
				t.Fatal(err)
			}
			got := false
			for _, m := range list {
				got = got || m.Fits(test.party)
			}
			if got != test.want {
				t.Errorf("%v: got %t, want %t", test.party, got, test.want)
			}
		})
	}
	for _, text := range []string{"", "10.1.2", "10.0.0.0/33", "1.2.3.4.5", "2001:db8::/200", "fe80:::1", "::ffff:192.0.2.0/24", "::/0"} {
		if list, err := match(text, nil); err == nil {
			t.Errorf("%q: got %v, want an error", text, list)
		}
	}
}

// TestNetworks: --inside is read as --party is.
func TestNetworks(t *testing.T) {
	own, err := networks([]string{"::ffff:10.20.0.0/112", "192.0.2.7"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"10.20.3.4": true, "::ffff:10.20.3.4": true, "10.21.3.4": false, "192.0.2.7": true, "192.0.2.8": false} {
		if got := within(own, netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: got %t, want %t", text, got, want)
		}
	}
	if own, err := networks([]string{"::ffff:10.20.0.0/16"}); err == nil {
		t.Errorf("got %v, want an error", own)
	}
}

// TestUsualReserve: a new ledger keeps some space, also in a folder that is not there yet.
func TestUsualReserve(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "ledger")
	var said strings.Builder
	free, ok := disk.Room(dir)
	if !ok || free <= 0 {
		t.Fatalf("got %d, %t of room", free, ok)
	}
	want := int64(0)
	if free >= 160<<20 {
		want = 16 << 20
	}
	if got := usual(dir, &said); got != want || (said.Len() == 0) != (want > 0) {
		t.Errorf("got %d and %q, want %d", got, said.String(), want)
	}
}

// TestReserved: how much space is meant.
func TestReserved(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "0": -1, "1MiB": 1 << 20, "64MiB": 64 << 20, "64mib": 64 << 20, "64 MB": 64e6, "1GiB": 1 << 30, "1GB": 1e9} {
		if got, err := reserved(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"64", "MiB", "-1MiB", "1.5GiB", "0MiB", "2GiB", "1TiB", "1kB", "99999999999999999999MiB", "9007199254740993GiB", "1 2MiB"} {
		if got, err := reserved(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

// TestMeant: a day is purged when it was named.
func TestMeant(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	f := purgeFlags{days: []string{"2026-11-27", "2020-02-29"}}
	meant, err := f.meant(now)
	if err != nil {
		t.Fatal(err)
	}
	today := ledger.DayOf(now)
	if !meant(today-1) || meant(today-2) || meant(today) {
		t.Error("other days than those that were named")
	}
	for _, day := range []string{"2026-11-28", "2027-01-01", "1969-12-31", "27.11.2026", "2026-02-30"} {
		if _, err := (&purgeFlags{days: []string{day}}).meant(now); err == nil {
			t.Errorf("%s: want an error", day)
		}
	}
}

// TestThree: how a patient is typed.
func TestThree(t *testing.T) {
	for _, test := range []struct {
		line, authority, number string
		kind                    chaperone.IdentifierKind
		ok                      bool
	}{
		{"hl7 CLINIC 4711", "CLINIC", "4711", chaperone.HL7PatientID, true},
		{"HL7 Testing Lab  4711", "Testing Lab", "4711", chaperone.HL7PatientID, true},
		{"dicom - 4711", "", "4711", chaperone.DICOMPatientID, true},
		{"hl7.PID-3 CLINIC 4711", "CLINIC", "4711", chaperone.HL7PatientID, true},
		{"ssn\t-\t078 05 1120", "", "078 05 1120", chaperone.SSN, true},
		{"4711", "", "", "", false}, {"hl7 4711", "", "", "", false}, {"mrn CLINIC 4711", "", "", "", false}, {"078 05 1120", "", "", "", false},
	} {
		t.Run(strings.ReplaceAll(test.line, "\t", " "), func(t *testing.T) {
			kind, authority, number, ok := three(test.line)
			if ok != test.ok || ok && (kind != test.kind || authority != test.authority || number != test.number) {
				t.Errorf("got %q %q %q %t", kind, authority, number, ok)
			}
		})
	}
}
