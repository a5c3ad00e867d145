package guard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/ledger"
)

// TestUnusual: a party that has had three patients on each of eight days is told of, once, when it has fourteen on one, though its
// budget has room for many more; one whose habits are not known is not.
func TestUnusual(t *testing.T) {
	for _, test := range []struct{ days, want int }{{8, 1}, {6, 0}} {
		e := newEngine(t)
		r := begin(t, strings.Replace(fmt.Sprintf(querySite, e.Addr()), "{24h: 3}", "{24h: 1000}", 1))
		ask := func(from, until int) {
			t.Helper()
			e.mu.Lock()
			e.answer = candidates(from, until)
			e.mu.Unlock()
			c := r.call("hl7")
			defer c.Close()
			if got := c.send(query(fmt.Sprint("q", from), "@PID.5.1^DOE")); !strings.Contains(got, "MSA|AA|") {
				t.Fatalf("got %q", got)
			}
		}
		ask(1, 4)
		rows := r.rows()
		var b ledger.Batch
		for day := range test.days { // what it had today it had on the days before
			d := rows[0].Disclosure
			d.ID[0], d.Time = byte(day), d.Time.Add(-time.Duration(day+1)*24*time.Hour)
			covered := []ledger.Covered{}
			for i := range 3 {
				covered = append(covered, ledger.Covered{Numbers: []chaperone.PatientToken{r.guard.tokens.Token(chaperone.Identifier{
					Kind: chaperone.HL7PatientID, Authority: chaperone.NewPHI("NORTH"), Value: chaperone.NewPHI(fmt.Sprint(day*3 + i))})}})
			}
			b.Disclosures = append(b.Disclosures, ledger.Disclosure{Disclosure: d, Covered: covered})
		}
		if _, err := r.ledger.Record(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		r.restart(strings.Replace(fmt.Sprintf(querySite, e.Addr()), "{24h: 3}", "{24h: 1000}", 1))
		ask(100, 109)
		if got := r.findings()[UnusualRule]; got != 0 {
			t.Errorf("%d days, 12 patients: got %d findings, want 0", test.days, got)
		}
		ask(200, 202)
		ask(300, 302)
		if got := r.findings()[UnusualRule]; got != test.want {
			t.Errorf("%d days, 16 patients: got %d findings, want %d", test.days, got, test.want)
		}
	}
}
