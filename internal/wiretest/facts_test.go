package wiretest

import (
	"testing"
	"time"

	"chaperone/wire"
)

// TestInvented: saying less is no invention, saying anything else is.
func TestInvented(t *testing.T) {
	tunnel := wire.Tunnel{ServerName: "a", Version: 0x303, Names: []string{"x", "y"}, Certificate: [32]byte{1}}
	desktop := wire.Desktop{Cookie: "nurse", Tunnel: &tunnel, Bytes: [2]int64{10, 20}, First: time.Unix(1, 0)}
	whole := []wire.Fact{desktop, wire.FileServer{Dialect: 0x311}, wire.FileServer{Dialect: 0x210, Signing: true}}
	for _, test := range []struct {
		name string
		got  wire.Fact
		want bool
	}{
		{"the same", desktop, false},
		{"nothing", wire.Desktop{}, false},
		{"less of it", wire.Desktop{Tunnel: &wire.Tunnel{Names: []string{"y"}}, Bytes: [2]int64{3, 4}, First: time.Unix(2, 0)}, false},
		{"a part of a name", wire.Desktop{Cookie: "nur"}, true},
		{"another inside", wire.Desktop{Tunnel: &wire.Tunnel{Version: 0x302}}, true},
		{"one name more", wire.Desktop{Tunnel: &wire.Tunnel{Names: []string{"y", "z"}}}, true},
		{"another certificate", wire.Desktop{Tunnel: &wire.Tunnel{Certificate: [32]byte{2}}}, true},
		{"another yes", wire.Desktop{Routed: true}, true},
		{"of one or the other", wire.FileServer{Dialect: 0x311, Signing: true}, false},
		{"another kind", wire.Logon{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := invented([]wire.Fact{test.got}, whole); (got != "") != test.want {
				t.Errorf("got %q, want something %t", got, test.want)
			}
		})
	}
}
