package rdp_test

import (
	"encoding/hex"
	"reflect"
	"testing"
	"time"

	"chaperone/internal/wiretest"
	"chaperone/wire"
)

// TestPeers compares with what Zeek says of its own captures (rdp.log, ssl.log and conn.log of its baseline), and with the
// numbers of bytes that tshark counts.
func TestPeers(t *testing.T) {
	type desktop = wire.Desktop
	tunnel := func(name string, version uint16, subject, digest string) *wire.Tunnel {
		u := &wire.Tunnel{ServerName: name, Offered: version, Version: version, Names: []string{subject}, Issuer: subject, SelfSigned: true}
		if _, err := hex.Decode(u.Certificate[:], []byte(digest)); err != nil {
			t.Fatal(err)
		}
		return u
	}
	awake := desktop{Cookie: "AWAKECODI", Negotiates: true, Requested: 3, Answered: true, Selected: 2, NLA: wire.NLAOffered,
		Tunnel: tunnel("192.168.1.150", 0x0301, "WIN2K8R2.awakecoding.ath.cx", "a5b05d2ae076130aa41060f53ecd72bdf864ea0179250e927549c94d5ab2499a")}
	laptop := desktop{Cookie: "JOHN-PC", Negotiates: true, Answered: true, NLA: wire.NLAOff, Machine: "JOHN-PC-LAPTOP", Build: 9600,
		Channels: []string{"rdpdr", "rdpsnd", "cliprdr", "drdynvc"}}
	with := func(d desktop, keyboard uint32, client, server int64) desktop {
		d.Keyboard, d.Bytes = keyboard, [2]int64{client, server}
		return d
	}
	for _, test := range []struct {
		file      string
		want      []desktop
		malformed int
	}{
		{"rdp-no-cookie-mstshash", []desktop{{Negotiates: true, Requested: 11, Answered: true, Selected: 8, NLA: wire.NLAOffered, Bytes: [2]int64{484, 942},
			Tunnel: tunnel("", 0x0303, "CLK-456040-D.one.phoenix.gov", "2f24fa5efe1c62447b32aa41af38c4176d03a62ca9c3c8d491946ed283b86cca")}}, 0},
		{"rdp-to-ssl", []desktop{with(awake, 0, 1512, 1619), with(awake, 0, 14681, 70854)}, 0},
		{"rdp-proprietary-encryption", []desktop{
			{Cookie: `FTBCO\A70`, Negotiates: true, Requested: 1, Answered: true, Failure: 2, Bytes: [2]int64{47, 19}},
			{Cookie: `FTBCO\A70`, Negotiates: true, Answered: true, NLA: wire.NLAOff, Machine: "FROG-POND", Keyboard: 0x409, Build: 6000,
				Channels: []string{"rdpdr", "rdpsnd", "drdynvc", "cliprdr"}, Bytes: [2]int64{28206, 76506}},
		}, 0},
		{"rdp-unknown-keyboard", []desktop{with(laptop, 263198, 493, 19)}, 0},
		{"rdp-x509", []desktop{with(laptop, 0x409, 493, 1424)}, 0},
		// Zeek gives it up, too: the beginning is missing, and lengths are wrong.
		{"rdp-invalid-length", []desktop{{Answered: true, Bytes: [2]int64{438, 95}}}, 1},
	} {
		t.Run(test.file, func(t *testing.T) {
			conversations := wiretest.Capture(t, "../../testdata/peer/"+test.file+".pcap")
			if len(conversations) != len(test.want) {
				t.Fatalf("got %d connections, want %d", len(conversations), len(test.want))
			}
			for i, c := range conversations {
				got, malformed := noted(t, false, c.Turns...)
				got.First, got.Last = time.Time{}, time.Time{}
				if want := test.want[i]; !reflect.DeepEqual(got, want) || malformed != test.malformed {
					t.Errorf("got  %d malformed, %+v %+v\nwant %d malformed, %+v %+v", malformed, got, got.Tunnel, test.malformed, want, want.Tunnel)
				}
			}
		})
	}
}
