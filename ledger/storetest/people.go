package storetest

import (
	"fmt"
	"strings"
	"time"

	"chaperone/ledger"
)

// people are the counts of persons.
type people struct{ patients, weak, unmerged, min, max int }

func countsOf(c ledger.Counts) people { return people{c.Patients, c.Weak, c.Unmerged, c.Min, c.Max} }

// tell records what a line says, a batch for each word: "AB" a disclosure of a person with two numbers, "A+x" one of two
// persons, "-" one of nobody; "A<B@3" a merge of B into A at second 3, "A|B@3" its undoing.
func tell(b *bench, line string) {
	b.Helper()
	for n, word := range strings.Fields(line) {
		what, clock, _ := strings.Cut(word, "@")
		if i := strings.IndexAny(what, "<|"); i >= 0 {
			var second int
			if _, err := fmt.Sscan(clock, &second); err != nil {
				b.Fatalf("a typing error in a table: %v", err)
			}
			b.record(ledger.Batch{Merges: []ledger.Merge{{
				Survivor: tokens(what[:i]), Prior: tokens(what[i+1:]), Undo: what[i] == '|', At: at(0, "10:00:00").Add(time.Duration(second) * time.Second),
			}}})
			continue
		}
		d := disclosure(n, at(n%2, "10:00:00"))
		if what != "-" {
			d.Covered = covered(strings.Split(what, "+")...)
		}
		b.give(d)
	}
}

// persons: the rule of who is one, as package patient has it.
func persons(b *bench) {
	// A=B, C, D, E, F=G=J, H~x, I~x, x, y; never disclosed: K=L, M, N
	tell(b, "A B C D+E FG Hx Ix x y GJ - K<L@5 A<B@1 C<M@3 C|M@3 A|N@4 A<N@2 D<E@1 E|D@2")
	check := func(name string, wanted people) {
		b.Helper()
		b.lasting(func() { want(b, name, countsOf(b.scope(ledger.Query{}).Counts), wanted) })
	}
	check("everybody", people{9, 2, 10, 7, 12})
	for _, test := range []struct {
		name, line string
		want       people
	}{
		{"a merge with somebody who was never disclosed", "A<K@9", people{9, 2, 10, 7, 14}},
		{"an undo that comes late was earlier", "K|A@8", people{9, 2, 10, 7, 14}},
		{"at the same time the later one holds", "K|A@9", people{9, 2, 10, 7, 12}},
		{"an undo does not part what a record joined", "F|G@9", people{9, 2, 10, 7, 12}},
		{"several with several", "CD<EF@9", people{6, 2, 10, 4, 12}},
		{"undoing one pair of them leaves the way round", "C|E@9", people{6, 2, 10, 4, 12}},
		{"with oneself", "A<A@9", people{6, 2, 10, 4, 12}},
		{"with nobody", "A<@9", people{6, 2, 10, 4, 12}},
	} {
		tell(b, test.line)
		check(test.name, test.want)
	}
}

// some: the persons of some disclosures, with all that the whole ledger knows of them.
func some(b *bench) {
	b.give(
		between(disclosure(1, at(0, "10:00:00"), "A"), archive, viewer), between(disclosure(2, at(0, "10:01:00"), "AB"), archive, lab),
		between(disclosure(3, at(1, "10:00:00"), "C"), archive, viewer), between(disclosure(4, at(1, "11:00:00"), "Dx", "x", "y"), archive, lab),
		between(disclosure(5, at(2, "11:00:00"), "Cx"), lab, called),
	)
	to := func(name string) people {
		return countsOf(b.scope(ledger.Query{Parties: []ledger.Match{{Name: name}}}).Counts)
	}
	b.lasting(func() {
		want(b, "a number that another disclosure joined", to("viewer"), people{2, 0, 2, 2, 3})
		want(b, "alike", to("lab@north"), people{4, 2, 4, 3, 5})
		want(b, "alike to others only", to("köln"), people{1, 0, 1, 1, 1})
	})
	b.record(ledger.Batch{Merges: []ledger.Merge{{Survivor: tokens("A"), Prior: tokens("CE"), At: at(3, "10:00:00")}}})
	b.lasting(func() {
		want(b, "merged", to("viewer"), people{1, 0, 2, 1, 4})
		want(b, "merged and alike", to("lab@north"), people{4, 2, 4, 2, 7})
	})
}
