package guard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"chaperone"
	"chaperone/policy"
)

// TestPrecedent: a connection's judge, which remembers what the policy said of the message before, says of each of many wishes what
// one says who remembers nothing.
func TestPrecedent(t *testing.T) {
	file := strings.Replace(fmt.Sprintf(hl7Site, "127.0.0.2:9"), "    to: [ehr]\n", "    to: [ehr]\n    budget: {1h: 30}\n  - {name: more, roles: [lab], actions: [hl7.send], details: [OML^O21], to: [portal]}\n  - {name: looks up, roles: [viewer], actions: [hl7.query], to: [self], whose: named}\n  - {name: own, roles: [viewer], actions: [hl7.query], details: [ORU^R01], to: [ehr], whose: ward}\n", 1)
	file = strings.Replace(file, "grants:\n", "  - {name: portal, role: viewer, applications: [PORTAL@NORTH], groups: [icu], addresses: [127.0.0.3/32], hours: 08:00-18:00}\ngrants:\n", 1)
	r := begin(t, file)
	g := r.guard
	rules := []*rules{g.rules.Load(), must(newRules(r.site(strings.Replace(file, "[ORU^R01]", "[ORU^R02]", 1))))}
	remembers, now := g.judge("hl7", false), g.now()
	dice := rand.New(rand.NewPCG(1, 2))
	pick := func(list ...string) string { return list[dice.IntN(len(list))] }
	said := map[policy.Reason]int{}
	var last wish
	for range 50_000 {
		w := wish{
			action: policy.Action(pick("hl7.send", "hl7.query")), detail: pick("ORU^R01", "OML^O21"), claims: []string{pick("LAB@NORTH", "PORTAL@NORTH", "X")},
			asked: dice.IntN(2) == 0, everybody: dice.IntN(8) == 0, unresolved: dice.IntN(8) == 0, later: dice.IntN(4) == 0,
		}
		some := func() *side { return &side{party: rules[0].site.Party(pick("lab", "ehr", "portal"))} }
		w.client, w.from, w.to = some(), some(), some()
		if dice.IntN(8) == 0 { // a query for the own ward, which little else would be
			portal, ehr := rules[0].site.Party("portal"), rules[0].site.Party("ehr")
			w = wish{action: policy.Ask, detail: "ORU^R01", claims: []string{"PORTAL@NORTH"}, client: &side{party: portal}, from: &side{party: ehr}, to: &side{party: ehr}}
		}
		if dice.IntN(2) == 0 { // as the one before but for one thing
			one := last
			switch dice.IntN(10) {
			case 0:
				one.action = w.action
			case 1:
				one.detail = w.detail
			case 2:
				one.claims = w.claims
			case 3:
				one.asked = w.asked
			case 4:
				one.everybody = w.everybody
			case 5:
				one.unresolved = w.unresolved
			case 6:
				one.client = w.client
			case 7:
				one.to = w.to
			case 8:
				one.later = w.later
			}
			if last.client != nil {
				w = one
			}
		}
		last = w
		if dice.IntN(4) > 0 {
			w.records = []chaperone.Record{{Identifiers: []chaperone.Identifier{{Kind: chaperone.HL7PatientID, Value: chaperone.NewPHI(fmt.Sprint(dice.IntN(30)))}}}}
		}
		if dice.IntN(50) == 0 {
			w.records = append(w.records, make([]chaperone.Record, 31)...)
		}
		w.wards = nil
		if dice.IntN(3) == 0 {
			w.wards = []string{pick("icu", "er")}
		}
		if dice.IntN(4) == 0 {
			now = now.Truncate(24 * time.Hour).Add(time.Duration(dice.IntN(24*60)) * time.Minute)
		}
		in := rules[dice.IntN(8)/7]
		knows := g.judge("hl7", false)
		want, _ := knows.attempt(in, w.in(in), nil, now, now)
		got, _ := remembers.attempt(in, w.in(in), nil, now, now)
		if got != want {
			t.Fatalf("%+v: got %+v, want %+v", w, got, want)
		}
		if got.Permit && w.wards == nil && !slices.Equal(remembers.last.keys, knows.last.keys) {
			t.Fatalf("%+v: charged to %v, want %v", w, remembers.last.keys, knows.last.keys)
		}
		said[got.Reason]++
	}
	for _, reason := range []policy.Reason{policy.Granted, policy.NoGrant, policy.Everybody, policy.Unresolved, policy.OutsideHours, policy.Ward, policy.IdentityApplication, "budget-1h"} {
		if said[reason] == 0 {
			t.Errorf("it never said %s: %v", reason, said)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
