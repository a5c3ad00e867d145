package guard

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestBudgetStart: a guard that starts again knows what a sender has sent, and what a system has received that proves nothing and
// has no address in the site file.
func TestBudgetStart(t *testing.T) {
	for name, change := range map[string][2]string{
		"of the sender's grant": {"    to: [ehr]\n", "    to: [ehr]\n    budget: {1h: 2}\n"},
		"of the receiver":       {"role: engine\n    addresses: [127.0.0.2/32]\n", "role: research\n    budget: {1h: 2}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &engine{answer: ack, host: "127.0.0.3"}
			e.listen(t, func(l net.Listener) net.Listener { return l })
			file := strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), change[0], change[1], 1)
			file = strings.Replace(file, "    addresses: [127.0.0.2/32]\n", "", 1)
			r := begin(t, file)
			for i, want := range []string{"AA m0", "AA m1", "AR m2", "AA m3"} {
				if i == 2 {
					r.end()
					r.start(file)
				}
				if got := answered(r.call("hl7").send(result("LAB|NORTH", fmt.Sprint("m", i), fmt.Sprint(i%3)))); got != want {
					t.Fatalf("got %s, want %s", got, want)
				}
			}
		})
	}
}
