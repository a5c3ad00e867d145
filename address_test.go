package chaperone

import "testing"

// TestParseNetwork: however an IPv4 network is written, it is one, and none is silently empty.
func TestParseNetwork(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"192.0.2.7", "192.0.2.7/32"},
		{"::ffff:192.0.2.7", "192.0.2.7/32"},
		{"2001:db8::7", "2001:db8::7/128"},
		{"fe80::1%eth0", "fe80::1/128"},
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.7/24", "192.0.2.7/24"},
		{"::ffff:192.0.2.0/120", "192.0.2.0/24"},
		{"::ffff:c000:200/120", "192.0.2.0/24"},
		{"::ffff:192.0.2.7/128", "192.0.2.7/32"},
		{"::ffff:0.0.0.0/96", "0.0.0.0/0"},
		{"2001:db8::/32", "2001:db8::/32"},
		{"::/96", "::/96"}, // not those: IPv4-compatible (RFC 4291 2.5.5.1), which is nobody's
		{"::ffff:192.0.2.0/24", ""},
		{"::ffff:192.0.2.0/95", ""},
		{"::fffe:0:0/95", ""},
		{"::/64", ""},
		{"::/0", ""},
		{"192.0.2.0/33", ""},
		{"fe80::1%eth0/64", ""},
		{"LAB", ""},
		{"", ""},
	} {
		got, err := ParseNetwork(test.text)
		if test.want == "" {
			if err == nil {
				t.Errorf("%q: got %s, want an error", test.text, got)
			}
		} else if err != nil || got.String() != test.want {
			t.Errorf("%q: got %s and error %v, want %s", test.text, got, err, test.want)
		}
	}
}
