package detect

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"chaperone"
	"chaperone/exchange"
	"chaperone/format/evtx"
	"chaperone/inventory"
	"chaperone/wire"
)

// TestClocks: a computer whose clock differs is set right by the ports of its logons; too few of them, or ports that
// disagree, change nothing.
func TestClocks(t *testing.T) {
	begin := time.Date(2016, 6, 20, 8, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name   string
		logons int
		ahead  func(i int) time.Duration
		want   time.Duration
	}{
		{"five hours ahead", 8, func(int) time.Duration { return 5 * time.Hour }, 5 * time.Hour},
		{"two hours behind, a little uneven", 9, func(i int) time.Duration { return -2*time.Hour + time.Duration(i)*time.Second }, -2*time.Hour + 4*time.Second},
		{"right", 8, func(i int) time.Duration { return time.Duration(i) * time.Second }, 0},
		{"two logons", 2, func(int) time.Duration { return 5 * time.Hour }, 0},
		{"ports that mean nothing", 9, func(i int) time.Duration { return time.Duration(i) * time.Hour }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := NewSet()
			for i := range test.logons {
				at := begin.Add(time.Duration(i) * 10 * time.Minute)
				client := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.9"), uint16(50000+i))
				s.Contact(&exchange.Contact{Client: client, Server: netip.MustParseAddrPort("192.0.2.15:3389"), Protocol: chaperone.RDP, Opened: true,
					First: at, Last: at.Add(time.Second), Desktop: &wire.Desktop{Answered: true}})
				s.Log(&evtx.Record{ID: uint64(i), EventID: failedLogon, Channel: "Security", Computer: "TS1.clinic.example", Time: at.Add(test.ahead(i)),
					Data: []evtx.Field{{Name: "TargetUserName", Value: "nurse"}, {Name: "IpAddress", Value: "203.0.113.9"}, {Name: "IpPort", Value: fmt.Sprint(client.Port())}}}, chaperone.Evidence{})
			}
			site := inventory.NewSite(inventory.New(), inventory.Given{Names: map[netip.Addr]string{netip.MustParseAddr("192.0.2.15"): "TS1"}}, begin, begin.Add(48*time.Hour))
			s.Findings(site)
			got := time.Duration(0)
			if clocks := s.Clocks(); len(clocks) == 1 {
				got = clocks[0].Ahead
			}
			if got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}
