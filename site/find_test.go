package site

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// names says which parties were found.
func names(all ...*Party) string {
	var list []string
	for _, p := range all {
		if p != nil {
			list = append(list, p.Name)
		}
	}
	return strings.Join(list, " ")
}

const findable = `
site: a
zone: America/New_York
inside: [10.0.0.0/8, "fd00::/8"]
parties:
  - {name: pacs, titles: [PACS], addresses: [10.2.0.10]}
  - {name: viewer, titles: [VIEWER1, "VIEW 2"], addresses: [10.3.0.0/16, "fd00::/16"], hours: 06:00-22:00}
  - {name: doctor, titles: [VIEWER3], addresses: [10.3.0.0/24]}
  - {name: nurse, applications: [EHR@NORTH, ANY], addresses: [10.3.0.0/24]}
  - {name: lab, applications: [ANY@SOUTH], subject: "CN=lab,O=Lab", outside: true}
listeners:
  - {name: dicom, protocol: dicom, listen: "127.0.0.1:104", tls: none, because: a test, upstream: {address: "127.0.0.1:105", tls: none, party: pacs}, destinations: {VIEWER1: viewer, LABEL: lab}}
`

// TestFind: whose a certificate, title, application and address are.
func TestFind(t *testing.T) {
	s := parse(t, findable)
	caseless := parse(t, strings.Replace(findable, "zone:", "ignore_case: true\nzone:", 1))
	for _, test := range []struct{ what, got, want string }{
		{"name", names(s.Party("pacs")), "pacs"},
		{"no such name", names(s.Party("PACS")), ""},
		{"own certificate", names(s.PartyOf("spiffe://a/party/lab")), "lab"},
		{"own certificate of nobody", names(s.PartyOf("spiffe://a/party/x")), ""},
		{"own certificate of something else", names(s.PartyOf("spiffe://a/guard/lab")), ""},
		{"another site's certificate", names(s.PartyOf("spiffe://b/party/lab")), ""},
		{"outside certificate", names(s.PartyOf("CN=lab,O=Lab")), "lab"},
		{"nearly the subject", names(s.PartyOf("CN=lab, O=Lab")), ""},
		{"no certificate", names(s.PartyOf("")), ""},
		{"title", names(s.Title(" VIEWER1 ")), "viewer"},
		{"title filled up with NUL", names(s.Title("VIEWER1\x00\x00")), "viewer"},
		{"title with a blank", names(s.Title("VIEW 2")), "viewer"},
		{"title in other letters", names(s.Title("viewer1")), ""},
		{"title in other letters, if they do not matter", names(caseless.Title("viewer1")), "viewer"},
		{"application", names(s.Application("EHR@NORTH")), "nurse"},
		{"application of another facility", names(s.Application("EHR@SOUTH")), ""},
		{"application without facility", names(s.Application("EHR")), ""},
		{"application of any facility", names(s.Application("ANY@WEST")), "nurse"},
		{"application of any facility, without one", names(s.Application("ANY")), "nurse"},
		{"its facility goes first", names(s.Application(" ANY @ SOUTH ")), "lab"},
		{"application in other letters, if they do not matter", names(caseless.Application("any@south")), "lab"},
		{"nothing claimed", names(s.Application(""), s.Title("")), ""},
		{"address", names(s.Address(netip.MustParseAddr("10.2.0.10"))...), "pacs"},
		{"address as IPv6", names(s.Address(netip.MustParseAddr("::ffff:10.2.0.10"))...), "pacs"},
		{"wide network", names(s.Address(netip.MustParseAddr("10.3.1.1"))...), "viewer"},
		{"longest network, shared", names(s.Address(netip.MustParseAddr("10.3.0.1"))...), "doctor nurse"},
		{"IPv6", names(s.Address(netip.MustParseAddr("fd00::1%eth0"))...), "viewer"},
		{"address of nobody", names(s.Address(netip.MustParseAddr("10.4.0.1"))...), ""},
		{"destination", names(s.Destination(s.Listener("dicom"), "VIEWER1 ")), "viewer"},
		{"destination of nobody", names(s.Destination(s.Listener("dicom"), "PACS")), ""},
		{"destination of no listener", names(s.Destination(s.Listener("hl7"), "VIEWER1")), ""},
	} {
		if test.got != test.want {
			t.Errorf("%s: got %q, want %q", test.what, test.got, test.want)
		}
	}
	if p := s.Party("viewer"); !p.From(netip.MustParseAddr("10.3.9.9")) || p.From(netip.MustParseAddr("10.2.0.10")) || !s.Party("lab").From(netip.MustParseAddr("8.8.8.8")) {
		t.Error("a party comes from its networks, and without any from anywhere")
	}
	if !s.Within(netip.MustParseAddr("10.9.9.9")) || s.Within(netip.MustParseAddr("8.8.8.8")) || s.Within(netip.Addr{}) {
		t.Error("only the networks that are listed are the site's own")
	}
}

// TestOpen: hours are those of the site's zone, summer and winter.
func TestOpen(t *testing.T) {
	s := parse(t, findable)
	for at, want := range map[string]bool{"2026-01-10T11:00:00Z": true, "2026-01-10T10:59:00Z": false, "2026-07-10T10:00:00Z": true, "2026-07-11T02:00:00Z": false} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Open(s.Party("viewer"), when); got != want {
			t.Errorf("%s: got %t, want %t", at, got, want)
		}
		if !s.Open(s.Party("pacs"), when) {
			t.Error("who has no hours is always welcome")
		}
	}
}
