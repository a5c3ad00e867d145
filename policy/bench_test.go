package policy

import (
	"fmt"
	"testing"

	cedar "github.com/cedar-policy/cedar-go"
)

// hospital is a site of 1,000 parties and 500 grants beside the shipped ones.
func hospital() Options {
	o := Options{Site: "north", Grants: Defaults()}
	roles := Roles()
	for i := range 1000 {
		o.Parties = append(o.Parties, Party{
			Name: fmt.Sprintf("party%d", i), Role: roles[i%len(roles)], Groups: []string{fmt.Sprintf("group%d", i%50), "all"},
		})
	}
	o.Parties[999] = Party{Name: "alone", Role: "research"}
	for i := range 500 {
		o.Grants = append(o.Grants, Grant{
			Name: fmt.Sprintf("grant %d", i), Parties: []string{fmt.Sprintf("party%d", i*2)}, Groups: []string{fmt.Sprintf("group%d", i%50)},
			Actions: []Action{Actions()[i%9]}, To: []string{Self},
		})
	}
	return o
}

// BenchmarkDecide is one decision: granted, refused by the table, refused by the judge, and with an own Cedar file that
// mentions three attributes. Cedar alone is beside it: one policy, with a context that is made for each request, or was made.
func BenchmarkDecide(b *testing.B) {
	plain := newSet(b, hospital())
	o := hospital()
	o.Cedar = map[string][]byte{"own.cedar": []byte(`
forbid (principal in Group::"group3", action, resource) when { context.hour < 6 };
forbid (principal, action in Action::"hl7", resource) when { context.patients > 100 && context.detail like "ORU*" };
`)}
	own := newSet(b, o)
	granted := ask1("party2", Find, "party2") // a viewer
	refused := *granted
	refused.Party, refused.To = "alone", "alone"
	everybody := *granted
	everybody.Everybody = true
	for _, test := range []struct {
		name   string
		set    *Set
		r      *Request
		reason Reason
	}{
		{"granted", plain, granted, Granted}, {"no grant", plain, &refused, NoGrant}, {"everybody", plain, &everybody, Everybody}, {"own file", own, granted, Granted},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if d := test.set.Decide(test.r); d.Reason != test.reason {
					b.Fatal(d)
				}
			}
		})
	}
	one, err := cedar.NewPolicySetFromBytes("", []byte(`permit (principal, action, resource) when { context has grant };`))
	if err != nil {
		b.Fatal(err)
	}
	ask := cedar.Request{Principal: principalOf(&Party{Name: "party2"}).uid, Action: actionUID(Find), Resource: principalOf(&Party{Name: "party2"}).uid}
	entities := entitiesOf(hospital().Parties)
	for _, fresh := range []bool{true, false} {
		b.Run(fmt.Sprintf("cedar alone, fresh=%t", fresh), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if fresh || ask.Context.Len() == 0 {
					ask.Context = cedar.NewRecord(cedar.RecordMap{"grant": cedar.True, "request": cedar.Long(1)})
				}
				if answer, _ := cedar.Authorize(one, entities, ask); answer != cedar.Allow {
					b.Fatal(answer)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	o := hospital()
	for b.Loop() {
		newSet(b, o)
	}
}
