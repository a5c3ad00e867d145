package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chaperone/ledger"

	"pgregory.net/rapid"
)

// TestAsked compares with a plain list: of several questions with one id the oldest is found, or the oldest that is not taken, one that would have
// been refused when there is no other, and the oldest of all is forgotten.
func TestAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int{6, 2 * fewAsked}).Draw(t, "most")
		var a asked
		var want []*question
		id := rapid.IntRange(0, 4)
		for range rapid.IntRange(0, 10*most).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "add") {
				q := &question{id: fmt.Sprint(id.Draw(t, "id")), refused: rapid.Bool().Draw(t, "refused")}
				if n := id.Draw(t, "records"); n > 0 {
					q.sent = &sentTogether{covered: make([]ledger.Covered, 3*n)}
				} else if len(want) > 0 {
					q.sent = want[len(want)-1].sent // of the same frame
				}
				a.add(q, most, 10)
				for want = append(want, q); len(want) > most || records(want) > 10 && want[0].sent != q.sent; {
					want = want[1:]
				}
			} else if len(want) > 0 {
				q := rapid.SampledFrom(want).Draw(t, "done")
				if q.taken {
					a.done(q)
					a.done(q) // once more, as two answers to one question do
					want = slices.DeleteFunc(want, func(o *question) bool { return o == q })
				}
				q.taken = true
			}
			for n := range 10 {
				id, untaken := fmt.Sprint(n/2), n%2 == 1
				var first *question
				for _, refused := range []bool{false, true} { // those that would have been refused come last
					if i := slices.IndexFunc(want, func(q *question) bool { return q.refused == refused && q.id == id && !(untaken && q.taken) }); first == nil && i >= 0 {
						first = want[i]
					}
				}
				if got := a.find(id, untaken); got != first {
					t.Fatalf("id %s, not taken %t: got %p, want %p of %d", id, untaken, got, first, len(want))
				}
			}
			var list []*question
			for q := a.oldest; q != nil; q = q.behind {
				list = append(list, q)
			}
			if !slices.Equal(list, want) || a.count != len(want) || a.sent != records(want) {
				t.Fatalf("got %d in the list and a count of %d, want %d; %d records, want %d", len(list), a.count, len(want), a.sent, records(want))
			}
		}
	})
}

func records(list []*question) (n int) {
	counted := map[*sentTogether]bool{nil: true}
	for _, q := range list {
		if !counted[q.sent] {
			counted[q.sent] = true
			n += len(q.sent.covered)
		}
	}
	return n
}

// TestOddAnswers: a system whose answers are outside the grammar, and bear nobody, does not make the queue stand still.
func TestOddAnswers(t *testing.T) {
	e := newEngine(t)
	e.answer = func(payload string) string { return strings.Replace(ack(payload), `^~\&`, "^^^^", 1) }
	r := begin(t, strings.Replace(fmt.Sprintf(hl7Site, e.Addr()), "party: ehr}\n", "party: ehr}\n    limits: {pending: 2, idle: 2s}\n", 1))
	c := r.call("hl7")
	for i := range 10 {
		if got := c.send(result("LAB|NORTH", fmt.Sprint("m", i), "1")); !strings.Contains(got, fmt.Sprint("MSA|AA|m", i)) {
			t.Fatalf("message %d: got %q", i, got)
		}
	}
}
