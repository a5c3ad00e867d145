package guard

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	clinic "chaperone/internal/clinicsim"
)

// TestDICOMObserveEverybody: a query or a retrieval that names nobody is told of where the listener observes, as where it enforces, once, and also
// when nothing is found: its matches do not show what was asked for.
func TestDICOMObserveEverybody(t *testing.T) {
	name := func(s string) clinic.Element { return clinic.Text(0x00100010, "PN", s) }
	find, get, move := set(3, fieldFind, 1, true), set(5, fieldGet, 1, true), set(7, fieldMove, 1, true, clinic.Text(0x0600, "AE", "ROOM"))
	for _, test := range []struct {
		name    string
		context byte
		command []byte
		keys    []byte
		found   int
		want    int // findings of everybody
	}{
		{"find by the beginning of a name", 3, find, keys("STUDY", name("D*")), 3, 1},
		{"find by any name, and nobody is found", 3, find, keys("STUDY", name("*")), 0, 1},
		{"find of a day", 3, find, clinic.DataSet{clinic.Text(0x00080020, "DA", "20260301")}.Encode(clinic.ImplicitLE), 3, 1},
		{"find by a name", 3, find, keys("STUDY", name("DOE^JANE")), 3, 0},
		{"find by a number, and nobody is found", 3, find, keys("STUDY", clinic.Text(0x00100020, "LO", "P1")), 0, 0},
		{"get of everything", 5, get, keys("STUDY"), 0, 1},
		{"move of everything", 7, move, keys("STUDY", name("*")), 3, 1},
	} {
		for _, mode := range []string{"observe", "enforce"} {
			t.Run(test.name+", "+mode, func(t *testing.T) {
				a := newArchive(t, func(k *talker, c *command, _ []byte) {
					if c.field == fieldFind {
						matched(k, c, matches(test.found)...)
						return
					}
					_ = k.send(c.context, true, true, c.reply(statusSuccess, "", 0, uint16(test.found), 0, 0)) // the test sees what does not come
				})
				file := strings.Replace(fmt.Sprintf(dicomSite, 100, a.Addr()), "whose: all", "whose: named", 1)
				r := begin(t, strings.Replace(file, "protocol: dicom\n", "protocol: dicom\n    mode: "+mode+"\n", 1))
				c, err := net.Dial("tcp", r.guard.Address("dicom").String())
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(20 * time.Second))
				k := newTalker(t, c)
				k.associate()
				k.message(test.context, test.command, test.keys)
				k.answers()
				_ = c.Close()
				eventually(t, "all of it is read", func() bool { return r.open() == 0 })
				prefix := map[string]string{"observe": ObservedRule, "enforce": RefusedRule}[mode]
				if got := r.findings()[prefix+"everybody"]; got != test.want {
					t.Errorf("got %d findings of everybody, want %d: %v", got, test.want, r.findings())
				}
			})
		}
	}
}
