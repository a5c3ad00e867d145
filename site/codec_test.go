package site

import "testing"

// TestNetwork: an IPv4 network is one however it is written.
func TestNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.0.0/24": "10.1.0.0/24", "10.1.0.7": "10.1.0.7", "::ffff:10.0.0.0/104": "10.0.0.0/8", "::ffff:10.1.0.7/128": "10.1.0.7", "2001:db8::/32": "2001:db8::/32",
	} {
		c := network()
		p, err := c.parse(text)
		if got := c.print(p); err != nil || got != want {
			t.Errorf("%s: got %s and error %v, want %s", text, got, err, want)
		}
	}
}
