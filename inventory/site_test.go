package inventory

import (
	"fmt"
	"net/netip"
	"testing"

	"chaperone"
	"chaperone/exchange"
	"chaperone/wire"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func address(s string) netip.Addr { return netip.MustParseAddr(s) }

// meet lets systems be seen.
func meet(v *Inventory, list ...string) {
	for _, a := range list {
		v.Contact(&exchange.Contact{Client: netip.AddrPortFrom(address(a), 50000), Server: netip.AddrPortFrom(address("203.0.113.1"), 443), First: morning, Last: morning}, true)
	}
}

// TestSite: which networks are one's own, and how that is known.
func TestSite(t *testing.T) {
	asks := func(client, server string) func(*Inventory) {
		return func(v *Inventory) {
			m := &wire.Message{Action: "C-FIND", Role: wire.Query, Data: wire.FromServer}
			m.At.Time = morning
			v.Event(&exchange.Connection{Protocol: chaperone.DICOM, Client: netip.AddrPortFrom(address(client), 50000), Server: netip.AddrPortFrom(address(server), 104)}, wire.Event{Stage: wire.Head, Message: m})
		}
	}
	for _, test := range []struct {
		name    string
		given   Given
		play    func(*Inventory)
		why     string
		inside  []string
		outside []string
	}{
		{"given", Given{Own: []netip.Prefix{prefix("198.51.100.0/24")}}, func(v *Inventory) { meet(v, "10.1.2.3") },
			"given", []string{"198.51.100.7", "::ffff:198.51.100.7"}, []string{"10.1.2.3", "192.0.2.1"}},
		{"given, and names elsewhere", Given{Own: []netip.Prefix{prefix("198.51.100.0/24")}, Names: map[netip.Addr]string{address("192.0.2.1"): "CLOUD"}}, func(*Inventory) {},
			"given", []string{"198.51.100.7"}, []string{"192.0.2.1"}},
		{"private", Given{}, func(v *Inventory) { meet(v, "10.1.2.3", "192.0.2.1") },
			"private networks", []string{"10.9.9.9", "172.16.0.1", "172.31.255.1", "192.168.7.7", "fd00::1", "169.254.1.1", "fe80::1", "127.0.0.1", "::1", "100.64.0.1", "::ffff:10.0.0.1"},
			[]string{"192.0.2.1", "172.32.0.1", "100.128.0.1", "2001:db8::1", "11.0.0.1"}},
		{"a name outside is one's own, its neighbours are not", Given{Names: map[netip.Addr]string{address("192.0.2.1"): "CLOUD"}}, func(v *Inventory) { meet(v, "10.1.2.3") },
			"private networks, and systems that were named", []string{"10.9.9.9", "192.0.2.1"}, []string{"192.0.2.2"}},
		{"two names outside beside private ones", Given{Names: map[netip.Addr]string{address("192.0.2.1"): "CLOUD1", address("192.0.2.2"): "CLOUD2", address("10.0.0.1"): "EHR"}}, func(*Inventory) {},
			"private networks, and systems that were named", []string{"10.9.9.9", "192.0.2.1", "192.0.2.2"}, []string{"192.0.2.3"}},
		{"a private name", Given{Names: map[netip.Addr]string{address("10.0.0.1"): "EHR"}}, func(v *Inventory) { meet(v, "192.0.2.1") },
			"private networks", []string{"10.9.9.9"}, []string{"192.0.2.1"}},
		{"public names together", Given{Names: map[netip.Addr]string{address("192.0.2.1"): "EHR", address("192.0.2.2"): "PACS"}}, func(v *Inventory) { meet(v, "192.0.2.77") },
			"the networks of the systems that were named", []string{"192.0.2.77"}, []string{"198.51.100.1"}},
		{"public names together, of IPv6", Given{Names: map[netip.Addr]string{address("2001:db8::1"): "EHR", address("2001:db8::2"): "PACS"}}, func(*Inventory) {},
			"the networks of the systems that were named", []string{"2001:db8::ffff:1"}, []string{"2001:db8:0:1::1"}},
		{"public names apart", Given{Names: map[netip.Addr]string{address("192.0.2.1"): "EHR", address("198.51.100.1"): "PACS"}}, func(*Inventory) {},
			"the systems that were named", []string{"192.0.2.1", "198.51.100.1"}, []string{"192.0.2.2"}},
		{"inferred from who asks and who keeps", Given{}, asks("198.51.100.9", "192.0.2.1"),
			"inferred from who keeps and asks for medical data", []string{"192.0.2.200"}, []string{"198.51.100.9"}},
		{"nothing to go by", Given{}, func(v *Inventory) { meet(v, "192.0.2.1") },
			"private networks", []string{"10.0.0.1"}, []string{"192.0.2.1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := New()
			test.play(v)
			s := NewSite(v, test.given, morning, hour(1))
			if s.Why != test.why {
				t.Errorf("got %q, want %q", s.Why, test.why)
			}
			for _, a := range test.inside {
				if !s.Inside(address(a)) {
					t.Errorf("%s is outside, want inside", a)
				}
			}
			for _, a := range test.outside {
				if s.Inside(address(a)) {
					t.Errorf("%s is inside, want outside", a)
				}
			}
			if s.Inside(netip.Addr{}) {
				t.Error("no address is inside, want outside")
			}
		})
	}
}

// TestOutside: a system that is not one's own has that for its role, whatever it does.
func TestOutside(t *testing.T) {
	v := New()
	for _, a := range []int{1, 2} {
		store(v, morning, a, 9)
		plan(v, morning, a, 8)
	}
	s := NewSite(v, Given{Own: []netip.Prefix{prefix("192.0.2.2/31"), prefix("192.0.2.8/31")}}, morning, hour(1))
	if got := s.Role(host(1)); got != Outside {
		t.Errorf("got role %q, want outside", got)
	}
	if got := s.Role(host(2)); got != Modality {
		t.Errorf("got role %q, want modality", got)
	}
	if x := s.Systems[0]; x.Role != Outside || x.Sure != 1 || x.Signs != nil {
		t.Errorf("got %q, %f, %v; want outside, surely, without signs", x.Role, x.Sure, x.Signs)
	}
	if got := s.Role(host(77)); got != Unknown {
		t.Errorf("got role %q of a system that was not seen, want none", got)
	}
}

// TestFind: whose a name is that stands in a log.
func TestFind(t *testing.T) {
	v := New()
	for n, name := range map[int]string{1: "EHR.clinic.example", 2: "PACS", 3: "PACS", 4: "GATE01", 5: "DESK7"} {
		v.Fact(host(60), host(n), wire.Logon{Server: name})
	}
	v.Fact(host(60), host(5), wire.Logon{Server: "desk7.clinic.example"}) // the same system under the same first label
	s := NewSite(v, Given{Own: []netip.Prefix{prefix("192.0.2.0/24")}, Names: map[netip.Addr]string{host(4): "EHR", host(9): "GATE01.other.example"}}, morning, hour(1))
	for _, test := range []struct {
		name, computer string
		want           netip.Addr
	}{
		{"the operator's name wins over a system that claims it", "EHR.clinic.example", host(4)},
		{"a name of two systems is none's", "PACS", netip.Addr{}},
		{"by its first label, in capitals or not", " gate01.clinic.example ", host(9)},
		{"seen twice", "DESK7", host(5)},
		{"nobody's", "RIS", netip.Addr{}},
		{"no name", "", netip.Addr{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, ok := s.Find(test.computer); got != test.want || ok != test.want.IsValid() {
				t.Errorf("got %s, %t; want %s", got, ok, test.want)
			}
		})
	}
}

// TestName: the operator's name, else what a system was seen to have, else what it calls itself.
func TestName(t *testing.T) {
	v := New()
	v.Fact(host(1), host(2), wire.Logon{Workstation: "DESK7", Server: "FILES01"})
	for _, n := range []int{2, 3} {
		message(v, morning, chaperone.DICOM, n, 9, wire.Message{Action: "C-STORE", From: fmt.Sprint("AE", n)})
	}
	s := NewSite(v, Given{Own: []netip.Prefix{prefix("192.0.2.0/24")}, Names: map[netip.Addr]string{host(1): "Front desk"}}, morning, hour(1))
	for a, want := range map[netip.Addr]string{host(1): "Front desk", host(2): "FILES01", host(3): "AE3", host(9): "", host(77): "",
		address("::ffff:192.0.2.1"): "Front desk", Unplaced("LOST01"): "LOST01", {}: ""} {
		if got := s.Name(a); got != want {
			t.Errorf("%s: got %q, want %q", a, got, want)
		}
	}
}

// TestUnplaced: a computer without an address is a system of one's own all the same, and shows its name.
func TestUnplaced(t *testing.T) {
	s := NewSite(New(), Given{Own: []netip.Prefix{prefix("192.0.2.0/24")}}, morning, hour(1))
	a, b := Unplaced("LOST01"), Unplaced("LOST02")
	if a == b || !a.IsValid() || !s.Inside(a) {
		t.Errorf("got %s and %s, want two systems that are inside", a, b)
	}
	for a, want := range map[netip.Addr]string{a: "LOST01", host(1): "192.0.2.1", netip.IPv6Unspecified(): "::", address("fe80::1%eth0"): "fe80::1%eth0"} {
		if got := Show(a); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := Computer(address("fe80::1%eth0")); got != "" {
		t.Errorf("got computer %s of an address, want none", got)
	}
}
